"""Ordinary, good training of a learner: AdamW, linear warm-up and cosine, gradient clipping, early stopping.

    rate(t) = peak min((t + 1) / w, (1 + cos(pi (t - w) / (n - w))) / 2)     step t of n, w of them warm-up

AdamW is Loshchilov and Hutter's (arXiv 1711.05101), the cosine theirs without restarts (arXiv 1608.03983). Batch norms are
in training mode while a step is taken, and in evaluation mode while a validation loss is computed, in the backbone's own
precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from mixval.errors import NumericalError
from mixval.evidence.learners import Learner, Outcome
from mixval.evidence.recipe import TrainingRecipe
from mixval.models.backbone import Batch

StopReason = Literal["planned", "early"]
EVALUATION_ROWS = 256
SHIFT_PIXELS = 2
_PER_ROW = ("input_ids", "attention_mask", "targets")


@dataclass(frozen=True)
class Score:
    """Metrics of a learner on a set of rows."""

    loss: float
    """Nats: mean over rows, or over answer tokens."""
    accuracy: float | None
    """Share of rows with the right label. None for causal LMs."""

    @property
    def metric(self) -> float:
        """Higher is better: accuracy, or the mean log-probability of an answer token."""
        return -self.loss if self.accuracy is None else self.accuracy


@dataclass(frozen=True)
class Course:
    """Course of a training."""

    n_steps: int
    stop_reason: StopReason
    """`early`: the validation loss had not fallen for `patience` evaluations."""
    validation_loss: float | None
    """The lowest, whose weights were kept. None: nothing was held out, and the last weights are used."""


def train(
    learner: Learner,
    rows: Batch,
    held_back: Batch | None,
    recipe: TrainingRecipe,
    seed: int,
    drawn: np.ndarray | None = None,  # (N,) positions in `rows`: each is a row to train on, repeats included. None: all, once
) -> Course:
    """Train the learner in place on encoded rows. `seed` orders and augments them; torch's random state is left as it was.

    Raises NumericalError when the loss is not finite.
    """
    random = np.random.default_rng(seed)
    n_rows = len(rows["targets"]) if drawn is None else len(drawn)
    n_steps = planned_steps(n_rows, recipe)
    optimiser = torch.optim.AdamW(decayed(learner.module, recipe.weight_decay), recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda t: rate_share(t, n_steps, recipe.warmup_share))
    best = _Best(learner, held_back, recipe.patience)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for step, chosen in enumerate(orders(n_rows, recipe.batch_rows, n_steps, random), start=1):
            batch = take(rows, chosen if drawn is None else drawn[chosen])
            _step(learner, augmented(batch, random) if recipe.augment else batch, optimiser, recipe, step)
            schedule.step()
            if (step % recipe.evaluate_every == 0 or step == n_steps) and best.is_over():
                return Course(step, "early", best.restore())
    return Course(n_steps, "planned", best.restore())


@torch.no_grad()
def evaluate(learner: Learner, rows: Batch) -> Score:
    """Loss and accuracy over encoded rows, in evaluation mode."""
    loss = count = n_right = 0.0
    has_labels = True
    for outcome in outcomes(learner, rows):
        loss += float(outcome.losses.sum())
        count += float(outcome.counts.sum())
        has_labels = outcome.is_right is not None
        n_right += 0.0 if outcome.is_right is None else float(outcome.is_right.sum())
    return Score(loss / count, n_right / len(rows["targets"]) if has_labels else None)


@torch.no_grad()
def outcomes(learner: Learner, rows: Batch) -> Iterator[Outcome]:
    """What the learner says of encoded rows, in evaluation mode, `EVALUATION_ROWS` at a time."""
    learner.module.eval()
    n_rows = len(rows["targets"])
    for start in range(0, n_rows, EVALUATION_ROWS):
        yield learner.compute(take(rows, np.arange(start, min(start + EVALUATION_ROWS, n_rows))))


def planned_steps(n_rows: int, recipe: TrainingRecipe) -> int:
    """`epochs` passes over the rows in steps, kept within the recipe's bounds."""
    return min(max(recipe.epochs * math.ceil(n_rows / recipe.batch_rows), recipe.min_steps), recipe.max_steps)


