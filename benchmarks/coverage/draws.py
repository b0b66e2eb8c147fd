"""One draw of a contributor and a target from a pool, and every quantity with an interval that mixval makes of them.

Letters: n rows of S; m rows of T; R replicates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.coverage.pool import REPLICATES, Pool, keys_of
from mixval.terms.arrays import Floats
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.discrepancy.mmd import measure_part, mmd_deviations, target_statistics
from mixval.terms.discrepancy.random_features import embed, embedding_mmd, fourier_features
from mixval.terms.loss.mean import estimate_loss, loss_moves
from mixval.terms.ntk.objective import TargetObjective, lengths
from mixval.terms.ntk.quadratic import ntk_moves, quadratic_form
from mixval.terms.ntk.regression import feature_regression, kernel_regression
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.two_phase import TwoPhaseRows, two_phase_ratio, two_phase_value
from mixval.terms.ntk.value import regression_value
from mixval.terms.ntk.value_spread import SampledRows, ValueSpread, value_spread
from mixval.terms.ntk.wide_head import wide_head
from mixval.terms.replicates import Effects, deviations, effects_of, group_multipliers
from mixval.valuation.mixtures import MixedPart, Mixtures
from mixval.valuation.players import Player, TargetSide
from mixval.valuation.players import game_of as players_game
from mixval.valuation.regression_coalitions import EffectRows, RegressionGame

DAMPING, GAIN_DAMPING = 1.0, 0.01
"""The defaults of `value.damping`, for labels and for causal LMs."""
MULTIPLIERS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Estimate:
    """A quantity in one draw."""

    value: float
    """As published."""
    deviations: Floats
    """(R,)."""
    exact: float | None = None
    """What the mean over draws is taken of, where it is not the value: MMD^2, which is unbiased where its root is not."""


@dataclass(frozen=True)
class Sample:
    """Rows of a pool with content keys."""

    pool: Pool
    rows: np.ndarray
    labels: np.ndarray
    """(n,) as the contributor states them."""

    @property
    def gradients(self) -> Floats:
        """(n, q)."""
        return self.pool.gradients[self.rows]

    @property
    def features(self) -> Floats:
        """(n, D)."""
        return self.pool.features[self.rows]

    @property
    def keys(self) -> np.ndarray:
        """(n,)."""
        return keys_of(self.rows)

    @property
    def multipliers(self) -> Floats:
        """(R, n)."""
        return self.pool.multipliers[:, self.rows]


def draw(pool: Pool, rows: np.ndarray, noise: float, drawn: np.random.Generator) -> Sample:
    """The rows, with `noise` of their labels drawn anew; at -1 each label is replaced by the next class, always wrong."""
    labels = pool.labels[rows].copy()
    if noise < 0:
        labels = (labels + 1) % pool.n_classes
    else:
        changed = drawn.random(len(rows)) < noise
        labels[changed] = drawn.integers(0, pool.n_classes, int(changed.sum()))
    return Sample(pool, rows, labels)


def objective(target: Sample) -> TargetObjective:
    """T's labels."""
    return TargetObjective(labels=target.labels, n_classes=target.pool.n_classes, norms=lengths(target.gradients))


def target_multipliers(target: Sample) -> Floats:
    """(R, m + 1)."""
    return target.pool.multipliers[:, np.append(target.rows, len(target.pool))]


def label_value(own: Sample, target: Sample) -> tuple[float, ValueSpread]:
    """The regression value from Gram blocks, and its spread."""
    regression = kernel_regression(
        own.gradients @ own.gradients.T, target.gradients @ own.gradients.T, one_hot(own.labels, own.pool.n_classes)
    )
    of_target = objective(target)
    found = regression_value(regression, of_target, DAMPING)
    rows = SampledRows(slice(0, len(own.rows)), own.multipliers)
    return found.value, value_spread(regression, found, of_target, rows, target_multipliers(target))


def sketched_value(own: Sample, target: Sample) -> Estimate:
    """The same from sums over rows, with effects of 300 of them at most."""
    phi, right = own.gradients, one_hot(own.labels, own.pool.n_classes)
    regression = feature_regression(phi.T @ phi, phi.T @ right, len(phi), target.gradients, phi.sum(axis=0))
    of_target = objective(target)
    # Centred by the sum of responses over classes, Phi'1.
    found = regression_value(regression, of_target, DAMPING)
    kept = slice(0, min(300, len(phi)))
    rows = SampledRows((phi[kept], right[kept]), own.multipliers[:, kept])
    return Estimate(found.value, value_spread(regression, found, of_target, rows, target_multipliers(target)).deviations)


