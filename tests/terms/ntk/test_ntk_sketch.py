"""Sketched gradients against their definition, coordinate by coordinate, and against exact kernels, in the mean."""

import numpy as np
import pytest
import torch
import transformers as hf
from ntk_reference import Batch, dense_gradients, mean_token_logit, own_logit, padded_rows, relative, split, widen
from torch import Tensor, nn

from mixval.errors import ModelError, NumericalError
from mixval.terms.ntk import sketch as module_under_test
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.hashing import CountHash, TensorHash, count_hash, tensor_hash
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.terms.ntk.sketch import SketchPlan, cheaper_route, plan_sketch, sketch

WIDTH = 16


class Network(nn.Module):
    """Convolutions of all kinds, groups, norms, a layer called twice and one never called."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 6, (3, 5), padding="same")
        self.strided = nn.Conv2d(6, 6, 3, stride=2, groups=2)
        self.grouped = nn.Conv2d(6, 6, 1, groups=3)
        self.norm = nn.GroupNorm(2, 6)
        self.row = nn.Conv1d(6, 6, 3, padding=1)
        self.twice = nn.Linear(6, 6)
        self.head = nn.Linear(6, 4)
        self.unused = nn.Linear(3, 3)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.tanh(self.second(torch.relu(self.first(images))))
        hidden = self.row(self.norm(self.grouped(self.strided(hidden))).flatten(2)).mean(2)
        return self.head(torch.tanh(self.twice(torch.tanh(self.twice(hidden)))))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return widen(Network())


@pytest.fixture(scope="module")
def images() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {"x": torch.randn(7, 3, 9, 8, generator=generator, dtype=torch.float64), "y": torch.arange(7) % 4}


def matrix(hashed: CountHash | TensorHash, shape: tuple[int, int]) -> Tensor:
    """(q, O I): the sketch as its definition has it."""
    q, size = hashed.width, shape[0] * shape[1]
    j = np.arange(size)
    if isinstance(hashed, CountHash):
        signs = np.unpackbits(hashed.bits)[:size].astype(float) * 2 - 1
        buckets = (j % q + hashed.rotations[j // q]) % q
    else:
        (h, g), (s, t) = [[one.numpy() for one in pair] for pair in (hashed.buckets, hashed.signs)]
        signs = (s[:, None] * t[None, :]).reshape(-1)
        buckets = (h[:, None] + g[None, :]).reshape(-1) % q
    dense = np.zeros((q, size))
    dense[buckets, j] = signs
    return torch.from_numpy(dense)


def by_definition(module: nn.Module, plan: SketchPlan, scalar, batch: Batch) -> Tensor:
    """(n, q) sketches from whole gradients and whole sketch matrices."""
    total = torch.zeros(len(next(iter(batch.values()))), plan.width, dtype=torch.float64)
    for name, gradient in dense_gradients(module, list(plan.routes), scalar, batch).items():
        shape = (gradient.shape[1], gradient[0, 0].numel())
        if plan.routes[name] == "tensor":
            hashed = tensor_hash(plan.width, shape, plan.seed, name)
        else:
            hashed = count_hash(plan.width, shape[0] * shape[1], plan.seed, name)
        total += gradient.reshape(len(total), -1) @ matrix(hashed, shape).T
    return total


@pytest.mark.parametrize("route", ["count", "tensor"])
def test_sketch_is_its_definition(network: nn.Module, images: dict[str, Tensor], route: str) -> None:
    names = select_parameters(network, ["linear", "conv", "norm", "bias"])
    scalar = own_logit(network)
    plan = plan_sketch(network, names, scalar, images, WIDTH, seed=5)
    matrices = [
        n
        for n in names
        if n.endswith("weight") and "norm" not in n and not any(w in n for w in ("grouped", "strided", "unused"))
    ]
    plan = SketchPlan(WIDTH, 5, {name: route if name in matrices else "count" for name in names}, plan.slimmed)
    truth = by_definition(network, plan, own_logit, images)
    for size in (1, 3, 7):
        found = sketch(network, plan, scalar, split(images, size), verify=False)
        assert relative(found.features, truth) <= 1e-10, size
        assert found.features.dtype == torch.float64


def test_small_chunks_change_nothing(network: nn.Module, images: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    names = select_parameters(network, ["linear", "conv"])
    plan = SketchPlan(WIDTH, 5, dict.fromkeys(names, "count"), frozenset())
    whole = sketch(network, plan, own_logit(network), [images], verify=False)
    monkeypatch.setattr(module_under_test, "CHUNK_BYTES", 1)
    assert relative(sketch(network, plan, own_logit(network), [images], verify=False).features, whole.features) <= 1e-12


@pytest.mark.parametrize("slimmed", [True, False])
def test_language_model_is_its_definition(slimmed: bool) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 37, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = widen(hf.LlamaForCausalLM(hf.LlamaConfig(**sizes, num_key_value_heads=2, attn_implementation="eager")))
    batch, names = padded_rows(5, 9, 37), select_parameters(model, ["linear", "embedding", "norm"])
    plan = plan_sketch(model, names, mean_token_logit(model), batch, WIDTH, seed=1)
    assert "lm_head.weight" in plan.slimmed
    plan = SketchPlan(WIDTH, 1, plan.routes, plan.slimmed if slimmed else frozenset())
    found = sketch(model, plan, mean_token_logit(model), split(batch, 2), verify=False)
    # transformers takes RMSNorm's and the softmax's inner steps in float32
    assert relative(found.features, by_definition(model, plan, mean_token_logit, batch)) <= 1e-5


def test_products_are_unbiased_and_their_spread_is_as_stated(network: nn.Module, images: dict[str, Tensor]) -> None:
    names = select_parameters(network, ["linear", "conv"])
    exact = gram_block(*[capture(network, names, own_logit(network), [images])] * 2)
    lengths = exact.diagonal().sqrt()
    width, draws = 64, 200
    errors = []
    for seed in range(draws):
        plan = plan_sketch(network, names, own_logit(network), images, width, seed)
        features = sketch(network, plan, own_logit(network), [images], verify=False).features
        errors.append((features @ features.T - exact) / (lengths[:, None] * lengths))
    stacked = torch.stack(errors)
    spread = float(stacked.std(0).max())
    assert float(stacked.mean(0).abs().max()) <= 5 * spread / draws**0.5
    assert spread <= (8 / width) ** 0.5


def test_term_converges_to_the_exact_one(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(4)
    batch = {"x": torch.randn(48, 3, 9, 8, generator=generator, dtype=torch.float64), "y": torch.arange(48) % 4}
    names = select_parameters(network, ["linear", "conv"])
    taken = capture(network, names, own_logit(network), [batch])
    residual = 1 - taken.outputs
    exact = quadratic_form(gram_block(taken, taken), residual, 1e-2).term

    def error(width: int) -> float:
        worst = []
        for seed in range(5):
            plan = plan_sketch(network, names, own_logit(network), batch, width, seed)
            features = sketch(network, plan, own_logit(network), [batch]).features
            worst.append(abs(quadratic_form(features @ features.T, residual, 1e-2).term / exact - 1))
        return float(np.mean(worst))

    errors = [error(width) for width in (256, 1024, 4096, 16384)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= 0.02


def test_sketches_are_keyed_by_seed_and_name() -> None:
    one, again = (count_hash(64, 1000, 3, "a.weight") for _ in range(2))
    assert np.array_equal(one.bits, again.bits)
    assert np.array_equal(one.rotations, again.rotations)
    for other in (count_hash(64, 1000, 4, "a.weight"), count_hash(64, 1000, 3, "b.weight")):
        share = np.unpackbits(one.bits ^ other.bits).mean()
        assert 0.4 < share < 0.6
    # Known values: a sketch stored by one release must mean the same to the next.
    assert one.bits[:4].tolist() == KNOWN_BITS
    assert tensor_hash(64, (4, 3), 3, "a.weight").buckets[0].tolist() == KNOWN_BUCKETS


KNOWN_BITS = [235, 192, 191, 114]
KNOWN_BUCKETS = [4, 18, 7, 4]


@pytest.mark.parametrize(
    ("shape", "positions", "route"), [((512, 512), 1, "tensor"), ((512, 4608), 16, "tensor"), ((64, 576), 1024, "count")]
)
def test_the_cheaper_route(shape: tuple[int, int], positions: int, route: str) -> None:
    assert cheaper_route(shape, positions, 4096) == route


def test_odd_widths_and_training_mode_are_refused(network: nn.Module, images: dict[str, Tensor]) -> None:
    with pytest.raises(ModelError, match="positive, even number of features, found 7"):
        plan_sketch(network, ["head.weight"], own_logit(network), images, 7, seed=0)
    with pytest.raises(ModelError, match="evaluation mode"):
        plan_sketch(nn.Sequential(nn.Linear(2, 2)), ["0.weight"], own_logit(network), images, 8, seed=0)
    with pytest.raises(NumericalError, match="at least one row"):
        sketch(network, SketchPlan(8, 0, {"head.weight": "count"}, frozenset()), own_logit(network), [])


def test_a_wrong_sketch_is_found(network: nn.Module, images: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    names = select_parameters(network, ["linear", "conv"])
    plan = SketchPlan(4096, 0, dict.fromkeys(names, "count"), frozenset())
    sketch(network, plan, own_logit(network), [images])
    plain = CountHash.signs
    monkeypatch.setattr(CountHash, "signs", lambda self, low, high: 1.5 * plain(self, low, high))
    with pytest.raises(NumericalError, match=r"off by .* of the gradients' lengths"):
        sketch(network, plan, own_logit(network), [images])
