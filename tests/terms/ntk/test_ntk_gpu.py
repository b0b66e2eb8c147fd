"""Kernels and sketches on a device are those of the CPU. Without one, a stand-in checks where tensors lie."""

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
import transformers as hf
from ntk_reference import mean_token_log_probability, mean_token_logit, own_logit, padded_rows, relative, split, widen
from torch import Tensor, nn

from mixval.terms.ntk.groups import layer_groups
from mixval.terms.ntk.kernel import exact_kernel, weight_bytes
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.sketch import SketchPlan, plan_sketch, sketch
from tests.device_stand_in import STAND_IN, Moved, StandIn, moved

N, BATCH, WIDTH, VOCABULARY = 7, 3, 64, 37
FLOAT32 = 1e-4
"""Relative to the largest number: sums of some thousand products in another order, through a few layers."""
Case = tuple[nn.Module, Callable, dict[str, Tensor], list[str]]


class Network(nn.Module):
    """Convolutions on many places and on few, with groups and without, a norm, a layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 6, (3, 5), padding="same")
        self.strided = nn.Conv2d(6, 6, 3, stride=2, groups=2)
        self.norm = nn.GroupNorm(2, 6)
        self.row = nn.Conv1d(6, 6, 3, padding=1)
        self.twice = nn.Linear(6, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.tanh(self.second(torch.relu(self.first(images))))
        hidden = self.row(self.norm(self.strided(hidden)).flatten(2)).mean(2)
        return self.head(torch.tanh(self.twice(torch.tanh(self.twice(hidden)))))


def _network() -> Case:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    rows = {"x": torch.randn(N, 3, 9, 8, generator=generator, dtype=torch.float64), "y": torch.arange(N) % 4}
    return Network().double().eval().requires_grad_(False), own_logit, rows, ["linear", "conv", "norm", "bias"]


def _gpt2(scalar: Callable) -> Case:
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY, "n_positions": 16, "n_embd": 12, "n_layer": 2, "n_head": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 1}
    module = widen(hf.GPT2LMHeadModel(hf.GPT2Config(**sizes, **ends, attn_implementation="eager")))
    return module, scalar, padded_rows(N, 9, VOCABULARY), ["linear", "embedding", "bias"]


CASES: dict[str, Callable[[], Case]] = {
    "network": _network,
    "tied": lambda: _gpt2(mean_token_logit),
    "tied-dense": lambda: _gpt2(mean_token_log_probability),
}


@pytest.fixture(params=["stand-in", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """Within, float32 products on CUDA are float32 products: cuDNN would take TF32 by default."""
    if request.param == "stand-in":
        with StandIn():
            yield STAND_IN
        return
    settings = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [one.fp32_precision for one in settings]
    for one in settings:
        one.fp32_precision = "ieee"
    yield torch.device("cuda")
    for one, precision in zip(settings, before, strict=True):
        one.fp32_precision = precision


def there(device: torch.device, module: nn.Module) -> nn.Module:
    """A copy on the device."""
    made = copy.deepcopy(module)
    return moved(made) if device == STAND_IN else made.to(device)


def moved_rows(rows: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    return {key: value.to(dtype if value.is_floating_point() else value.dtype).to(device) for key, value in rows.items()}


def test_the_stand_in_tells_devices_apart() -> None:
    with StandIn():
        here, away = torch.ones(2), torch.ones(2).to(STAND_IN)
        assert isinstance(away, Moved)
        assert float((away * 2 + torch.tensor(1.0)).cpu().sum()) == 6
        with pytest.raises(RuntimeError, match=r"a tensor of shape \(2,\) is on the CPU"):
            away + here


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("route", ["planned", "count"])
@pytest.mark.parametrize("name", CASES)
def test_one_plan_gives_one_sketch(name: str, route: str, dtype: torch.dtype, device: torch.device) -> None:
    """Signs and buckets are drawn on the CPU, so features agree number by number and not in the mean only."""
    module, scalar, rows, kinds = CASES[name]()
    module, names = module.to(dtype), select_parameters(module, kinds)
    here = moved_rows(rows, torch.device("cpu"), dtype)
    plan = plan_sketch(module, names, scalar(module), here, WIDTH, seed=1)
    if route == "count":
        plan = SketchPlan(WIDTH, 1, dict.fromkeys(names, "count"), plan.slimmed)
    truth = sketch(module, plan, scalar(module), split(here, BATCH), verify=False)
    elsewhere = there(device, module)
    found = sketch(elsewhere, plan, scalar(elsewhere), split(moved_rows(rows, device, dtype), BATCH))
    assert found.features.device.type == device.type
    limit = FLOAT32 if dtype == torch.float32 else 1e-5 if name != "network" else 1e-10  # GPT-2's softmax is float32
    assert relative(found.features.cpu(), truth.features) <= limit
    assert relative(found.outputs.cpu(), truth.outputs) <= limit


@pytest.mark.parametrize("share", [0.25, 2.0])
@pytest.mark.parametrize("name", CASES)
def test_any_budget_gives_the_kernel_of_the_cpu(name: str, share: float, device: torch.device) -> None:
    """A budget for a share of all gradients: the widest weights are taken for some rows at a time."""
    module, scalar, rows, kinds = CASES[name]()
    names = select_parameters(module, kinds)
    sizes = weight_bytes(module, names, scalar(module), split(rows, BATCH)[0])
    budget = int(share * N * sum(sizes.values()))
    groups = layer_groups(sizes, N, budget)
    assert (len(groups) > 1) == (share < 1)
    truth = exact_kernel(module, groups, scalar(module), _from(rows), N, budget)
    elsewhere = there(device, module)
    found = exact_kernel(elsewhere, groups, scalar(elsewhere), _from(moved_rows(rows, device, torch.float64)), N, budget)
    assert found.theta.device.type == device.type
    assert relative(found.theta.cpu(), truth.theta) <= (1e-10 if name == "network" else 1e-5)
    assert relative(found.outputs.cpu(), truth.outputs) <= (1e-10 if name == "network" else 1e-5)


@pytest.mark.parametrize("route", ["count", "tensor"])
def test_bfloat16_costs_its_rounding(route: str, device: torch.device) -> None:
    """Against float64 on the CPU of the same rounded weights and rows: 2^-9 a rounding, some twenty of them at most."""
    module, scalar, rows, _ = CASES["network"]()
    half = module.bfloat16()
    names = ["first.weight", "second.weight", "row.weight", "twice.weight", "head.weight"]
    plan = SketchPlan(256, 0, dict.fromkeys(names, route), frozenset())
    rounded = moved_rows(rows, torch.device("cpu"), torch.bfloat16)
    wide = copy.deepcopy(half).double()
    truth = sketch(wide, plan, scalar(wide), [moved_rows(rounded, torch.device("cpu"), torch.float64)], verify=False).features
    elsewhere = there(device, half)
    batches = [moved_rows(rounded, device, torch.bfloat16)]
    found = sketch(elsewhere, plan, scalar(elsewhere), batches, verify=False).features
    assert found.dtype == torch.float32
    assert float((found.cpu() - truth).norm() / truth.norm()) <= 0.05


def _from(rows: dict[str, Tensor]) -> Callable[[int], list[dict[str, Tensor]]]:
    return lambda start: split({key: value[start:] for key, value in rows.items()}, BATCH)
