"""Gradients of each row: sketched for all rows of a world under one plan, or as exact NTKs of a few.

Letters: N rows; q sketch features. f and its kinds are in `mixval/models/outputs.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from torch import Tensor

from mixval.models.backbone import Backbone, Batch
from mixval.models.outputs import OutputKind
from mixval.seeds import derive_seed, generator
from mixval.stages.gradients import KernelBatches
from mixval.stages.rows import in_batches
from mixval.terms.arrays import Floats
from mixval.terms.ntk.groups import layer_groups
from mixval.terms.ntk.kernel import exact_kernel, weight_bytes
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.sketch import plan_sketch, sketch

PLANNED_ROWS = 8
"""Rows on which routes of a sketch, and bytes of a kernel, are planned."""
Sketch = np.ndarray
"""(N, q) in the precision of the backbone, float32 at least."""


@dataclass(frozen=True)
class Wanted:
    """Which gradients."""

    kind: OutputKind
    seed: int
    """Of the mix of logits, of the sketch, or of the choice of rows."""
    parameters: tuple[str, ...]
    width: int
    """q of a sketch, or rows at most of a kernel."""


@dataclass(frozen=True)
class Gram:
    """The exact NTK of some rows of a contributor, in random order."""

    theta: Floats
    """(n, n)."""
    outputs: Floats
    """(n,) f."""


def sketches(backbone: Backbone, tables: Sequence[pa.Table], wanted: Wanted, batch_rows: int) -> list[Sketch]:
    """Sketched gradients of all rows of all tables under one plan, made on the last one."""
    names = select_parameters(backbone.module, wanted.parameters)
    scalar = _scalar(backbone, wanted)
    first = backbone.encode(tables[-1].slice(0, PLANNED_ROWS))
    seed = derive_seed("baselines", "sketch", wanted.seed)
    plan = plan_sketch(backbone.module, names, scalar, first, wanted.width, seed)
    return [
        sketch(backbone.module, plan, scalar, _batches(backbone, table, batch_rows), verify=table is tables[-1])
        .features.cpu()
        .numpy()
        for table in tables
    ]


def gram(backbone: Backbone, name: str, table: pa.Table, wanted: Wanted, batch_rows: int, budget_bytes: int) -> Gram:
    """The exact kernel over at most `wanted.width` rows, drawn at random."""
    order = generator("baselines", "gram", wanted.seed, name).permutation(table.num_rows)[: wanted.width]
    rows = table.take(pa.array(order))
    batches = KernelBatches(backbone, wanted.kind, rows, batch_rows)
    names = select_parameters(backbone.module, wanted.parameters)
    sizes = weight_bytes(backbone.module, names, _scalar(backbone, wanted), backbone.encode(rows.slice(0, PLANNED_ROWS)))
    groups = layer_groups(sizes, rows.num_rows, budget_bytes)
    kernel = exact_kernel(backbone.module, groups, batches.scalar, batches.from_row, rows.num_rows, budget_bytes)
    return Gram(kernel.theta.cpu().numpy(), kernel.outputs.cpu().numpy())


def _scalar(backbone: Backbone, wanted: Wanted) -> Callable[[Batch], Tensor]:
    return lambda batch: backbone.output(backbone.forward(batch), batch, wanted.kind, wanted.seed)


def _batches(backbone: Backbone, table: pa.Table, batch_rows: int) -> Iterator[Batch]:
    return (backbone.encode(piece) for piece in in_batches(table, backbone.rows_a_pass(batch_rows)))
