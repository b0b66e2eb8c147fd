"""What all sufficient statistics of a run share, fixed by the target set alone: kernel bandwidths and the plan of the gradient
sketch.

Sufficient statistics add up only if they were made in one shared sketch, so its fingerprint is part of theirs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from mixval.config.terms import NtkConfig
from mixval.contracts.record import ArtifactRef
from mixval.errors import NumericalError
from mixval.models.backbone import Backbone
from mixval.stages.forward import forward_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.preconditioning import preconditioner_key, read_preconditioner
from mixval.stages.resident import resident_backbone
from mixval.stages.rows import in_batches, sampled_rows
from mixval.stages.target import bandwidths, joined_labels
from mixval.terms.discrepancy.labelled import LabelBlock
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.residual import residual
from mixval.terms.ntk.sketch import SketchPlan, fast_products, plan_sketch, sketch
from mixval.terms.ntk.sketched import sketched_form
from mixval.terms.ntk.statistics import GradientStatistics

VERSION = 1
"""Raised whenever the numbers change."""
PLANNED_ROWS = 8
"""Rows of T on which the sketch's routes are chosen."""
PILOT_ROWS = 256
"""Rows of T on which the error of the sketched term is estimated, where `ntk.sketch_error` limits it."""
MOST_DOUBLINGS = 2
"""Largest q tried to reach `ntk.sketch_error`. Memory grows with q squared, and the plan assumes this one."""


@dataclass(frozen=True)
class SharedSketch:
    """Settings that all sufficient statistics of a run are made with."""

    bandwidths: tuple[float, ...]
    """Standard deviations s, in feature units."""
    plan: SketchPlan
    labels: LabelBlock | None
    """How labels join the features; None where they do not."""


def most_features(switches: NtkConfig) -> int:
    """The largest q that the shared sketch may take."""
    return switches.sketch_features << (MOST_DOUBLINGS if switches.sketch_error is not None else 0)


def shared_sketch_ref(target: MeasureJob) -> ArtifactRef:
    """Where the shared sketch is, or will be, committed."""
    return target.store.ref("shared-sketch", VERSION, **_inputs(target))


def make_shared_sketch(target: MeasureJob) -> ArtifactRef:
    """Commit the document `shared_sketch.json`, from T's committed pass and a few of its rows."""
    ref = shared_sketch_ref(target)
    if target.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    backbone = resident_backbone(target)
    planned = _planned(backbone, target, target.ntk.sketch_features)
    plan, error = (planned, None) if target.ntk.sketch_error is None else _wide_enough(backbone, target, planned)
    features = target.store.read_tensors(forward_ref(target), ["features"])["features"]
    labels = joined_labels(target, target.discrepancy, features)
    told = {
        "bandwidths": bandwidths(target.discrepancy, features),
        "plan": asdict(plan) | {"slimmed": sorted(plan.slimmed)},
        "label_distance": None if labels is None else labels.distance,
    }
    document = json.dumps(told, sort_keys=True).encode()
    numbers = {"sketch_features": plan.width, "pilot_error": error}
    seconds = time.perf_counter() - started
    target.store.commit(
        ref, inputs=_inputs(target), documents={"shared_sketch.json": document}, numbers=numbers, seconds=seconds
    )
    return ref


def read_shared_sketch(target: MeasureJob) -> SharedSketch:
    """The committed shared sketch."""
    told: Mapping[str, Any] = target.store.read_json(shared_sketch_ref(target), "shared_sketch.json")
    plan, distance = dict(told["plan"]), told["label_distance"]
    classes = np.array(target.classes or [], dtype=np.int64)
    return SharedSketch(
        tuple(told["bandwidths"]),
        SketchPlan(**(plan | {"slimmed": frozenset(plan["slimmed"])})),
        None if distance is None else LabelBlock(classes, distance),
    )


def _inputs(target: MeasureJob) -> dict[str, object]:
    switches = {"output", "parameters", "sketch_features", "sketch_products", "sketch_error"}
    if target.ntk.sketch_error is not None:
        switches |= {"residual", "damping", "damping_mode"}
    made = target.model_key() | {
        "target": forward_ref(target).fingerprint,
        "kernel": target.discrepancy.model_dump(include={"bandwidths", "multipliers", "labels"}),
        "ntk": target.ntk.model_dump(include=switches) | {"parameters": sorted(target.ntk.parameters)},
        "seed": target.seed,
    }
    return made | preconditioner_key(target)


def _planned(backbone: Backbone, target: MeasureJob, width: int) -> SketchPlan:
    names = select_parameters(backbone.module, target.ntk.parameters)
    batch = backbone.encode(sampled_rows(target, target.sample).slice(0, PLANNED_ROWS))
    asked = target.ntk.sketch_products
    products = fast_products(backbone.device) if asked == "auto" else asked
    return plan_sketch(
        backbone.module, names, lambda rows: _output(backbone, target, rows), batch, width, target.seed, products
    )


def _output(backbone: Backbone, target: MeasureJob, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return backbone.output(backbone.forward(batch), batch, target.ntk.output, target.seed)


def _wide_enough(backbone: Backbone, target: MeasureJob, plan: SketchPlan) -> tuple[SketchPlan, float]:
    """The plan of the smallest sketch, by doubling, whose term on T's rows has at most the error asked for; and that error."""
    rows = sampled_rows(target, target.sample).slice(0, PILOT_ROWS)
    wanted, error = float(target.ntk.sketch_error or 0), float("inf")
    for doublings in range(MOST_DOUBLINGS + 1):
        plan = plan if doublings == 0 else _planned(backbone, target, 2 * plan.width)
        error = _pilot_error(backbone, target, plan, list(in_batches(rows, backbone.rows_a_pass(target.batch_rows))))
        if error <= wanted:
            return plan, error
    raise NumericalError(
        f"`ntk.sketch_error: {wanted:g}` is not reached with {plan.width:,} features: the NTK term of {rows.num_rows} "
        f"rows of T still has an error of {error:.2g}. Raise `ntk.sketch_features` or `ntk.damping`, or take exact kernels."
    )


def _pilot_error(backbone: Backbone, target: MeasureJob, plan: SketchPlan, pieces: list[Any]) -> float:
    batches = [backbone.encode(piece) for piece in pieces]
    with torch.no_grad():
        probabilities = torch.cat([backbone.probability(backbone.forward(batch), batch) for batch in batches])
    scaled = read_preconditioner(target)
    taken = sketch(backbone.module, plan, lambda rows: _output(backbone, target, rows), batches, preconditioner=scaled)
    residuals = residual(taken.outputs, probabilities, target.ntk.residual)
    form = sketched_form(GradientStatistics.of(taken.features, residuals), target.ntk.damping, target.ntk.damping_mode)
    if form.extrapolated is None or form.extrapolated_error is None:
        return form.error / form.term
    return form.extrapolated_error / form.extrapolated
