"""Values of the parts of each ranked contributor, and of mixtures of them by weight, from committed sufficient statistics; the
same of all ranked contributors together.

An artifact each: contributors with both parts have one, and all together have one where there are several of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from mixval.config.valuation import ValuationConfig
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.record import ArtifactRef
from mixval.errors import NumericalError
from mixval.stages.exact_mixtures import exact_mixtures, has_all_gradients
from mixval.stages.jobs import MeasureJob
from mixval.stages.regression_coalitions import regression_target
from mixval.stages.statistics import read_statistics, rows_represented, statistics_ref
from mixval.stages.steps import Step, one_call
from mixval.stages.weighed import RankedJobs, each_and_all, mixed_parts, points
from mixval.valuation.estimates import Floats
from mixval.valuation.mixtures import WEIGHTS, MixedPart, Mixtures

VERSION = 2
"""Raised whenever the numbers change."""
COPIES = (1 / 16, 1 / 4, 4.0, 16.0)
"""Budgets other than the rows that are there: a share of each part, drawn, or its rows counted so many times."""
BUDGET_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Weights of the synthetic part under each of them."""


def has_mixtures(config: ValuationConfig) -> bool:
    """Whether parts have values: by NTK regression."""
    return config.value.method == "ntk-regression"


def mixture_jobs(jobs: Mapping[str, MeasureJob], target: MeasureJob) -> list[RankedJobs]:
    """What is valued of these ranked contributors, by name: each one with both parts, then all together where what is stored
    of contributors adds up."""
    mixed = [one for one in each_and_all(jobs, target) if all(one.rows_by_part.values())]
    if not target.ntk.stores_rows:
        return mixed
    return [one for one in mixed if one.is_alone and has_all_gradients(one.jobs[0])]


def mixture_step(work: RankedJobs) -> Step:
    """The step that makes its artifact."""
    label = f"mixtures {work.contributor or 'of all together'}"
    return one_call(label, work.target.store, mixture_ref(work), commit_mixture, work, reads=work.reads)


def mixture_ref(work: RankedJobs) -> ArtifactRef:
    """Where it is, or will be, committed."""
    return work.target.store.ref("mixture", VERSION, **_inputs(work))


def commit_mixture(work: RankedJobs) -> ArtifactRef:
    """Commit `values` and `displacements` (W + 1,) of the real part with the synthetic one at each of `WEIGHTS`, then of the
    synthetic part alone; `deviations` and `displacement_deviations` (W + 1, R) of the same; `budget_values` and
    `budget_displacements` (B, V) of `COPIES` by `BUDGET_WEIGHTS`. NaN where there is no value.
    """
    ref, store = mixture_ref(work), work.target.store
    if store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    mixtures = _mixtures(work)
    weights = [*({SYNTHETIC: weight} for weight in WEIGHTS), {REAL: 0.0}]
    tensors = points(mixtures, weights, work.target.value.replicates)
    budgets = [
        [_number(mixtures, {REAL: copies, SYNTHETIC: weight * copies}) for weight in BUDGET_WEIGHTS] for copies in COPIES
    ]
    tensors |= {"budget_values": np.array(budgets)[..., 0], "budget_displacements": np.array(budgets)[..., 1]}
    store.commit(ref, inputs=_inputs(work), tensors=tensors, seconds=time.perf_counter() - started)
    return ref


def _mixtures(work: RankedJobs) -> Mixtures:
    """Sums are read contributor by contributor: of each part those over all of them are in memory."""
    if work.target.ntk.stores_rows:
        return exact_mixtures(work)
    side, parts, rows = regression_target(work.target), dict[str, MixedPart](), list[Floats]()
    for job in work.jobs:
        by_part = read_statistics(job, statistics_ref(job, work.target))
        weights = dict.fromkeys(by_part, 1.0) if work.is_alone else rows_represented(job, by_part)
        for part, one in mixed_parts(job, by_part, weights, side.objective, work.looked_at).items():
            parts[part] = parts[part] + one if part in parts else one
        rows += [one.kept.features for one in by_part.values()] if work.is_alone else []
    return Mixtures(parts, side).narrowed(rows)


def _number(mixtures: Mixtures, shares: dict[str, float]) -> tuple[float, float]:
    try:
        found = mixtures.drawn(shares, spread=False)
    except NumericalError:
        return float("nan"), float("nan")
    return found.value.value, found.displacement.value


def _inputs(work: RankedJobs) -> dict[str, object]:
    return work.inputs() | {"weights": [WEIGHTS, COPIES, BUDGET_WEIGHTS]}
