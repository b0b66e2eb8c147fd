"""T's sketched gradients and the objective on T, made once a run: for the value by NTK regression from sufficient statistics.

They use the run's shared sketch, as the contributors' sufficient statistics do, so its fingerprint is part of theirs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from mixval.contracts.record import ArtifactRef
from mixval.stages.jobs import MeasureJob
from mixval.stages.kept import LastMade
from mixval.stages.one_pass import measured_rows
from mixval.stages.rows import sampled_rows
from mixval.stages.shared_sketch import read_shared_sketch, shared_sketch_ref
from mixval.telemetry.peak import peak_bytes
from mixval.terms.ntk.objective import TargetObjective, lengths

VERSION = 1
"""Raised whenever the numbers change."""


@dataclass(frozen=True)
class TargetGradients:
    """M rows of T: those of `discrepancy.target_sample`."""

    keys: np.ndarray
    """(M,) uint64."""
    features: np.ndarray
    """(M, q), as sketched."""
    objective: TargetObjective


_READ = LastMade[TargetGradients]()


def target_gradients_ref(target: MeasureJob) -> ArtifactRef:
    """Where they are, or will be, committed."""
    return target.store.ref("target-gradients", VERSION, **_inputs(target))


def make_target_gradients(target: MeasureJob) -> ArtifactRef:
    """Commit `keys` (M,), `features` (M, q), and `labels` (M,) as class indices or `tokens` (M,), from the committed shared
    sketch."""
    ref = target_gradients_ref(target)
    if target.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    rows = measured_rows(target, target, sampled_rows(target, target.sample), read_shared_sketch(target).plan)
    objective_tensors = {"tokens": rows.counts} if target.classes is None else {"labels": rows.labels}
    tensors = {"keys": rows.keys, "features": rows.gradients} | objective_tensors
    seconds = time.perf_counter() - started
    target.store.commit(
        ref, inputs=_inputs(target), tensors=tensors, numbers={"n": len(rows.keys)}, seconds=seconds, peak_bytes=peak_bytes()
    )
    return ref


def read_target_gradients(target: MeasureJob) -> TargetGradients:
    """The committed ones, read once in a process."""
    ref = target_gradients_ref(target)
    return _READ.get(f"{target.output} {ref.fingerprint}", lambda: _read(target, ref))


def _read(target: MeasureJob, ref: ArtifactRef) -> TargetGradients:
    stored = target.store.read_tensors(ref)
    features = stored["features"]
    objective = objective_of(target, stored, lengths(features.astype(np.float64)))
    return TargetGradients(stored["keys"].astype(np.uint64), features, objective)


def objective_of(target: MeasureJob, stored: dict[str, np.ndarray], norms: np.ndarray, prefix: str = "") -> TargetObjective:
    """The objective on T's rows, from stored `labels` or `tokens`, and (M,) `objective.lengths`."""
    if target.classes is None:
        return TargetObjective(tokens=stored[f"{prefix}tokens"].astype(np.float64))
    return TargetObjective(labels=stored[f"{prefix}labels"].astype(np.int64), n_classes=len(target.classes), norms=norms)


def _inputs(target: MeasureJob) -> dict[str, object]:
    return target.rows_key() | {"shared_sketch": shared_sketch_ref(target).fingerprint, "sample": target.sample}
