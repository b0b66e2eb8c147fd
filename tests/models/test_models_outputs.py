"""Scalar outputs, probabilities and losses against a float64 reference written one row and token at a time."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from mixval.errors import ShapeError
from mixval.models.load import load_backbone
from mixval.models.outputs import (
    IGNORED,
    answer_token_losses,
    answer_token_output,
    answer_token_probability,
    class_mix,
    own_label_losses,
    own_label_output,
    own_label_probability,
)

KINDS = ("logit", "margin", "log-probability")


def _scalar(logits: torch.Tensor, target: int, kind: str) -> float:
    p = torch.softmax(logits, -1)[target]
    return float({"logit": logits[target], "margin": torch.log(p / (1 - p)), "log-probability": torch.log(p)}[kind])


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(4, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def targets() -> torch.Tensor:
    targets = torch.full((4, 7), IGNORED)
    for row, (start, stop) in enumerate([(1, 7), (3, 5), (6, 7), (2, 6)]):
        targets[row, start:stop] = torch.arange(start, stop) % 5
    return targets


@pytest.mark.parametrize("kind", KINDS)
def test_own_label_output_is_the_formula(logits, kind):
    labels = torch.tensor([0, 3, 4, 1])
    expected = torch.tensor([_scalar(logits[i, 0], int(labels[i]), kind) for i in range(4)], dtype=torch.float64)
    torch.testing.assert_close(own_label_output(logits[:, 0], labels, kind), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_answer_token_output_is_the_mean_over_answer_tokens(logits, targets, kind):
    expected = []
    for row in range(4):
        scalars = [_scalar(logits[row, t - 1], int(targets[row, t]), kind) for t in range(1, 7) if targets[row, t] != IGNORED]
        expected.append(sum(scalars) / len(scalars))
    found = answer_token_output(logits, targets, kind)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_losses_are_cross_entropy_row_by_row(logits, targets):
    labels = torch.tensor([0, 3, 4, 1])
    losses, counts = own_label_losses(logits[:, 0].float(), labels)
    assert losses.dtype == counts.dtype == torch.float64
    torch.testing.assert_close(
        losses, torch.stack([cross_entropy(logits[i, 0], labels[i]) for i in range(4)]), rtol=1e-6, atol=0
    )
    assert counts.tolist() == [1, 1, 1, 1]
    losses, counts = answer_token_losses(logits, targets)
    by_hand = [cross_entropy(logits[i, :-1], targets[i, 1:], reduction="sum", ignore_index=IGNORED).item() for i in range(4)]
    assert losses.tolist() == pytest.approx(by_hand, rel=1e-12)
    assert counts.tolist() == [6, 2, 1, 4]


def test_probabilities(logits, targets):
    labels = torch.tensor([0, 3, 4, 1])
    expected = torch.softmax(logits[:, 0], -1)[range(4), labels]
    torch.testing.assert_close(own_label_probability(logits[:, 0], labels), expected)
    losses, counts = answer_token_losses(logits, targets)
    torch.testing.assert_close(answer_token_probability(logits, targets), torch.exp(-losses / counts))


def test_margin_is_exact_where_p_rounds_to_one():
    logits = torch.tensor([[60.0, 0.0, 0.0], [0.0, 80.0, 0.0]], dtype=torch.float64, requires_grad=True)
    margin = own_label_output(logits, torch.tensor([0, 0]), "margin")
    assert margin[0].item() == pytest.approx(60 - math.log(2), rel=1e-14)
    assert margin[1].item() == pytest.approx(-80, rel=1e-14)
    margin.sum().backward()
    torch.testing.assert_close(logits.grad[0], torch.tensor([1.0, -0.5, -0.5], dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_stay_in_their_row_and_are_the_derivative(logits, targets, kind):
    logits.requires_grad_()
    answer_token_output(logits, targets, kind)[1].backward()
    assert logits.grad[[0, 2, 3]].abs().max() == 0
    assert logits.grad[1, [0, 1, 4, 5, 6]].abs().max() == 0  # answers at 3 and 4 are predicted at 2 and 3
    assert torch.autograd.gradcheck(lambda z: answer_token_output(z, targets, kind), logits.detach().requires_grad_())


def test_mix_is_one_fixed_sum_over_classes_whatever_the_label(logits):
    rows = logits[:, 0].clone().requires_grad_()
    labels = torch.tensor([0, 3, 4, 1])
    found = own_label_output(rows, labels, "mix", 2)
    torch.testing.assert_close(found, (rows * class_mix(5, 2)).sum(1))
    assert torch.equal(found, own_label_output(rows, labels.flip(0), "mix", 2))
    found.sum().backward()
    torch.testing.assert_close(rows.grad, class_mix(5, 2).expand(4, 5))
    assert torch.equal(own_label_output(rows, labels, "mix"), own_label_output(rows, labels, "mix", 0))
    assert not torch.equal(class_mix(5, 2), class_mix(5, 1))


def test_kernels_of_mixes_have_the_mean_of_the_classes_kernels(logits):
    gradients = torch.randn(3, 5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))  # rows, classes, weights
    wanted = torch.einsum("icp,jcp->ij", gradients, gradients) / 5
    mixed = torch.stack([class_mix(5, seed) @ gradients for seed in range(4000)])
    # 4,000 seeds leave a standard error below 3 % of the lengths.
    scale = wanted.diagonal().max()
    torch.testing.assert_close(torch.einsum("sip,sjp->ij", mixed, mixed) / 4000, wanted, rtol=0, atol=0.08 * float(scale))


def test_mix_of_answer_tokens_is_the_true_tokens_log_probability(logits, targets):
    wanted = answer_token_output(logits, targets, "log-probability")
    assert torch.equal(answer_token_output(logits, targets, "mix"), wanted)


def test_bfloat16_logits_are_widened():
    logits = torch.tensor([[3.0, 1.0]], dtype=torch.bfloat16)
    for kind in ("log-probability", "mix"):
        assert own_label_output(logits, torch.tensor([0]), kind).dtype == torch.float32


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match=r"C >= 2"):
        own_label_output(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long), "logit")
    with pytest.raises(ShapeError, match=r"\(B, T, V\)"):
        answer_token_output(torch.zeros(3, 4, 5), torch.zeros(3, 5, dtype=torch.long), "logit")


def test_backbones_mix_their_logits_by_seed_and_causal_ones_take_the_answer(fresh, image_rows, chat_rows):
    backbone = load_backbone(fresh("resnet"), "image-classification", [0, 1, 2])
    batch = backbone.encode(image_rows())
    forward = backbone.forward(batch)
    found = [backbone.output(forward, batch, "mix", seed) for seed in (0, 1)]
    torch.testing.assert_close(found, [forward.logits @ class_mix(3, seed) for seed in (0, 1)])
    assert not torch.allclose(*found)
    causal = load_backbone(fresh("llama"), "instruction", None)
    batch = causal.encode(chat_rows)
    forward = causal.forward(batch)
    assert torch.equal(causal.output(forward, batch, "mix", 1), causal.output(forward, batch, "log-probability"))
