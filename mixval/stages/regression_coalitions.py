"""The game of contributors whose value is by NTK regression, from their committed sufficient statistics and T's sketch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mixval.contracts.parts import REAL
from mixval.stages.jobs import MeasureJob
from mixval.stages.kept import LastMade
from mixval.stages.measured import multipliers, target_multipliers
from mixval.stages.regression_value import responses_of
from mixval.stages.statistics import read_statistics, rows_represented, statistics_ref
from mixval.stages.target_gradients import read_target_gradients, target_gradients_ref
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.row_sums import RowSums
from mixval.terms.sufficient_statistics import SufficientStatistics
from mixval.valuation.players import Player, TargetSide, game_of
from mixval.valuation.regression_coalitions import EffectRows, RegressionGame

_SIDE = LastMade[TargetSide]()
LEAST_LOOKED_AT = 64
"""Rows of a contributor whose effects are taken, if it has as many, however many contributors share `value.replicate_rows`."""


def regression_game(jobs: Sequence[MeasureJob], target: MeasureJob) -> RegressionGame:
    """Of these contributors, at least one. Sufficient statistics are read one by one: of each, a Gram matrix in float32
    stays in memory."""
    side, most = regression_target(target), looked_at_each(target, len(jobs))
    return game_of((_player(job, target, side.objective, most) for job in jobs), len(jobs), side)


def regression_target(target: MeasureJob) -> TargetSide:
    """T's side of a game, from its committed gradients; made once in a process."""

    def made() -> TargetSide:
        of_target = read_target_gradients(target)
        drawn = target_multipliers(target, of_target.keys)
        return TargetSide(of_target.features, of_target.objective, drawn, target.regression_damping)

    drawn_by = target.value.replicates, target.seed, target.regression_damping
    return _SIDE.get(f"{target.output} {target_gradients_ref(target).fingerprint} {drawn_by}", made)


def looked_at_each(target: MeasureJob, n_players: int) -> int:
    """Rows of each player whose effects are taken, if it has as many."""
    return max(target.value.replicate_rows // n_players, LEAST_LOOKED_AT)


def _player(job: MeasureJob, target: MeasureJob, objective: TargetObjective, most: int) -> Player:
    by_part = read_statistics(job, statistics_ref(job, target))
    return player_of_statistics(job, by_part, rows_represented(job, by_part), objective, most)


def player_of_statistics(
    job: MeasureJob,
    by_part: Mapping[str, SufficientStatistics | RowSums],
    weights: Mapping[str, float],
    objective: TargetObjective,
    most: int,
    precision: type[np.float32] | type[np.float64] = np.float32,
) -> Player:
    """The player of these parts, at least one, whose rows stand for so many each; A is in this precision.

    The effects of `most` rows or a few more are taken.
    """
    q = next(iter(by_part.values())).gradients.q
    gram, cross = np.zeros((q, q), dtype=precision), np.zeros((q, objective.n_classes))
    for part, one in by_part.items():
        gram += (weights[part] * one.gradients.gram).astype(precision)
        cross += weights[part] * one.gradients.responses
    admitted, measured = (
        round(sum(weights[part] * one.n for part, one in by_part.items())),
        sum(one.n for one in by_part.values()),
    )
    rows = _looked_at(job, by_part, weights, objective, most) if job.value.replicates else None
    return Player(admitted, measured, gram, cross / objective.unit, rows)


def _looked_at(
    job: MeasureJob,
    by_part: Mapping[str, SufficientStatistics | RowSums],
    weights: Mapping[str, float],
    objective: TargetObjective,
    most: int,
) -> EffectRows:
    """The first of a contributor's kept rows by key, `most` or a few more, in proportion to its parts."""
    n = sum(one.n for one in by_part.values())
    kept = {part: one.kept.first(math.ceil(most * one.n / n)) for part, one in by_part.items()}
    counts = [len(one.keys) for one in kept.values()]
    return EffectRows(
        features=np.concatenate([one.features for one in kept.values()]),
        responses=responses_of(list(kept.values()), objective),
        multipliers=multipliers(job, np.concatenate([one.keys for one in kept.values()])),
        weights=np.repeat([weights[part] for part in kept], counts),
        stand_for=np.repeat([by_part[part].n / max(len(one.keys), 1) for part, one in kept.items()], counts),
        is_real=np.repeat([part == REAL for part in kept], counts),
    )
