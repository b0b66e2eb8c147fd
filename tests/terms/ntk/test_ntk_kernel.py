"""The kernel by groups of layers and ranges of rows: equal to dense gradients under any budget, and within the budget."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
import torch
import transformers as hf
from ntk_reference import dense_theta, mean_token_logit, own_logit, padded_rows, relative, split, widen
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mixval.errors import CapacityError, ModelError
from mixval.terms.ntk.capture import capture_slices
from mixval.terms.ntk.contribution import Factors
from mixval.terms.ntk.gram import pairing_is_cheaper
from mixval.terms.ntk.groups import GRADIENTS_SHARE, layer_groups, least_bytes
from mixval.terms.ntk.kernel import exact_kernel, weight_bytes
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.slice import WeightGradients

N, BATCH = 13, 3


@pytest.fixture(scope="module")
def llama() -> nn.Module:
    torch.manual_seed(0)
    sizes = {"vocab_size": 37, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    return widen(hf.LlamaForCausalLM(hf.LlamaConfig(**sizes, attn_implementation="eager")))


@pytest.fixture(scope="module")
def perceptron() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(32, 32), nn.Tanh()) for _ in range(4)]
    return nn.Sequential(*layers, nn.Linear(32, 5)).double().eval().requires_grad_(False)


def vectors(n: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {"x": torch.randn(n, 32, generator=generator, dtype=torch.float64), "y": torch.arange(n) % 5}


def rows_from(batch: dict[str, Tensor], size: int = BATCH):
    return lambda start: split({key: value[start:] for key, value in batch.items()}, size)


@pytest.mark.parametrize("budget", [1, 20_000, 60_000, 300_000, 10**8])
def test_any_budget_gives_the_dense_kernel(llama: nn.Module, budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # transformers' eager attention takes its softmax in float32, which would hide errors below 1e-7.
    plain = nn.functional.softmax
    monkeypatch.setattr(nn.functional, "softmax", lambda x, dim, **_: plain(x, dim=dim))
    batch, names = padded_rows(N, 9, 37), select_parameters(llama, ["linear", "embedding", "norm"])
    scalar = mean_token_logit(llama)
    sizes = weight_bytes(llama, names, scalar, split(batch, BATCH)[0])
    assert next(iter(sizes)) == "lm_head.weight", "in the order of the backward pass"
    groups = layer_groups(sizes, N, budget)
    assert (len(groups) == 1) == (budget == 10**8)
    found = exact_kernel(llama, groups, scalar, rows_from(batch), N, budget)
    assert relative(found.theta, dense_theta(llama, names, mean_token_logit, batch)) <= 1e-10
    assert torch.equal(found.theta, found.theta.T)
    assert relative(found.outputs, scalar(batch)) <= 1e-12


class Living(TorchDispatchMode):
    """The most bytes that tensors made within have held at a time, storages counted once.

    What has ended since is looked for only where the others could hold more than the most so far: then the sum is exact.
    """

    def __init__(self, given: Iterable[Tensor]) -> None:
        super().__init__()
        self.peak = 0
        self._given = {tensor.untyped_storage()._cdata for tensor in given}
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}
        self._at_most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self._given:
                    _, before = self._storages.get(storage._cdata, (None, 0))
                    self._storages[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
                    self._at_most += storage.nbytes() - before
        if self._at_most > self.peak:
            self._storages = {key: held for key, held in self._storages.items() if not held[0].expired()}
            self._at_most = sum(n_bytes for _, n_bytes in self._storages.values())
            self.peak = max(self.peak, self._at_most)
        return made


@pytest.mark.parametrize(("layers_that_fit", "n_groups"), [(0.5, 5), (2, 3), (6, 1)])
def test_what_is_held_stays_within_the_budget(perceptron: nn.Module, layers_that_fit: float, n_groups: int) -> None:
    n, batch_rows = 48, 2
    batch, names, scalar = vectors(n), select_parameters(perceptron, ["linear"]), own_logit(perceptron)
    sizes = weight_bytes(perceptron, names, scalar, split(batch, batch_rows)[0])
    budget = int(layers_that_fit * n * max(sizes.values()) / GRADIENTS_SHARE)
    assert budget >= least_bytes(sizes, n, batch_rows)
    groups = layer_groups(sizes, n, budget)
    assert len(groups) == n_groups
    with Living([*perceptron.parameters(), *batch.values()]) as living:
        found = exact_kernel(perceptron, groups, scalar, rows_from(batch, batch_rows), n, budget, verify=False)
    theta_and_batch = 3 * 8 * n * n + 20 * 8 * batch_rows * 32  # Theta, a tile and its mirror image; activations of a pass
    assert 0.5 * budget < living.peak <= budget + theta_and_batch
    assert relative(found.theta, dense_theta(perceptron, names, own_logit, batch)) <= 1e-10


def test_slices_follow_their_limits(perceptron: nn.Module) -> None:
    batch, names = vectors(N), select_parameters(perceptron, ["linear"])
    (one,) = capture_slices(perceptron, names, own_logit(perceptron), split(batch, BATCH), itertools.repeat(None))
    per_row = one.n_bytes // N
    limits = itertools.chain([7 * per_row], itertools.repeat(4 * per_row))
    slices = list(capture_slices(perceptron, names, own_logit(perceptron), split(batch, BATCH), limits))
    assert [part.n for part in slices] == [6, 3, 4]
    assert relative(torch.cat([part.outputs for part in slices]), one.outputs) <= 1e-12


def test_groups_keep_the_order_and_fill_the_budget() -> None:
    sizes = {"a": 30, "b": 30, "c": 50, "d": 200, "e": 10, "f": 5}
    groups = [("a", "b"), ("c",), ("d",), ("e", "f")]
    assert layer_groups(sizes, 10, int(750 / GRADIENTS_SHARE)) == groups
    assert layer_groups(sizes, 1, 10**6) == [tuple(sizes)]
    assert layer_groups(sizes, 10, 1) == [(name,) for name in sizes]


def test_a_kernel_of_nothing_is_refused(perceptron: nn.Module) -> None:
    for groups, budget in (([], 10**6), ([("4.weight",)], 0)):
        with pytest.raises(CapacityError, match=r"runtime\.gradient_bytes"):
            exact_kernel(perceptron, groups, own_logit(perceptron), rows_from(vectors(4)), 4, budget)


def test_every_group_is_held_against_autograd() -> None:
    """The second group's weight is read behind the hooks: its own first batch finds it."""

    class Behind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(32, 32, bias=False), nn.Linear(32, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.tanh(self.first(x)) @ self.first.weight)

    module = Behind().double().eval()
    with pytest.raises(ModelError, match=r"first\.weight.*outside"):
        exact_kernel(module, [("head.weight",), ("first.weight",)], own_logit(module), rows_from(vectors(4)), 4, 10**6)


@pytest.mark.parametrize(
    ("positions", "sides", "is_paired"),
    [
        (1, (512, 4608), True),  # a convolution on one place: 5,120 against 2.4 million multiply-adds a pair of rows
        (4, (256, 2304), True),
        (16, (128, 1152), False),
        (128, (704, 256), False),
        (8, (16, 16), False),  # 2,048 multiply-adds and 64 pairs of positions against 256 multiply-adds
    ],
)
def test_the_cheaper_route_by_the_cost_model(positions: int, sides: tuple[int, int], is_paired: bool) -> None:
    rows, columns = sides
    use = Factors(torch.zeros(1, positions, rows).expand(500, -1, -1), torch.zeros(1, positions, columns).expand(500, -1, -1))
    weight = WeightGradients(sides, (500,), ((use,),))
    assert pairing_is_cheaper(weight, weight) is is_paired
