"""What a loaded model must hold, asked of the model itself on a few rows: rows do not mix, and a causal model is causal.

Deviations are relative to the largest entry of what is compared. Two rows are asked, and both must deviate: a rounding error
may send a token to another expert, which shows in one row of some. What depends on neighbours does so in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixval.errors import ModelError
from mixval.models.backbone import Backbone, Batch, Forward

TOLERANCE = {torch.float64: 1e-4, torch.float32: 1e-4, torch.bfloat16: 0.2}
"""Of the same row in another shape of batch: other kernels sum in another order, in 120 small architectures by up to 7e-7 in
float32, where masks that are none gave 3e-4 and more. float64 too, since some compute attention and norms in float32."""
CAUSAL_TOLERANCE = 1e-9
"""Of gradients by later tokens, relative to those by earlier ones."""
_PER_TOKEN = ("input_ids", "attention_mask", "targets")


@dataclass(frozen=True)
class Behaviour:
    """What the probe found."""

    is_alone: bool
    """Whether a row's output depends on padding or on other rows, so that rows must go through the model one by one."""


def probe(backbone: Backbone, example: Batch) -> Behaviour:
    """How the model treats made-up rows: a long one and two short ones.

    Raises ModelError where the same row gives other outputs each time, where outputs are not finite, and where a causal task's
    model sees later tokens.
    """
    with torch.inference_mode():
        whole = backbone.forward(example)
        alone = {row: backbone.forward(unpadded(example, row)) for row in (1, 2)}
        again = backbone.forward(unpadded(example, 2))
    _refuse_broken(backbone, alone[2])
    tolerance = TOLERANCE[backbone.dtype]
    if (off := _deviation(alone[2], 0, again, 0)) > tolerance:
        raise ModelError(
            f"{_name(backbone)}: the same row must give the same output each time; two passes differ by {off:.1%}. The model "
            "draws random numbers in evaluation mode. Choose another architecture."
        )
    if backbone.is_causal:
        _refuse_seeing_ahead(backbone, unpadded(example, 0))
    return Behaviour(min(_deviation(alone[row], 0, whole, row) for row in (1, 2)) > tolerance)


def require_independent_rows(backbone: Backbone, batch: Batch) -> None:
    """Raise ModelError where rows of the data give other outputs alone than in `batch`. A batch of one row says nothing."""
    n_rows = len(batch["targets"])
    if n_rows < 2:
        return
    with torch.inference_mode():
        whole = backbone.forward(batch)
        off = min(_deviation(backbone.forward(unpadded(batch, row)), 0, whole, row) for row in range(min(n_rows, 2)))
    if off > TOLERANCE[backbone.dtype]:
        raise ModelError(
            f"{_name(backbone)}: a row of the target gives another output alone than beside {n_rows - 1} others (by {off:.1%} "
            "at least), so values would depend on which rows share a batch. Set `runtime.batch_rows: 1`, or choose another "
            "architecture."
        )


def unpadded(batch: Batch, row: int) -> Batch:
    """One row of a batch as a batch of its own, without padding."""
    width = int(batch["attention_mask"][row].sum()) if "attention_mask" in batch else None
    return {
        name: value[row : row + 1, :width] if name in _PER_TOKEN and value.ndim == 2 else value[row : row + 1]
        for name, value in batch.items()
    }


def _refuse_seeing_ahead(backbone: Backbone, row: Batch) -> None:
    """Raise ModelError where outputs of the row's first half depend on tokens of its second.

    Asked by gradients, which are exact zeros in a causal model however weak its attention is.
    """
    kept: list[Tensor] = []
    ids = row["input_ids"]

    def watch(_table: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        if kept or not arguments or arguments[0].flatten().tolist() != ids[0].tolist():
            return output
        kept.append(output.detach().requires_grad_(True))
        return kept[0].clone()

    tables = [part for part in backbone.module.modules() if isinstance(part, nn.Embedding)]
    handles = [table.register_forward_hook(watch) for table in tables]
    middle = ids.shape[1] // 2
    try:
        with torch.enable_grad():
            logits = backbone.forward(row).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    if kept and logits.requires_grad:
        (found,) = torch.autograd.grad(logits[:middle].float().square().sum(), kept)
        by_token = found.reshape(ids.shape[1], -1)  # XLNet has tokens before rows
        before, after = (float(part.abs().max()) for part in (by_token[:middle], by_token[middle:]))
        is_causal = after <= CAUSAL_TOLERANCE * before
    else:  # no table of tokens: change them
        other = {**row, "input_ids": torch.cat([ids[:, :middle], ids[:, middle:].flip(1)], dim=1)}
        with torch.inference_mode():
            is_causal = _relative(logits[:middle], backbone.forward(other).logits[0, :middle]) <= TOLERANCE[backbone.dtype]
    if not is_causal:
        raise ModelError(
            f"{_name(backbone)} is no causal model: its outputs at a token depend on the tokens after it, so it would see the "
            "answer that it is scored on. Take a causal language model (GPT-2, Llama, Qwen and the like), or the task "
            "text-classification for an encoder. If it was trained as a decoder, set `is_decoder` in its config.json."
        )


def _refuse_broken(backbone: Backbone, forward: Forward) -> None:
    if not bool(torch.isfinite(forward.logits).all() and torch.isfinite(forward.features).all()):
        raise ModelError(
            f"{_name(backbone)} gives NaN or infinite outputs for a plain sentence. Set `backbone.dtype: float32`, or take "
            "another checkpoint."
        )


def _deviation(one: Forward, row: int, other: Forward, other_row: int) -> float:
    """The larger of the relative deviations of logits and features of one row in two passes."""
    logits, against = one.logits[row].double(), other.logits[other_row].double()
    pairs = [(logits, against[: len(logits)]), (one.features[row].double(), other.features[other_row].double())]
    return max(_relative(left, right) for left, right in pairs)


def _relative(left: Tensor, right: Tensor) -> float:
    scale = float(left.abs().max())
    return float((left - right).abs().max()) / scale if scale > 0 else 0.0


def _name(backbone: Backbone) -> str:
    return type(backbone.module).__name__
