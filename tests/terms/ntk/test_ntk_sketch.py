"""Sketched gradients against their definition, coordinate by coordinate, and against exact kernels, in the mean."""

import copy
from collections.abc import Callable

import numpy as np
import peft
import pytest
import torch
import transformers as hf
from ntk_reference import (
    mean_token_log_probability,
    mean_token_logit,
    own_logit,
    padded_rows,
    relative,
    split,
    widen,
)
from ntk_sketch_reference import sketch_by_definition
from torch import Tensor, nn

from mixval.errors import ModelError, NumericalError
from mixval.terms.ntk import folding
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.hashing import CountHash
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.terms.ntk.sketch import SketchPlan, cheaper_route, plan_sketch, sketch

# peft asks a transformers model for a property that transformers has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

WIDTH = 16
VOCABULARY = 37


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
    truth = sketch_by_definition(network, plan, own_logit, images)
    for size in (1, 3, 7):
        found = sketch(network, plan, scalar, split(images, size), verify=False)
        assert relative(found.features, truth) <= 1e-10, size
        assert found.features.dtype == torch.float64


def test_small_chunks_change_nothing(network: nn.Module, images: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    names = select_parameters(network, ["linear", "conv"])
    plan = plan_sketch(network, names, own_logit(network), images, WIDTH, seed=5)
    assert set(plan.routes.values()) == {"count", "tensor"}
    whole = sketch(network, plan, own_logit(network), [images], verify=False)
    monkeypatch.setattr(folding, "CHUNK_BYTES", 1)
    monkeypatch.setattr(folding, "SHORT_BYTES", 1)
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
    assert relative(found.features, sketch_by_definition(model, plan, mean_token_logit, batch)) <= 1e-5


def tied_gpt2() -> nn.Module:
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 4, "n_positions": 32}
    return widen(hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=VOCABULARY, **sizes, attn_implementation="eager")))


def lora_llama() -> nn.Module:
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = hf.LlamaForCausalLM(hf.LlamaConfig(vocab_size=VOCABULARY, **sizes, attn_implementation="eager"))
    return widen(peft.get_peft_model(model, peft.LoraConfig(r=3, target_modules="all-linear", init_lora_weights=True)))


@pytest.mark.parametrize("route", ["planned", "count"])
@pytest.mark.parametrize("scalar", [mean_token_logit, mean_token_log_probability])
@pytest.mark.parametrize(
    ("make", "kinds"), [(tied_gpt2, ["linear", "embedding", "bias"]), (lora_llama, ["lora"])], ids=["tied", "lora"]
)
def test_tied_tables_and_adapters_are_their_definition(
    make: Callable[[], nn.Module], kinds: list[str], scalar: Callable, route: str
) -> None:
    torch.manual_seed(0)
    model, batch = make(), padded_rows(5, 9, VOCABULARY)
    names = select_parameters(model, kinds)
    plan = plan_sketch(model, names, scalar(model), batch, WIDTH, seed=1)
    if route == "count":
        plan = SketchPlan(WIDTH, 1, dict.fromkeys(names, "count"), plan.slimmed)
    found = sketch(model, plan, scalar(model), split(batch, 2), verify=False)
    # transformers takes the softmax's and the norms' inner steps in float32
    assert relative(found.features, sketch_by_definition(model, plan, scalar, batch)) <= 1e-5


@pytest.mark.parametrize("route", ["count", "tensor"])
def test_bfloat16_costs_its_rounding(network: nn.Module, images: dict[str, Tensor], route: str) -> None:
    """Against float64 on the same rounded weights and rows: 2^-9 a rounding, some twenty of them on the longest way."""
    half = copy.deepcopy(network).bfloat16()
    rows = {"x": images["x"].bfloat16(), "y": images["y"]}
    names = ["first.weight", "second.weight", "row.weight", "twice.weight", "head.weight"]
    plan = SketchPlan(256, 0, dict.fromkeys(names, route), frozenset())
    found = sketch(half, plan, own_logit(half), [rows], verify=False).features
    exact = copy.deepcopy(half).double()
    truth = sketch(exact, plan, own_logit(exact), [{"x": rows["x"].double(), "y": rows["y"]}], verify=False).features
    assert found.dtype == torch.float32
    assert float((found - truth).norm() / truth.norm()) <= 0.05


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


@pytest.mark.parametrize(
    ("shape", "positions", "route"),
    [
        ((512, 512), 1, "tensor"),
        ((512, 4608), 16, "tensor"),
        ((256, 2304), 64, "tensor"),
        ((128, 1152), 256, "count"),
        ((64, 576), 64, "count"),
    ],
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


def test_a_backbone_on_several_devices_is_refused(network: nn.Module, images: dict[str, Tensor]) -> None:
    sharded = copy.deepcopy(network)
    sharded.head.to("meta")
    plan = SketchPlan(8, 0, {"row.weight": "count"}, frozenset())
    with pytest.raises(ModelError, match=r"one device, found 'first.weight' on cpu, 'head.weight' on meta"):
        plan_sketch(sharded, ["row.weight"], own_logit(sharded), images, 8, seed=0)
    with pytest.raises(ModelError, match="one device"):
        sketch(sharded, plan, own_logit(sharded), [images])


def test_a_product_that_is_none_is_refused(network: nn.Module, images: dict[str, Tensor]) -> None:
    for name in ("grouped.weight", "norm.weight"):
        plan = SketchPlan(8, 0, {name: "tensor"}, frozenset())
        with pytest.raises(ModelError, match=f"'{name}': its gradient has another form than on the batch of the plan"):
            sketch(network, plan, own_logit(network), [images])


def test_a_wrong_sketch_is_found(network: nn.Module, images: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    names = select_parameters(network, ["linear", "conv"])
    plan = SketchPlan(4096, 0, dict.fromkeys(names, "count"), frozenset())
    sketch(network, plan, own_logit(network), [images])
    plain = CountHash.signs
    monkeypatch.setattr(CountHash, "signs", lambda *given: 1.5 * plain(*given))
    with pytest.raises(NumericalError, match=r"off by .* of the gradients' lengths"):
        sketch(network, plan, own_logit(network), [images])


def test_products_in_bfloat16_cost_a_rounding_far_below_the_sketch() -> None:
    """A float32 backbone whose linear layers form gradients in bfloat16: features to 1 %, their products to 0.2 %."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 24), nn.Tanh(), nn.Linear(24, 3)).eval()
    batch = {"x": torch.randn(20, 7, 12)}
    names = select_parameters(module, ["linear"])

    def scalar(rows: dict[str, Tensor]) -> Tensor:
        return module(rows["x"]).square().sum((1, 2))

    made = []
    for products in ("float32", "bfloat16"):
        plan = plan_sketch(module, names, scalar, batch, 64, 0, products)
        assert plan.products == products
        assert set(plan.routes.values()) == {"count"}
        made.append(sketch(module, plan, scalar, [batch]).features.double())
    whole, half = made
    assert half.dtype == torch.float64
    assert not torch.equal(half, whole)
    assert float((half - whole).norm() / whole.norm()) < 0.01
    products_of = [features @ features.T for features in made]
    assert float((products_of[1] - products_of[0]).norm() / products_of[0].norm()) < 0.002
