"""Tangent kernels of a world's contributors for NTK-regression: from sketched gradients of any mix, kind and width, or exact.

Letters: n rows of a contributor, m of T, q sketch features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from benchmarks.evidence.worlds.world_folder import WorldFolder
from mixval.errors import CapacityError
from mixval.models.backbone import Backbone, Batch
from mixval.models.heads import classification_head
from mixval.seeds import derive_seed
from mixval.stages.preconditioning import BATCH_ROWS as MOMENT_BATCH_ROWS
from mixval.stages.preconditioning import MOST_ROWS
from mixval.stages.rows import in_batches
from mixval.terms.arrays import Floats
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.kernel import weight_bytes
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.objective import lengths, squared_lengths
from mixval.terms.ntk.preconditioner import Preconditioner, preconditioner
from mixval.terms.ntk.second_moments import second_moments
from mixval.terms.ntk.sketch import plan_sketch, sketch
from mixval.terms.ntk.sketched import random_pairs

FEATURES = 2048
"""q of the base, as in the baselines."""
KINDS = ("linear", "conv")
EXACT_BYTES = 2**30
"""Of gradients that are held at a time for exact kernels."""
BATCH_ROWS, PLANNED_ROWS = 64, 8


@dataclass(frozen=True)
class Kernel:
    """One contributor's blocks."""

    own: Floats
    """(n, n): Theta(S,S)."""
    target: Floats
    """(m, n): Theta(T,S)."""
    squares: Floats
    """(m,): l^2 of `mixval/terms/ntk/objective.py`."""

    def __add__(self, other: Kernel) -> Kernel:
        """Of the features of both: of several mixes, the sum of their kernels."""
        return Kernel(self.own + other.own, self.target + other.target, self.squares + other.squares)


Kernels = list[Kernel]
"""K, contributors in the world's order."""


@dataclass(frozen=True)
class Gradients:
    """Which gradients, sketched by which seed."""

    parameters: tuple[str, ...] | Literal["head"] = KINDS
    mix: int = 0
    sketch: int = 0
    floor: float | None = None
    """Of the preconditioner of T (`ntk.preconditioner_floor`); 0: gradients as they are. None: as the world is configured."""


def sketches(world: WorldFolder, wanted: Gradients, width: int) -> list[np.ndarray]:
    """(N, q) sketched gradients of the contributors' rows, and T's last, under the plan of the baselines."""
    backbone, tables = world.backbone, world.tables
    names, scalar = parameter_names(backbone, wanted.parameters), _scalar(backbone, wanted.mix)
    seed = derive_seed("baselines", "sketch", wanted.sketch)
    plan = plan_sketch(backbone.module, names, scalar, backbone.encode(tables[-1].slice(0, PLANNED_ROWS)), width, seed)
    scaled = _preconditioner(world, names, scalar, wanted.floor)
    return [
        sketch(backbone.module, plan, scalar, _batches(backbone, table), table is tables[-1], scaled).features.cpu().numpy()
        for table in tables
    ]


def folded(rows: Sequence[np.ndarray], width: int) -> list[np.ndarray]:
    """The sketches with `width` features: features of random pairs added, the second one's sign at random."""
    found = list(rows)
    while found[0].shape[1] > width:
        first, second, signs = random_pairs(found[0].shape[1], 0)
        found = [own[:, first] + signs.astype(own.dtype) * own[:, second] for own in found]
    return found


def kernels_of(rows: Sequence[np.ndarray]) -> Kernels:
    """Each contributor's kernel from (N, q) features, T's last."""
    target = rows[-1].astype(np.float64)
    squares = lengths(target) ** 2
    wide = (own.astype(np.float64) for own in rows[:-1])
    return [Kernel(own @ own.T, target @ own.T, squares) for own in wide]


def exact_kernels(world: WorldFolder) -> Kernels:
    """Without a sketch. Raises CapacityError where T's gradients and the largest contributor's do not fit."""
    backbone, tables = world.backbone, world.tables
    names, scalar = parameter_names(backbone, KINDS), _scalar(backbone, 0)
    per_row = sum(weight_bytes(backbone.module, names, scalar, backbone.encode(tables[-1].slice(0, PLANNED_ROWS))).values())
    needed = per_row * (tables[-1].num_rows + max(table.num_rows for table in tables[:-1]))
    if needed > EXACT_BYTES:
        raise CapacityError(f"exact kernels would hold {needed:.2g} bytes of gradients, {EXACT_BYTES:.2g} are allowed.")
    scaled = _preconditioner(world, names, scalar)
    target = capture(backbone.module, names, scalar, _batches(backbone, tables[-1]), preconditioner=scaled)
    squares = squared_lengths(gram_block(target, target).cpu().numpy())
    found = []
    for table in tables[:-1]:
        own = capture(backbone.module, names, scalar, _batches(backbone, table), verify=False, preconditioner=scaled)
        found.append(Kernel(gram_block(own, own).cpu().numpy(), gram_block(target, own).cpu().numpy(), squares))
    return found


def parameter_names(backbone: Backbone, wanted: tuple[str, ...] | Literal["head"]) -> list[str]:
    """Names of the parameters of these kinds, or of the weight of the classifier's last layer."""
    if wanted != "head":
        return select_parameters(backbone.module, wanted)
    head = classification_head(backbone.module)
    return [name for name, parameter in backbone.module.named_parameters() if parameter is head.weight]


def configured_floor(world: WorldFolder) -> float:
    """Of the preconditioner that the world is valued with; 0 without one."""
    ntk = world.config.ntk
    return ntk.preconditioner_floor if ntk.preconditioner == "target" else 0.0


def _preconditioner(
    world: WorldFolder, names: Sequence[str], scalar: Callable[[Batch], Any], floor: float | None = None
) -> Preconditioner | None:
    """As of a run, but for which rows of T are squared."""
    floor, backbone = configured_floor(world) if floor is None else floor, world.backbone
    if floor == 0:
        return None
    batches = (backbone.encode(piece) for piece in in_batches(world.target.slice(0, MOST_ROWS), MOMENT_BATCH_ROWS))
    return preconditioner(second_moments(backbone.module, names, scalar, batches), floor)


def _scalar(backbone: Backbone, mix: int) -> Callable[[Batch], Any]:
    return lambda batch: backbone.output(backbone.forward(batch), batch, "mix", mix)


def _batches(backbone: Backbone, table: pa.Table) -> Iterator[Batch]:
    return (backbone.encode(piece) for piece in in_batches(table, BATCH_ROWS))
