"""The two-phase ratio of a contributor (`mixval/terms/ntk/two_phase.py`), from features of all rows that were read.

Features of S and T come from their forward passes. The rows of the gradient sample are found in the pass by their keys, since
samples are nested.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixval.config.fingerprint import fingerprint
from mixval.stages.forward import forward_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.kept import LastMade
from mixval.stages.measured import Floats, multipliers, target_multipliers
from mixval.stages.rows import class_indices
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.two_phase import TwoPhaseRatio, TwoPhaseRows, two_phase_ratio
from mixval.terms.ntk.value_spread import SampledRows
from mixval.terms.ntk.wide_head import WideHead, wide_head

MOST_ROWS = 8192
"""Rows in a ratio at most: their kernel takes 512 MiB, its factor as much, and 4 s of a core."""
TARGET_ROWS = 1000
"""Rows of T that h is evaluated on at most: those of the smallest keys, which are drawn at random."""
MATRICES_IN_MEMORY = 4
"""Kernels over the rows in memory at once: the kernel, its damped factor, and temporaries."""


def head_bytes(n_rows: int) -> int:
    """Bytes that the kernels of a contributor of `n_rows` rows take at most, T's among them."""
    n = max(min(n_rows, MOST_ROWS), TARGET_ROWS)
    return MATRICES_IN_MEMORY * 8 * n * n


@dataclass(frozen=True)
class _Target:
    head: WideHead
    features: Floats
    objective: TargetObjective
    multipliers: Floats
    """(R, M + 1)."""


_TARGETS = LastMade[_Target]()


def head_ratio(
    job: MeasureJob, target: MeasureJob, forward: dict[str, np.ndarray], keys: np.ndarray, own: SampledRows
) -> TwoPhaseRatio | None:
    """The ratio for the rows with these keys (n,) and all that the pass has read; None where there are no others.

    `own` are the first u rows of `keys`, with their multipliers.
    """
    measured = _places(forward["keys"], keys)
    if measured is None:
        return None
    others = np.setdiff1d(np.arange(len(forward["keys"])), measured)[: max(0, MOST_ROWS - len(measured))]
    if not len(others):
        return None
    side = _target(target)
    rows = np.concatenate([measured, others])
    features, keys = forward["features"][rows], forward["keys"][rows]
    right = one_hot(class_indices(job, forward["labels"][rows]), side.objective.n_classes)
    all_read = side.head.regression(features, side.features, right)
    # As many rows as the deviations of those with gradients are estimated from.
    some = slice(len(measured), len(measured) + own.multipliers.shape[1])
    drawn = multipliers(job, keys[some])
    of_others = SampledRows(slice(0, drawn.shape[1]), drawn, forward["is_real"][rows[some]].astype(bool))
    return two_phase_ratio(
        all_read, len(measured), side.objective, job.regression_damping, TwoPhaseRows(own, of_others, side.multipliers)
    )


def _places(read: np.ndarray, keys: np.ndarray) -> NDArray[np.int64] | None:  # (N,), (n,)
    """(n,) places of the keys among those read, copies in their order; None where one is not there."""
    order = np.argsort(read, kind="stable")
    first, seen = np.searchsorted(read, keys, sorter=order), Counter[int]()
    places = []
    for key, at in zip(keys.tolist(), first.tolist(), strict=True):
        place = at + seen[key]
        if place >= len(read) or read[order[place]] != key:
            return None
        places.append(order[place])
        seen[key] += 1
    return np.array(places, dtype=np.int64)


def _target(target: MeasureJob) -> _Target:
    """T's side, made once in a process."""
    name = fingerprint("frozen-head", 2, target=forward_ref(target).fingerprint, half=[target.value.replicates, target.seed])
    return _TARGETS.get(f"{target.output} {name}", lambda: _made(target))


def _made(target: MeasureJob) -> _Target:
    tensors = target.store.read_tensors(forward_ref(target))
    stored = {tensor: tensors[tensor][:TARGET_ROWS] for tensor in ("keys", "labels", "features")}
    head, features = wide_head(stored["features"]), stored["features"].astype(np.float64)
    objective = head.objective(features, class_indices(target, stored["labels"]), len(target.classes or []))
    return _Target(head, features, objective, target_multipliers(target, stored["keys"]))