def rate_share(step: int, n_steps: int, warmup_share: float) -> float:
    """Share of the peak rate at step `step` of `n_steps`, counted from 0."""
    n_warmup = max(1, round(warmup_share * n_steps))
    if step < n_warmup:
        return (step + 1) / n_warmup
    return (1 + math.cos(math.pi * (step - n_warmup) / max(1, n_steps - n_warmup))) / 2


def orders(n_rows: int, batch_rows: int, n_steps: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Positions of each step's rows, epoch after epoch, each in an order of its own; every step has as many."""
    size = min(batch_rows, n_rows)
    queue = np.empty(0, dtype=np.int64)
    for _ in range(n_steps):
        while len(queue) < size:
            queue = np.concatenate([queue, random.permutation(n_rows)])
        yield queue[:size]
        queue = queue[size:]


def take(rows: Batch, chosen: np.ndarray) -> Batch:
    """Some rows of a batch, texts cut to the longest of them."""
    index = torch.from_numpy(chosen).to(rows["targets"].device)
    batch = {name: value[index] for name, value in rows.items()}
    if "attention_mask" not in batch:
        return batch
    width = int(batch["attention_mask"].sum(1).max())
    return {name: value[:, :width] if name in _PER_ROW and value.ndim == 2 else value for name, value in batch.items()}


def augmented(batch: Batch, random: np.random.Generator) -> Batch:
    """Images mirrored with probability 1/2 and moved by up to `SHIFT_PIXELS` in both directions, edges repeated."""
    if "pixels" not in batch:
        return batch
    pixels = batch["pixels"]
    B, C, H, W = pixels.shape
    is_mirrored = torch.from_numpy(random.random(B) < 0.5).to(pixels.device)
    pixels = torch.where(is_mirrored[:, None, None, None], pixels.flip(-1), pixels)
    padded = nn.functional.pad(pixels, (SHIFT_PIXELS,) * 4, mode="replicate")
    down, right = (torch.from_numpy(random.integers(0, 2 * SHIFT_PIXELS + 1, (B, 1))) for _ in range(2))
    at_rows, at_columns = down + torch.arange(H), right + torch.arange(W)
    places = (torch.arange(B)[:, None, None, None], torch.arange(C)[None, :, None, None])
    return {**batch, "pixels": padded[(*places, at_rows[:, None, :, None], at_columns[:, None, None, :])]}


class _Best:
    """The weights with the lowest validation loss so far, and for how many evaluations it has not fallen."""

    def __init__(self, learner: Learner, held_back: Batch | None, patience: int) -> None:
        self.learner = learner
        self.held_back = held_back
        self.patience = patience
        self.loss: float | None = None
        self.weights: dict[str, Tensor] = {}
        self.n_idle = 0

    def is_over(self) -> bool:
        """Evaluate the validation loss, keep the weights if it fell, and return whether to stop."""
        if self.held_back is None:
            return False
        loss = evaluate(self.learner, self.held_back).loss
        if self.loss is None or loss < self.loss:
            self.loss, self.n_idle = loss, 0
            self.weights = {name: value.detach().clone() for name, value in self.learner.module.state_dict().items()}
        else:
            self.n_idle += 1
        return self.n_idle >= self.patience

    def restore(self) -> float | None:
        """Put the kept weights back, and give their validation loss."""
        if self.weights:
            self.learner.module.load_state_dict(self.weights)
        return self.loss


def decayed(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Groups of parameters for AdamW: weights of two or more dimensions decay, others do not."""
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in learned if parameter.ndim >= 2], "weight_decay": weight_decay},
        {"params": [parameter for parameter in learned if parameter.ndim < 2], "weight_decay": 0.0},
    ]


def _step(learner: Learner, batch: Batch, optimiser: torch.optim.Optimizer, recipe: TrainingRecipe, step: int) -> None:
    learner.module.train()
    with torch.autocast(batch["targets"].device.type, torch.bfloat16, enabled=recipe.products == "bfloat16"):
        outcome = learner.compute(batch)
    loss = outcome.losses.sum() / outcome.counts.sum()
    if not torch.isfinite(loss):
        raise NumericalError(f"the training loss must be finite, found {loss.item()} at step {step}. Lower `learning_rate`.")
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], recipe.clip_norm)
    optimiser.step()
