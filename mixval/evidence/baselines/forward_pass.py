"""The forward pass of a frozen backbone over a table: losses, counts of what is to be learnt, probabilities, features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from mixval.models.backbone import Backbone
from mixval.stages.rows import in_batches
from mixval.terms.arrays import Floats


@dataclass(frozen=True)
class Pass:
    """Quantities of N rows."""

    losses: Floats
    """(N,) nats, summed over what counts."""
    counts: Floats
    """(N,) 1, or answer tokens."""
    probabilities: Floats
    """(N,) of the own label; causal LMs: exp of the answer tokens' mean log-probability."""
    features: Floats
    """(N, D)."""


@torch.inference_mode()
def run(backbone: Backbone, rows: pa.Table, batch_rows: int) -> Pass:
    """One forward pass over all rows."""
    columns: list[tuple[np.ndarray, ...]] = []
    for piece in in_batches(rows, backbone.rows_a_pass(batch_rows)):
        batch = backbone.encode(piece)
        forward = backbone.forward(batch)
        found = (*backbone.losses(forward, batch), backbone.probability(forward, batch), forward.features)
        columns.append(tuple(value.double().cpu().numpy() for value in found))
    return Pass(*(np.concatenate(column) for column in zip(*columns, strict=True)))
