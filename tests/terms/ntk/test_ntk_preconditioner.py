"""Preconditioned kernels and sketches against whole gradients that are scaled coordinate by coordinate, in float64."""

import numpy as np
import pytest
import torch
from ntk_reference import (
    dense_gradients,
    dense_theta,
    mean_token_log_probability,
    own_class_logit,
    own_logit,
    padded_rows,
    relative,
    split,
    widen,
)
from test_ntk_capture_text import VOCABULARY, bert, bert_batch, gpt2, llama, lora_llama, qwen2
from test_ntk_capture_vision import Network, images
from test_ntk_kernel import rows_from
from torch import nn

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.kernel import exact_kernel
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.preconditioner import Moments, Preconditioner, preconditioner
from mixval.terms.ntk.second_moments import second_moments
from mixval.terms.ntk.sketch import plan_sketch, sketch
from tests.preconditioned_reference import dense_preconditioned, dense_scales

# peft asks a transformers model for a property that transformers has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
FLOOR = 0.1
KINDS = ["linear", "conv", "norm", "bias"]
SCALES_ROUNDED = 1e-6
"""Scales are float32: relative error of two of them and of their squares in a product."""


@pytest.fixture(autouse=True)
def _softmax_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    # transformers' eager attention takes its softmax in float32, which would hide errors below 1e-7.
    plain = nn.functional.softmax
    monkeypatch.setattr(nn.functional, "softmax", lambda x, dim, **_: plain(x, dim=dim))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made = Network()
    made.batch.running_mean.normal_()
    made.batch.running_var.uniform_(0.5, 2)
    return widen(made)


def of_target(module, names, scalar, batch) -> Preconditioner:
    return preconditioner(second_moments(module, names, scalar(module), split(batch, 3)), FLOOR)


@pytest.mark.parametrize("form", ["auto", "gradient", "factors"])
def test_kernel_of_convolutions_norms_and_biases_equals_dense(network: nn.Module, form: str) -> None:
    names, target, rows = select_parameters(network, KINDS), images(5, 11, 4), images(7, 11, 4)
    found = of_target(network, names, own_logit, target)
    scales = dense_scales(dense_gradients(network, names, own_logit, target), FLOOR)
    truth = dense_preconditioned(dense_gradients(network, names, own_logit, rows), scales)
    taken = capture(network, names, own_logit(network), split(rows, 3), form, preconditioner=found)
    assert relative(gram_block(taken, taken), truth) <= SCALES_ROUNDED
    assert relative(truth, dense_theta(network, names, own_logit, rows)) > 0.01  # it is another kernel


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (llama, ["linear", "embedding", "norm"]),
        (qwen2, ["linear", "embedding", "norm", "bias"]),  # one table, looked up and multiplied with
        (gpt2, ["linear", "embedding", "norm", "bias"]),  # weights of (in, out)
        (lora_llama, ["linear", "lora"]),
    ],
)
def test_kernel_of_language_models_equals_dense(make, kinds) -> None:
    torch.manual_seed(0)
    module, target, rows = make(), padded_rows(5, 9, VOCABULARY, seed=1), padded_rows(7, 9, VOCABULARY)
    names = select_parameters(module, kinds)
    found = of_target(module, names, mean_token_log_probability, target)
    scales = dense_scales(dense_gradients(module, names, mean_token_log_probability, target), FLOOR)
    truth = dense_preconditioned(dense_gradients(module, names, mean_token_log_probability, rows), scales)
    for form in ("auto", "factors"):
        scalar = mean_token_log_probability(module)
        taken = capture(module, names, scalar, split(rows, 3), form, preconditioner=found)
        assert relative(gram_block(taken, taken), truth) <= SCALES_ROUNDED, form


def test_classifier_of_texts_equals_dense_within_a_budget() -> None:
    torch.manual_seed(0)
    module, batch = bert(), bert_batch()
    names = select_parameters(module, ["linear"])
    found = of_target(module, names, own_class_logit, batch)
    gradients = dense_gradients(module, names, own_class_logit, batch)
    truth = dense_preconditioned(gradients, dense_scales(gradients, FLOOR))
    groups = [names[:5], names[5:]]
    kernel = exact_kernel(module, groups, own_class_logit(module), rows_from(batch), 7, 2**17, preconditioner=found)
    assert relative(kernel.theta, truth) <= SCALES_ROUNDED
    # The rows that the moments are taken of have gradients as long in the mean as without, by the factored moments.
    assert float(truth.diagonal().sum()) == pytest.approx(sum(float((g**2).sum()) for g in gradients.values()), rel=0.5)


@pytest.mark.parametrize("width", [16, 4096])
def test_sketch_is_the_sketch_of_scaled_gradients(network: nn.Module, width: int) -> None:
    names, target, rows = select_parameters(network, ["linear", "conv"]), images(5, 11, 4), images(6, 11, 4)
    found = of_target(network, names, own_logit, target)
    plan = plan_sketch(network, names, own_logit(network), target, width, seed=3)
    taken = sketch(network, plan, own_logit(network), split(rows, 4), preconditioner=found)  # compared with exact ones
    scales = dense_scales(dense_gradients(network, names, own_logit, target), FLOOR)
    truth = dense_preconditioned(dense_gradients(network, names, own_logit, rows), scales)
    lengths = truth.diagonal().sqrt()
    off = ((taken.features @ taken.features.T - truth) / (lengths[:, None] * lengths)).abs().max()
    assert float(off) <= 6 * (8 / width) ** 0.5  # as `_verify` allows


def test_arrays_come_back(network: nn.Module) -> None:
    names = select_parameters(network, KINDS)
    found = of_target(network, names, own_logit, images(5, 11, 4))
    again = Preconditioner.from_arrays(found.to_arrays())
    assert list(again.scales) == [name for name in names if not name.startswith("unused")]
    for name, (first, second) in found.scales.items():
        assert torch.equal(again.scales[name][0], first), name
        assert torch.equal(again.scales[name][1], second), name


def test_moments_of_another_unit_give_the_same_scales_but_for_their_unit() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0.1, 2, 4), rng.uniform(0.1, 2, 3)
    first *= second.mean() / first.mean()
    one = preconditioner({"w": Moments(first, second, 12)}, FLOOR).scales["w"]
    other = preconditioner({"w": Moments(100 * first, 100 * second, 12)}, FLOOR).scales["w"]
    for side in (0, 1):
        assert torch.allclose(one[side], other[side], rtol=1e-5)
    # Coordinates of small moments are raised against those of large ones, by at most the floor's share.
    assert int(one[0].argmax()) == int(first.argmin())


def test_no_geometry_is_refused() -> None:
    nothing = {"w": Moments(np.zeros(2), np.zeros(3), 6)}
    with pytest.raises(NumericalError, match="no geometry"):
        preconditioner(nothing, FLOOR)
    with pytest.raises(ShapeError, match="floor above 0"):
        preconditioner(nothing, 0.0)
