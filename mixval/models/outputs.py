"""Scalar outputs f(x), probabilities and losses from logits: the pure mathematics, shared by every backbone.

Letters: B rows, C classes, T tokens, V vocabulary, y the true class (token). With z the logits and p = softmax(z):

    logit            f = z_y                                  (DAVINZ; arXiv 2511.13640, Eq. 8)
    margin           f = log(p_y / (1 - p_y)) = z_y - logsumexp over the others of z
    log-probability  f = log p_y = z_y - logsumexp(z)
    mix              f = sum over c of a_c z_c, a fixed and random (`class_mix`), whatever y is

The gradient of a mix gives one kernel to all classes: E <a'g, a'g'> = sum over c of <g_c, g'_c> / C, the mean of the classes'
own kernels. Means of the kernels of several seeds come closer to it. Regression on labels needs such a kernel, since labels
of T's rows must not enter the kernel.

A causal LM's f is the mean over its answer tokens; the logits at position t - 1 predict the token at t. Targets mark
every token that is no answer with -100. There, the true token is what is regressed on, and `mix` is `log-probability`.
Logits below float32 are taken to float32; sums of losses are float64.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from mixval.errors import ShapeError
from mixval.seeds import generator

LabelOutputKind = Literal["logit", "margin", "log-probability"]
OutputKind = LabelOutputKind | Literal["mix"]
IGNORED = -100
"""Target of a token that is no answer token."""


def own_label_output(
    logits: Tensor,  # (B, C)
    targets: Tensor,  # (B,) int64
    kind: OutputKind,
    mix_seed: int = 0,
) -> Tensor:  # (B,)
    """f(x) of each row for its own label, or the mix of `mix_seed`; differentiable in the logits."""
    _check_classes(logits, targets)
    if kind == "mix":
        return _wide(logits) @ class_mix(logits.shape[1], mix_seed).to(_wide(logits))
    return _SCALARS[kind](_wide(logits), targets)


def class_mix(n_classes: int, seed: int = 0) -> Tensor:  # (C,) float64
    """Coefficients a of the mix: independent normal numbers of variance 1 / C, the same on every device."""
    return torch.from_numpy(generator("class-mix", seed).standard_normal(n_classes) / n_classes**0.5)


def answer_token_output(
    logits: Tensor,  # (B, T, V)
    targets: Tensor,  # (B, T) int64, -100 where no answer
    kind: OutputKind,
) -> Tensor:  # (B,)
    """f(x) of each row: the mean over its answer tokens, differentiable in the logits. Every row needs one."""
    before, true, is_answer = _answers(logits, targets)
    scalars = _SCALARS["log-probability" if kind == "mix" else kind](before, true)
    return scalars.where(is_answer, 0.0).sum(1) / is_answer.sum(1)


def own_label_losses(
    logits: Tensor,  # (B, C)
    targets: Tensor,  # (B,) int64
) -> tuple[Tensor, Tensor]:  # (B,) float64 nats, (B,) float64 ones
    """Cross-entropy of each row, and its count, which is 1."""
    losses = -own_label_output(logits, targets, "log-probability").double()
    return losses, torch.ones_like(losses)


def answer_token_losses(
    logits: Tensor,  # (B, T, V)
    targets: Tensor,  # (B, T) int64, -100 where no answer
) -> tuple[Tensor, Tensor]:  # (B,) float64 nats, (B,) float64
    """Cross-entropy summed over each row's answer tokens, and how many they are."""
    before, true, is_answer = _answers(logits, targets)
    losses = -_log_probability(before, true).where(is_answer, 0.0).double()
    return losses.sum(1), is_answer.sum(1).double()


def own_label_probability(
    logits: Tensor,  # (B, C)
    targets: Tensor,  # (B,) int64
) -> Tensor:  # (B,) float64, in [0, 1]
    """p of each row's own label."""
    return own_label_output(logits, targets, "log-probability").double().exp()


def answer_token_probability(
    logits: Tensor,  # (B, T, V)
    targets: Tensor,  # (B, T) int64, -100 where no answer
) -> Tensor:  # (B,) float64, in [0, 1]
    """Geometric mean of each row's answer-token probabilities, exp(mean log p)."""
    return answer_token_output(logits, targets, "log-probability").double().exp()


def _true(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def _margin(logits: Tensor, targets: Tensor) -> Tensor:
    others = logits.scatter(-1, targets.unsqueeze(-1), -torch.inf)  # exact where 1 - p would round to 0
    return _true(logits, targets) - others.logsumexp(-1)


def _log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    return _true(logits, targets) - logits.logsumexp(-1)


_SCALARS: dict[LabelOutputKind, Callable[[Tensor, Tensor], Tensor]] = {
    "logit": _true,
    "margin": _margin,
    "log-probability": _log_probability,
}


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _answers(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, T-1, V) logits that predict the next token, (B, T-1) that token (0 where ignored), (B, T-1) whether it counts."""
    if logits.ndim != 3 or logits.shape[:2] != targets.shape:
        raise ShapeError(f"logits must be (B, T, V) over targets (B, T): found {tuple(logits.shape)}, {tuple(targets.shape)}")
    after = targets[:, 1:]
    is_answer = after != IGNORED
    return _wide(logits[:, :-1]), after.clamp(min=0), is_answer


def _check_classes(logits: Tensor, targets: Tensor) -> None:
    if logits.ndim != 2 or targets.shape != logits.shape[:1] or logits.shape[1] < 2:
        raise ShapeError(
            f"logits must be (B, C) with C >= 2 over targets (B,): found {tuple(logits.shape)}, {tuple(targets.shape)}"
        )
