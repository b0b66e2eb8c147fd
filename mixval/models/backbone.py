"""A backbone: from rows to logits, features, losses and scalar outputs.

Letters: B rows, C classes, T tokens, V vocabulary, D features. The module is in evaluation mode and its parameters take no
gradient, so the result of a row does not depend on the other rows of its batch (beyond rounding). Losses are float64.

With `dtype: float64` transformers' Llama and Qwen still take RMSNorm, the attention softmax and rotary angles in float32: a
row alone and in a batch agree to about 1e-7 there, to 1e-10 elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import torch
from torch import Tensor, nn

from mixval.config.tasks import Task, spec_of
from mixval.errors import ContractError, MixvalError, ModelError
from mixval.models.outputs import (
    OutputKind,
    answer_token_losses,
    answer_token_output,
    answer_token_probability,
    own_label_losses,
    own_label_output,
    own_label_probability,
)

Batch = dict[str, Tensor]
"""Tensors of B rows. Always `targets` (see `Backbone.targets`) and `is_truncated` (B,) bool; images: `pixels` (B, C, H, W);
text: `input_ids` and `attention_mask` (B, T) int64, padded on the right."""


@dataclass(frozen=True)
class Forward:
    """What one forward pass gives."""

    logits: Tensor
    """(B, C), or (B, T, V) for a causal LM, in the module's dtype."""
    features: Tensor
    """(B, D), at least float32: pooled layer before the head (images), masked mean of the last hidden state (text)."""


class Family(Protocol):
    """How one kind of model turns rows into tensors, and tensors into logits and features."""

    def encode(self, rows: pa.Table) -> Batch:
        """Contract rows as tensors on the CPU."""

    def forward(self, module: nn.Module, batch: Batch) -> Forward:
        """One forward pass."""

    def pixels(self, rows: pa.Table) -> Tensor:
        """(N, H*W*C) float32 in [0, 1]; ModelError where rows are no images."""

    def example(self) -> Batch | None:
        """Made-up rows for `probes.py`, on the CPU; None where only data have the shape of a row."""


@dataclass(frozen=True)
class Backbone:
    """A loaded model, the way its rows are encoded, and the scalar outputs that the terms need."""

    task: Task
    module: nn.Module
    """In evaluation mode; no parameter requires a gradient."""
    family: Family
    classes: tuple[int, ...] | None
    """Sorted labels of T, whose positions are the class indices. None: a checkpoint, whose indices are the labels."""
    max_length: int
    """Context in tokens. Unused for images."""
    device: torch.device
    dtype: torch.dtype
    is_alone: bool = False
    """Whether rows must go through the module one by one, since padding or other rows would change their outputs."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What a run must say of the model, a sentence by kind of warning (`mixval/contracts/warnings.py`)."""

    @property
    def is_causal(self) -> bool:
        """Whether rows have answer tokens instead of one label."""
        return spec_of(self.task).is_causal

    def rows_a_pass(self, batch_rows: int) -> int:
        """Rows that may go through the module at a time: `batch_rows`, or 1."""
        return 1 if self.is_alone else batch_rows

    def encode(self, rows: pa.Table) -> Batch:
        """Contract rows as tensors on the device. Raises ContractError by row, ModelError for images of several sizes."""
        if rows.num_rows == 0:
            raise ContractError("a batch must hold at least one row, found none. Leave empty batches out.")
        return self.placed(self.family.encode(rows))

    def placed(self, batch: Batch) -> Batch:
        """The batch on the device, floating-point numbers in the module's precision."""
        return {
            name: value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
            for name, value in batch.items()
        }

    def forward(self, batch: Batch) -> Forward:
        """Logits and features. Whether gradients are recorded is the caller's choice (`torch.no_grad`, hooks)."""
        try:
            return self.family.forward(self.module, batch)
        except (MixvalError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # architectures refuse shapes, lengths and ids with errors of every class
            shapes = {name: tuple(value.shape) for name, value in batch.items()}
            hint = (
                "For images, set backbone.image_size to the size it was trained at"
                if "pixels" in batch
                else ("Take the tokenizer that belongs to it, or choose another architecture (see docs/models.md)")
            )
            raise ModelError(
                f"{type(self.module).__name__} refused a batch with shapes {shapes}: {type(error).__name__}: {error}. {hint}."
            ) from error

    def losses(self, forward: Forward, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B,) float64 cross-entropy in nats, summed over what counts, and (B,) float64 counts: 1, or answer tokens."""
        compute = answer_token_losses if self.is_causal else own_label_losses
        return compute(forward.logits, batch["targets"])

    def output(self, forward: Forward, batch: Batch, kind: OutputKind, mix_seed: int = 0) -> Tensor:
        """(B,) the differentiable scalar f(x); a causal LM's is the mean over answer tokens, and has no use for a seed."""
        if self.is_causal:
            return answer_token_output(forward.logits, batch["targets"], kind)
        return own_label_output(forward.logits, batch["targets"], kind, mix_seed)

    def probability(self, forward: Forward, batch: Batch) -> Tensor:
        """(B,) float64 probability of the own label; a causal LM's is exp(mean log-probability of answer tokens)."""
        compute = answer_token_probability if self.is_causal else own_label_probability
        return compute(forward.logits, batch["targets"])

    def pixels(self, rows: pa.Table) -> Tensor:
        """(N, H*W*C) float32 in [0, 1]: pixel features, on the CPU. Raises ModelError where rows are no images."""
        return self.family.pixels(rows)


def n_truncated(batch: Batch) -> int:
    """Rows of the batch that were cut to the context."""
    return int(batch["is_truncated"].sum())
