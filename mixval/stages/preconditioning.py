"""The preconditioner of a run's gradients, fixed by the target set alone: second moments over rows of T, made once for all.

Kernels and sums under another preconditioner are other quantities, so its fingerprint is part of theirs.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from mixval.contracts.record import ArtifactRef
from mixval.stages.jobs import MeasureJob
from mixval.stages.kept import LastMade
from mixval.stages.resident import resident_backbone
from mixval.stages.rows import counted, in_batches, sampled_rows
from mixval.stages.steps import Step, one_call
from mixval.telemetry.peak import peak_bytes
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.preconditioner import Preconditioner, preconditioner
from mixval.terms.ntk.second_moments import second_moments

VERSION = 1
"""Raised whenever the numbers change."""
MOST_ROWS = 256
"""Rows of T whose gradients are squared, at most: those of the smallest keys. Each number of the preconditioner is a mean over
rows and over a row or a column of a weight."""
BATCH_ROWS = 8
"""Of a pass: gradients of all weights are in memory at once."""

_READ = LastMade[Preconditioner]()


def preconditioner_steps(target: MeasureJob) -> list[Step]:
    """The step that makes it; none where gradients are taken as they are."""
    if target.ntk.preconditioner == "none":
        return []
    return [one_call("preconditioner", target.store, preconditioner_ref(target), make_preconditioner, target)]


def preconditioner_key(target: MeasureJob | None) -> dict[str, Any]:
    """What it adds to the fingerprint of what is made of gradients."""
    if target is None or target.ntk.preconditioner == "none":
        return {}
    return {"preconditioner": preconditioner_ref(target).fingerprint}


def preconditioner_ref(target: MeasureJob) -> ArtifactRef:
    """Where it is, or will be, committed."""
    return target.store.ref("preconditioner", VERSION, **_inputs(target))


def make_preconditioner(target: MeasureJob) -> ArtifactRef:
    """Commit its scales, two vectors a weight."""
    ref = preconditioner_ref(target)
    if target.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    backbone = resident_backbone(target)
    rows = sampled_rows(target, target.sample).slice(0, MOST_ROWS)
    size = backbone.rows_a_pass(min(BATCH_ROWS, target.batch_rows))
    batches = (backbone.encode(piece) for piece in counted(target.contributor.name, in_batches(rows, size)))

    def scalar(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return backbone.output(backbone.forward(batch), batch, target.ntk.output, target.seed)

    names = select_parameters(backbone.module, target.ntk.parameters)
    moments = second_moments(backbone.module, names, scalar, batches)
    tensors = preconditioner(moments, target.ntk.preconditioner_floor).to_arrays()
    seconds = time.perf_counter() - started
    target.store.commit(
        ref, inputs=_inputs(target), tensors=tensors, numbers={"n": rows.num_rows}, seconds=seconds, peak_bytes=peak_bytes()
    )
    return ref


def read_preconditioner(target: MeasureJob | None) -> Preconditioner | None:
    """The committed one, read once in a process; None where gradients are taken as they are."""
    if target is None or target.ntk.preconditioner == "none":
        return None
    ref = preconditioner_ref(target)
    return _READ.get(f"{target.output} {ref.fingerprint}", lambda: Preconditioner.from_arrays(target.store.read_tensors(ref)))


def _inputs(target: MeasureJob) -> dict[str, object]:
    switches = target.ntk.model_dump(include={"output", "preconditioner_floor"})
    return (
        target.rows_key()
        | target.model_key()
        | switches
        | {"parameters": sorted(target.ntk.parameters), "sample": target.sample, "rows": MOST_ROWS}
    )
