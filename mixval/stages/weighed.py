"""What values of parts, of groups and of mixtures are made from: sums of ranked contributors' rows, cut in one way or another.

One contributor's rows count by the measured ones, as in the ranking, those of several together by their admitted ones, as in
coalitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixval.config.base import FrozenModel
from mixval.contracts.parts import PARTS, SYNTHETIC
from mixval.errors import NumericalError
from mixval.stages.gradients import gram_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.regression_coalitions import player_of_statistics
from mixval.stages.routes import route_of
from mixval.stages.steps import Step
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.row_sums import RowSums
from mixval.terms.sufficient_statistics import SufficientStatistics
from mixval.valuation.estimates import Floats
from mixval.valuation.mixtures import MixedPart, Mixtures

MOST_LOOKED_AT = 256
"""Rows of a contributor whose effects are taken: each costs as much as a row of T, at every weight."""
MOST_TOGETHER = 2048
"""Of all together, shared by contributors; each has two at least."""


class RankedJobs(FrozenModel):
    """Contributors whose rows are valued cut into parts or groups: one, or all that are ranked, together."""

    jobs: list[MeasureJob]
    target: MeasureJob

    @property
    def is_alone(self) -> bool:
        """Whether it is one contributor."""
        return len(self.jobs) == 1

    @property
    def contributor(self) -> str | None:
        """The one contributor's name; None of several together."""
        return self.jobs[0].contributor.name if self.is_alone else None

    @property
    def rows_by_part(self) -> dict[str, int]:
        """Part -> admitted rows."""
        return {part: sum(job.rows_by_part[part] for job in self.jobs) for part in PARTS}

    @property
    def looked_at(self) -> int:
        """Rows of each contributor whose effects are taken, if it has as many."""
        return max(2, min(self.target.value.replicate_rows, MOST_LOOKED_AT, MOST_TOGETHER // len(self.jobs)))

    def inputs(self) -> dict[str, object]:
        """What such values depend on, for their fingerprints."""
        target, sums = self.target, route_of(self.target.ntk.method).coalitions
        return {
            "counts": [[job.n_real, job.n_synthetic] for job in self.jobs],
            "is_alone": self.is_alone,
            "replicates": [target.value.replicates, target.seed, self.looked_at],
            "damping": target.regression_damping,
            **({"kernels": [gram_ref(job, target).fingerprint for job in self.jobs]} if sums is None else {}),
            **({} if sums is None else sums.inputs(self.jobs, target)),
        }

    def reads(self) -> list[Step]:
        """The steps that make what they are computed from."""
        route = route_of(self.target.ntk.method)
        return [*route.shared_steps(self.target), *(step for job in self.jobs for step in route.own_steps(job, self.target))]


def each_and_all(jobs: Mapping[str, MeasureJob], target: MeasureJob) -> list[RankedJobs]:
    """Each of these contributors, by name, then all together, where they are several."""
    single = [RankedJobs(jobs=[jobs[name]], target=target) for name in sorted(jobs)]
    return [*single, *([RankedJobs(jobs=[jobs[name] for name in sorted(jobs)], target=target)] if len(jobs) > 1 else [])]


def mixed_parts(
    job: MeasureJob,
    sums: Mapping[str, RowSums | SufficientStatistics],
    weights: Mapping[str, float],
    objective: TargetObjective,
    most: int,
    least: int = 1,
    precision: type[np.float32] | type[np.float64] = np.float64,
) -> dict[str, MixedPart]:
    """One contributor's parts or groups by name, each measured row with its weight; A is in this precision.

    The effects of about `most` rows are taken, in proportion, and of `least` of each that has as many.
    """
    n, found = sum(one.n for one in sums.values()), dict[str, MixedPart]()
    for name, one in sums.items():
        own = max(least, round(most * one.n / n))
        player = player_of_statistics(job, {SYNTHETIC: one}, {SYNTHETIC: weights[name]}, objective, own, precision)
        found[name] = MixedPart.of(player)
    return found


def points(mixtures: Mixtures, weights: Sequence[Mapping[str, float]], replicates: int) -> dict[str, Floats]:
    """Of each of P mixtures: `values` and `displacements` (P,), `deviations` and `displacement_deviations` (P, R).

    NaN where there is no value; of several responses the displacement has no deviations.
    """
    found = [_point(mixtures, one, replicates) for one in weights]
    names = ("values", "displacements", "deviations", "displacement_deviations")
    return {name: np.array([point[place] for point in found]) for place, name in enumerate(names)}


def _point(mixtures: Mixtures, weights: Mapping[str, float], replicates: int) -> tuple[float, float, Floats, Floats]:
    unknown = np.full(replicates, np.nan)
    try:
        found = mixtures.worth(weights)
    except NumericalError:  # the part's gradients are all zero: the others have values
        return float("nan"), float("nan"), unknown, unknown
    shifts = [one.deviations for one in (found.value, found.displacement)]
    of_value, of_displacement = (unknown if one is None else one for one in shifts)
    return found.value.value, found.displacement.value, of_value, of_displacement
