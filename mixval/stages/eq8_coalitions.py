"""The game of contributors whose value is Eq. 8, from their committed sufficient statistics and T's embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixval.contracts.parts import PARTS, REAL, SYNTHETIC
from mixval.stages.jobs import MeasureJob
from mixval.stages.measurements import COALITION_MEASUREMENTS
from mixval.stages.statistics import PartStatistics, read_statistics, rows_represented, statistics_ref
from mixval.stages.statistics_terms import target_embedding as embedded_target
from mixval.terms.loss.sums import COLUMNS, columns_of
from mixval.valuation.eq8_coalitions import Eq8Game, PartSums, part_sums, target_embedding
from mixval.valuation.estimates import Floats
from mixval.valuation.ntk_coalitions import NtkCoalitions


def eq8_game(jobs: Sequence[MeasureJob], target: MeasureJob, coefficients: Floats, centres: Floats) -> Eq8Game:
    """Of these contributors, at least one; `coefficients` (T,) and `centres` (T,) weigh the terms.

    Sufficient statistics are read one by one: of each, a Gram matrix in float32 stays in memory.
    """
    held = _CollectedSums(jobs, target)
    for k, job in enumerate(jobs):
        held.add(k, job, read_statistics(job, statistics_ref(job, target)))
    of_target, switches = embedded_target(target), target.discrepancy
    at_zero, pooled = float(of_target.settings.weights.sum()), switches.parts == "pooled"
    mean = of_target.sums / of_target.n
    return Eq8Game(
        held.part(REAL),
        held.part(SYNTHETIC),
        target_embedding(mean, of_target.n, at_zero, switches.estimator, switches.scale, pooled),
        held.ntk(),
        coefficients,
        centres,
        more={term: measure(jobs, target) for term, measure in COALITION_MEASUREMENTS.items()},
    )


class _CollectedSums:
    """Sums of K contributors, read one by one."""

    def __init__(self, jobs: Sequence[MeasureJob], target: MeasureJob) -> None:
        self._jobs, self._target = jobs, target
        k, width = len(jobs), embedded_target(target).sums.size
        self._measured = {part: np.zeros(k) for part in PARTS}
        self._losses = {part: np.zeros((k, len(COLUMNS))) for part in PARTS}
        self._embeddings = {part: np.zeros((k, width)) for part in PARTS}
        self._gram = np.empty((0, 0, 0), dtype=np.float32)
        self._cross, self._square = np.empty((0, 0)), np.zeros(k)

    def add(self, k: int, job: MeasureJob, by_part: PartStatistics) -> None:
        """Contributor k."""
        weights = rows_represented(job, by_part)
        for part, one in by_part.items():
            self._measured[part][k] = one.n
            self._losses[part][k] = one.losses.groups.sum(axis=0)
            self._embeddings[part][k] = one.embedding.sums
            if self._gram.size == 0:
                n, q = len(self._square), one.gradients.q
                self._gram, self._cross = np.zeros((n, q, q), dtype=np.float32), np.zeros((n, q))
            self._gram[k] += (weights[part] * one.gradients.gram).astype(np.float32)
            self._cross[k] += weights[part] * one.gradients.cross
            self._square[k] += weights[part] * one.gradients.square

    def part(self, part: str) -> PartSums:
        """One part's sums."""
        above, below = columns_of(self._target.loss.average)
        admitted = [job.rows_by_part[part] for job in self._jobs]
        losses = self._losses[part]
        counts = np.array(admitted, dtype=np.float64)
        return part_sums(counts, self._measured[part], losses[:, above], losses[:, below], self._embeddings[part])

    def ntk(self) -> NtkCoalitions:
        """Both parts together."""
        return NtkCoalitions(
            np.array([job.n_real + job.n_synthetic for job in self._jobs], dtype=np.int64),
            self._gram,
            self._cross,
            self._square,
            self._target.ntk.damping,
            self._target.ntk.damping_mode,
            sum(self._measured.values(), np.zeros(len(self._square))).astype(np.int64),
        )