def player_of(own: Sample) -> Player:
    """Sums over a contributor's rows, with effects of all of them."""
    right, ones = one_hot(own.labels, own.pool.n_classes), np.ones(len(own.rows))
    gram, cross = own.gradients.T @ own.gradients, own.gradients.T @ right
    rows = EffectRows(own.gradients, right, own.multipliers, ones, ones, ones > 0)
    return Player(len(ones), len(ones), gram, cross, rows)


def target_side(target: Sample) -> TargetSide:
    """T as players are valued on it."""
    return TargetSide(target.gradients, objective(target), target_multipliers(target), DAMPING)


def game_of(contributors: Sequence[Sample], target: Sample) -> RegressionGame:
    """The game over these contributors, from sums over their rows."""
    return players_game([player_of(own) for own in contributors], len(contributors), target_side(target), np.float64)


def weighted(one: Sample, other: Sample, target: Sample, weight: float) -> Estimate:
    """The value of two contributors' rows together, those of the other counted `weight` times."""
    parts = {"one": MixedPart.of(player_of(one)), "other": MixedPart.of(player_of(other))}
    found = Mixtures(parts, target_side(target)).worth({"other": weight}).value
    return Estimate(found.value, np.zeros(0) if found.deviations is None else found.deviations)


def value_of_rows_read(own: Sample, target: Sample, n_gradients: int) -> Estimate:
    """The regression value by the two-phase ratio, the first `n_gradients` rows having gradients."""
    first = Sample(own.pool, own.rows[:n_gradients], own.labels[:n_gradients])
    value, spread = label_value(first, target)
    head = wide_head(target.features)
    right = one_hot(own.labels, own.pool.n_classes)
    all_read = head.regression(own.features, target.features, right)
    on_features = head.objective(target.features, target.labels, own.pool.n_classes)
    drawn = own.multipliers
    groups = [SampledRows(slice(0, part.shape[1]), part) for part in (drawn[:, :n_gradients], drawn[:, n_gradients:])]
    rows = TwoPhaseRows(*groups, target_multipliers(target))
    ratio = two_phase_ratio(all_read, n_gradients, on_features, DAMPING, rows)
    found = two_phase_value(value, spread.deviations, ratio)
    return Estimate(found.value, found.deviations)


def gain(own: Sample, target: Sample) -> tuple[float, float, ValueSpread]:
    """G of a causal LM, the displacement, and their spread; a row's loss stands for its answer's."""
    tokens = 1.0 + np.arange(len(target.rows)) % 7
    right = ((1 - np.exp(-own.pool.losses[own.rows])) * (1.0 + own.rows % 7))[:, None] / tokens.mean()
    regression = kernel_regression(own.gradients @ own.gradients.T, target.gradients @ own.gradients.T, right)
    of_target = TargetObjective(tokens=tokens)
    found = regression_value(regression, of_target, GAIN_DAMPING)
    rows = SampledRows(slice(0, len(own.rows)), own.multipliers)
    return (
        found.value,
        found.change.displacement,
        value_spread(regression, found, of_target, rows, target_multipliers(target)),
    )


def mmd(own: Sample, target: Sample) -> Estimate:
    """The discrepancy by all pairs."""
    widths = [median_bandwidth(target.features) * factor for factor in MULTIPLIERS]
    found = measure_part(target_statistics(target.features, widths), own.features)
    return Estimate(found.value, mmd_deviations(found, "root", target.multipliers, own.multipliers), found.squared)


def embedded_mmd(own: Sample, target: Sample, seed: int) -> Estimate:
    """The discrepancy by random features, from sums over groups of rows."""
    widths = [median_bandwidth(target.features) * factor for factor in MULTIPLIERS]
    fourier = fourier_features(widths, target.features.shape[1], 256, seed)
    found = embedding_mmd(embed(fourier, target.features, target.keys), embed(fourier, own.features, own.keys))
    drawn = group_multipliers(REPLICATES, seed)
    return Estimate(found.value, mmd_deviations(found, "root", drawn, drawn), found.squared)


def loss(own: Sample) -> Estimate:
    """The loss term."""
    losses, counts = own.pool.losses[own.rows], np.ones(len(own.rows))
    found = estimate_loss(losses, counts, "example")
    effects = Effects(loss_moves(losses, counts, "example"), own.multipliers, len(losses) - 1.0)
    return Estimate(found.mean, deviations([effects], math.nan if found.standard_error is None else found.standard_error))


def ntk(own: Sample) -> Estimate:
    """The NTK term."""
    theta, residual = own.gradients @ own.gradients.T, 1 - np.exp(-own.pool.losses[own.rows])
    form = quadratic_form(theta, residual, 0.01)
    moves = ntk_moves(theta, residual, form.damping, "absolute")
    return Estimate(form.term, deviations([effects_of(moves, own.multipliers)]))
