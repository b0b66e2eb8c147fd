"""Scalar outputs, probabilities and losses against a float64 reference written one row and token at a time."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from mixval.errors import ShapeError
from mixval.models.outputs import (
    IGNORED,
    answer_token_losses,
    answer_token_output,
    answer_token_probability,
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


def test_bfloat16_logits_are_widened():
    logits = torch.tensor([[3.0, 1.0]], dtype=torch.bfloat16)
    assert own_label_output(logits, torch.tensor([0]), "log-probability").dtype == torch.float32


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match=r"C >= 2"):
        own_label_output(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long), "logit")
    with pytest.raises(ShapeError, match=r"\(B, T, V\)"):
        answer_token_output(torch.zeros(3, 4, 5), torch.zeros(3, 5, dtype=torch.long), "logit")
