"""Values of the parts of each ranked contributor, and of mixtures of them by weight, from committed sufficient statistics; the
same of all ranked contributors together.

An artifact each: contributors with both parts have one, and all together have one where there are several of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from mixval.config.base import FrozenModel
from mixval.config.valuation import ValuationConfig
from mixval.contracts.parts import PARTS, REAL, SYNTHETIC
from mixval.contracts.record import ArtifactRef
from mixval.errors import NumericalError
from mixval.stages.jobs import MeasureJob
from mixval.stages.regression_coalitions import player_of_statistics, regression_target
from mixval.stages.routes import route_of
from mixval.stages.statistics import read_statistics, rows_represented, statistics_ref
from mixval.stages.steps import Step, one_call
from mixval.valuation.estimates import Floats
from mixval.valuation.mixtures import WEIGHTS, MixedPart, Mixtures

VERSION = 1
"""Raised whenever the numbers change."""
MOST_LOOKED_AT = 256
"""Rows of a contributor whose effects are taken: each costs as much as a row of T, at every weight."""
MOST_TOGETHER = 2048
"""Of all together, shared by contributors; each has two at least."""
COPIES = (1 / 16, 1 / 4, 4.0, 16.0)
"""Budgets other than the rows that are there, each by counting all rows so many times."""
BUDGET_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Weights of the synthetic part under each of them."""


class MixtureJob(FrozenModel):
    """Contributors whose parts are valued: one, or all that are ranked, together."""

    jobs: list[MeasureJob]
    target: MeasureJob

    @property
    def contributor(self) -> str | None:
        """The one contributor's name; None of several together."""
        return self.jobs[0].contributor.name if len(self.jobs) == 1 else None

    @property
    def rows_by_part(self) -> dict[str, int]:
        """Part -> admitted rows."""
        return {part: sum(job.rows_by_part[part] for job in self.jobs) for part in PARTS}


def has_mixtures(config: ValuationConfig) -> bool:
    """Whether parts have values: by NTK regression, and where what is stored of contributors adds up."""
    return config.value.method == "ntk-regression" and route_of(config.ntk.method).coalitions is not None


def mixture_jobs(jobs: Mapping[str, MeasureJob], target: MeasureJob) -> list[MixtureJob]:
    """What is valued of these ranked contributors, by name: each one with both parts, then all together."""
    single = [MixtureJob(jobs=[jobs[name]], target=target) for name in sorted(jobs)]
    together = [MixtureJob(jobs=[jobs[name] for name in sorted(jobs)], target=target)] if len(jobs) > 1 else []
    return [one for one in [*single, *together] if all(one.rows_by_part.values())]


def mixture_step(work: MixtureJob) -> Step:
    """The step that makes its artifact."""
    route = route_of(work.target.ntk.method)

    def reads() -> list[Step]:
        own = [step for job in work.jobs for step in route.own_steps(job, work.target)]
        return [*route.shared_steps(work.target), *own]

    label = f"mixtures {work.contributor or 'of all together'}"
    return one_call(label, work.target.store, mixture_ref(work), commit_mixture, work, reads=reads)


def mixture_ref(work: MixtureJob) -> ArtifactRef:
    """Where it is, or will be, committed."""
    return work.target.store.ref("mixture", VERSION, **_inputs(work))


def commit_mixture(work: MixtureJob) -> ArtifactRef:
    """Commit `values` and `displacements` (W + 1,) of the real part with the synthetic one at each of `WEIGHTS`, then of the
    synthetic part alone; `deviations` and `displacement_deviations` (W + 1, R) of the same; `budget_values` and
    `budget_displacements` (B, V) of `COPIES` by `BUDGET_WEIGHTS`. NaN where there is no value.
    """
    ref, store = mixture_ref(work), work.target.store
    if store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    mixtures, replicates = _mixtures(work), work.target.value.replicates
    points = [_point(mixtures, {SYNTHETIC: weight}, replicates) for weight in WEIGHTS]
    points.append(_point(mixtures, {REAL: 0.0}, replicates))
    budgets = [[_number(mixtures, {SYNTHETIC: weight}, copies) for weight in BUDGET_WEIGHTS] for copies in COPIES]
    names = ("values", "displacements", "deviations", "displacement_deviations")
    tensors = {name: np.array([point[place] for point in points]) for place, name in enumerate(names)}
    tensors |= {"budget_values": np.array(budgets)[..., 0], "budget_displacements": np.array(budgets)[..., 1]}
    store.commit(ref, inputs=_inputs(work), tensors=tensors, seconds=time.perf_counter() - started)
    return ref


def _mixtures(work: MixtureJob) -> Mixtures:
    """Sums are read contributor by contributor: of each part those over all of them are in memory."""
    side = regression_target(work.target)
    most, is_alone = _looked_at(work), len(work.jobs) == 1
    parts, rows = dict[str, MixedPart](), list[Floats]()
    for job in work.jobs:
        by_part = read_statistics(job, statistics_ref(job, work.target))
        # One alone counts by its measured rows, as in the ranking, one of several by its admitted rows.
        weights = dict.fromkeys(by_part, 1.0) if is_alone else rows_represented(job, by_part)
        n = sum(one.n for one in by_part.values())
        for part, one in by_part.items():
            of_part = max(1, round(most * one.n / n))
            player = player_of_statistics(job, {part: one}, weights, side.objective, of_part, np.float64)
            parts[part] = parts[part] + MixedPart.of(player) if part in parts else MixedPart.of(player)
            rows += [one.kept.features] if is_alone else []
    features = np.concatenate(rows) if rows else np.zeros((0, 0))
    has_all = len(features) == sum(part.measured for part in parts.values())
    found = Mixtures(parts, side)
    return found.narrowed(features) if has_all else found


def _looked_at(work: MixtureJob) -> int:
    """Rows of each contributor whose effects are taken, if it has as many."""
    return max(2, min(work.target.value.replicate_rows, MOST_LOOKED_AT, MOST_TOGETHER // len(work.jobs)))


def _point(mixtures: Mixtures, weights: dict[str, float], replicates: int) -> tuple[float, float, Floats, Floats]:
    """Value, displacement, and (R,) deviations of both; of several responses without those of the displacement."""
    unknown = np.full(replicates, np.nan)
    try:
        found = mixtures.worth(weights)
    except NumericalError:  # the part's gradients are all zero: the others have values
        return float("nan"), float("nan"), unknown, unknown
    shifts = [one.deviations for one in (found.value, found.displacement)]
    of_value, of_displacement = (unknown if one is None else one for one in shifts)
    return found.value.value, found.displacement.value, of_value, of_displacement


def _number(mixtures: Mixtures, weights: dict[str, float], copies: float) -> tuple[float, float]:
    try:
        found = mixtures.worth(weights, copies, spread=False)
    except NumericalError:
        return float("nan"), float("nan")
    return found.value.value, found.displacement.value


def _inputs(work: MixtureJob) -> dict[str, object]:
    target, sums = work.target, route_of(work.target.ntk.method).coalitions
    return {
        "counts": [[job.n_real, job.n_synthetic] for job in work.jobs],
        "is_alone": len(work.jobs) == 1,
        "replicates": [target.value.replicates, target.seed, _looked_at(work)],
        "damping": target.regression_damping,
        "weights": [WEIGHTS, COPIES, BUDGET_WEIGHTS],
        **({} if sums is None else sums.inputs(work.jobs, target)),
    }
