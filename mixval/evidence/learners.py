"""What is trained: a whole backbone, its adapters, or its head on the output of a frozen body.

Letters: B rows, D features, C classes. A learner turns a batch into losses; how it is optimised stands in `training.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import torch
from torch import Tensor, nn

from mixval.errors import ConfigError
from mixval.evidence.recipe import TrainingRecipe
from mixval.models.backbone import Backbone, Batch
from mixval.models.heads import classification_head, initialise
from mixval.models.outputs import own_label_losses
from mixval.models.probes import unpadded
from mixval.seeds import derive_seed

BODY_BATCH_ROWS = 128
"""Rows of a pass through a frozen body."""


class Outcome(NamedTuple):
    """What a learner says of B rows."""

    losses: Tensor
    """(B,) float64 nats, summed over what counts."""
    counts: Tensor
    """(B,) float64: 1, or answer tokens."""
    is_right: Tensor | None
    """(B,) bool, whether the own label has the largest logit. None for causal LMs."""


@dataclass(frozen=True)
class Learner:
    """A module, its parameters that take a gradient, how rows become tensors, and how those become losses."""

    module: nn.Module
    encode: Callable[[pa.Table], Batch]
    compute: Callable[[Batch], Outcome]


def make_learner(backbone: Backbone, recipe: TrainingRecipe, seed: int, has_fresh_head: bool) -> Learner:
    """The learner that `recipe.trainable` names, in place. A checkpoint's head is initialised anew from `seed` on request.

    Raises ConfigError where the backbone has no such parameters, ModelError where a classifier has no linear head.
    """
    head = None if backbone.is_causal else classification_head(backbone.module)
    if has_fresh_head and head is not None:
        initialise(head, derive_seed("truth", "head", seed))
    if recipe.trainable == "head":
        if head is None:
            raise ConfigError(
                "`trainable: head` needs a classifier; a causal LM has no head of its own. Choose `all` or `lora`."
            )
        return _head_learner(backbone, head)
    chosen = list(_chosen(backbone.module, head, recipe.trainable == "lora"))
    if not chosen:
        raise ConfigError("`trainable: lora` needs adapters, found none. Set `backbone.lora`, or choose `all`.")
    for parameter in chosen:
        parameter.requires_grad_(True)
    return Learner(backbone.module, backbone.encode, _whole(backbone))


def _chosen(module: nn.Module, head: nn.Linear | None, only_adapters: bool) -> Iterator[nn.Parameter]:
    if not only_adapters:
        yield from module.parameters()
        return
    adapters = [parameter for name, parameter in module.named_parameters() if "lora_" in name]
    yield from adapters
    if adapters and head is not None:
        yield from head.parameters()


def _whole(backbone: Backbone) -> Callable[[Batch], Outcome]:
    def at_once(batch: Batch) -> Outcome:
        forward = backbone.forward(batch)
        losses, counts = backbone.losses(forward, batch)
        is_right = None if backbone.is_causal else forward.logits.argmax(-1) == batch["targets"]
        return Outcome(losses, counts, is_right)

    def one_by_one(batch: Batch) -> Outcome:
        rows = [at_once(unpadded(batch, row)) for row in range(len(batch["targets"]))]
        right = [row.is_right for row in rows if row.is_right is not None]
        return Outcome(
            torch.cat([row.losses for row in rows]),
            torch.cat([row.counts for row in rows]),
            torch.cat(right) if right else None,
        )

    return one_by_one if backbone.is_alone else at_once


def _head_learner(backbone: Backbone, head: nn.Linear) -> Learner:
    def encode(rows: pa.Table) -> Batch:
        """`inputs` (N, D), what the frozen body hands to the head, and `targets` (N,)."""
        kept: list[Tensor] = []
        handle = head.register_forward_pre_hook(lambda _head, arguments: kept.append(arguments[0]))
        targets: list[Tensor] = []
        try:
            with torch.no_grad():
                size = backbone.rows_a_pass(BODY_BATCH_ROWS)
                for start in range(0, rows.num_rows, size):
                    batch = backbone.encode(rows.slice(start, size))
                    backbone.forward(batch)
                    targets.append(batch["targets"])
        finally:
            handle.remove()
        if kept[0].ndim > 2 and kept[0].shape[1:-1].numel() > 1:
            raise ConfigError(
                f"`trainable: head` needs a head that sees one vector a row, found one of {type(backbone.module).__name__} "
                f"that sees {tuple(kept[0].shape[1:])}, every token's. Choose `all` or `lora`."
            )
        return {"inputs": torch.cat(kept).flatten(1), "targets": torch.cat(targets)}

    def compute(batch: Batch) -> Outcome:
        logits = head(batch["inputs"])
        losses, counts = own_label_losses(logits, batch["targets"])
        return Outcome(losses, counts, logits.argmax(-1) == batch["targets"])

    head.requires_grad_(True)
    return Learner(head, encode, compute)
