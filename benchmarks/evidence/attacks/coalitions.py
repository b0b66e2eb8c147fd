"""Value of an altered contributor in coalitions with all others: its leave-one-out and Shapley values before and after.

Letters: K contributors; q features of a coalition's sketch; F frequencies. Two games over contributors:

    eq8               v(U) of Eq. 8 from sums (`mixval/valuation/eq8_coalitions.py`), as published by a run, weights as before
    ntk-regression    minus the cross-entropy of NTK regression on the coalition (`mixval/valuation/regression_coalitions.py`);
                      of the empty coalition, -log C

Sketches are folded to q columns with random signs, which leaves inner products unbiased: there are many coalitions, and each
costs q^3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.evidence.attacks.inputs import PooledInputs
from mixval.config.tasks import LABEL_DAMPING
from mixval.evidence.baselines import eq8
from mixval.seeds import generator
from mixval.terms.arrays import Floats, Masks
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.discrepancy.random_features import FourierFeatures, embed, fourier_features
from mixval.terms.ntk.objective import TargetObjective, lengths
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.terms.ntk.target_metrics import one_hot
from mixval.valuation.eq8_coalitions import Eq8Game, PartSums, TargetEmbedding, part_sums, target_embedding
from mixval.valuation.ntk_coalitions import NtkCoalitions
from mixval.valuation.regression_coalitions import RegressionGame, RegressionSums
from mixval.valuation.shapley import Game, leave_one_out, sampled_shapley
from mixval.valuation.weights import Weights

FOLDED = 512
"""q."""
FREQUENCIES = 320
"""F: MMD^2 is off by 6.1% at 160 and by 2.7% at 640 (`random_features.py`)."""


@dataclass(frozen=True)
class MarginalPair:
    """Values of contributors in coalitions with each other."""

    shapley: Floats
    """(K,) sampled."""
    leave_one_out: Floats
    """(K,) v of all less v without each."""


def coalition_values(game: Game, n_players: int, orders: int, seed: int = 0) -> MarginalPair:
    """Both values of all contributors. Cost: K (orders + 1) + 1 coalitions."""
    values = sampled_shapley(game, n_players, orders, seed).values
    return MarginalPair(values, leave_one_out(game, n_players))


def ntk_regression_game(inputs: PooledInputs) -> RegressionGame:
    """The game of NTK regression over classes. Raises ConfigError, from labels, where rows have none."""
    sketches, labels = inputs.gradients("mix"), inputs.labels()
    signs = _signs(sketches.target.shape[1])
    whole = [
        GradientStatistics.of(_folded(rows, signs), np.zeros(len(rows)), one_hot(own, inputs.n_classes))
        for rows, own in zip(sketches.contributors, labels.contributors, strict=True)
    ]
    rows = np.array([one.n for one in whole], dtype=np.int64)
    sums = RegressionSums(rows, rows, np.array([one.gram for one in whole]), np.array([one.responses for one in whole]))
    of_target = _folded(sketches.target, signs)
    objective = TargetObjective(labels=labels.target, n_classes=inputs.n_classes, norms=lengths(of_target))
    return RegressionGame(sums, of_target, objective, LABEL_DAMPING)


def eq8_game(inputs: PooledInputs, weights: Weights) -> Eq8Game:
    """The game of Eq. 8; v of the empty coalition is that of the worst contributor alone."""
    features = inputs.passes().target.features
    median = median_bandwidth(features)
    fourier = fourier_features([median * one for one in eq8.MULTIPLIERS], features.shape[1], FREQUENCIES)
    mean = _embedded(fourier, features) / len(features)
    at_zero = float(fourier.settings.weights.sum())
    parts = [_part(inputs, fourier, is_real) for is_real in (True, False)]
    game = Eq8Game(
        parts[0],
        parts[1],
        _target(mean, len(features), at_zero),
        _ntk(inputs),
        weights.coefficients,
        weights.centres,
    )
    alone = [game.value(row) for row in np.eye(len(inputs.contributors), dtype=np.bool_)]
    return Eq8Game(game.real, game.synthetic, game.target, game.ntk, game.coefficients, game.centres, empty_value=min(alone))


def _target(mean: Floats, m: int, at_zero: float) -> TargetEmbedding:
    return target_embedding(mean, m, at_zero, "unbiased", "root", is_pooled=False)


def _part(inputs: PooledInputs, fourier: FourierFeatures, is_real: bool) -> PartSums:
    passes = inputs.passes().contributors
    chosen: list[Masks] = [one.is_real == is_real for one in inputs.contributors]
    counts = np.array([float(own.sum()) for own in chosen])
    losses = [float((one.losses[own] / np.maximum(one.counts[own], 1)).sum()) for one, own in zip(passes, chosen, strict=True)]
    embeddings = [_embedded(fourier, one.features[own]) for one, own in zip(passes, chosen, strict=True)]
    return part_sums(counts, counts, np.array(losses), counts, np.array(embeddings))


def _embedded(fourier: FourierFeatures, features: Floats) -> Floats:  # (2F,)
    return embed(fourier, features, np.arange(len(features), dtype=np.uint64)).sums


def _ntk(inputs: PooledInputs) -> NtkCoalitions:
    rows = inputs.gradients("logit")
    signs = _signs(rows.target.shape[1])
    whole = [
        GradientStatistics.of(_folded(sketch, signs), 1 - outputs)
        for sketch, outputs in zip(rows.contributors, inputs.outputs(), strict=True)
    ]
    return NtkCoalitions(
        np.array([one.n for one in whole], dtype=np.int64),
        np.array([one.gram for one in whole]),
        np.array([one.cross for one in whole]),
        np.array([one.square for one in whole]),
        eq8.DAMPING,
    )


def _signs(q: int) -> Floats:
    """(q,) of +1 and -1, the same for all contributors."""
    # The stream's name: with another one, other signs.
    return generator("gaming", "folding").choice([-1.0, 1.0], q)


def _folded(rows: np.ndarray, signs: Floats) -> Floats:
    """(N, FOLDED) sums of every FOLDED-th signed column of (N, q); as it is where q is no multiple above it."""
    q = len(signs)
    if q <= FOLDED or q % FOLDED:
        return rows.astype(np.float64)
    return np.asarray((rows * signs).reshape(len(rows), q // FOLDED, FOLDED).sum(1), dtype=np.float64)
