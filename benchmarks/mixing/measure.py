"""What training gives, and what is predicted without it: mixtures by ratio and budget, parts and coalitions of contributors.

Letters: n rows; q features; C classes; R replicates.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import spearmanr

from benchmarks.mixing.eq8 import Mixture, eq8_values
from benchmarks.mixing.worlds import MixingWorld, Rows
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.terms.arrays import Floats
from mixval.terms.ntk.objective import TargetObjective, lengths
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.replicates import interval, row_multipliers
from mixval.valuation.mixtures import MixedPart, Mixtures
from mixval.valuation.players import TargetSide
from mixval.valuation.regression_coalitions import EffectRows

PENALTY = 1.0
"""Of the weights' squared length the inverse, beside the sum of losses: one for all rows and budgets."""
STEPS = 60
RATIOS = (0.0, 0.05, 0.1, 0.2, 0.3, 1 / 3, 0.5, 0.67, 1.0)
"""Shares of generated rows."""
BUDGETS = (100, 500)
"""Rows of a training."""
SEEDS = 16
"""Draws of the rows of each mixture: at four, the order of trainings with themselves is at 0.1 to 0.6 in half of the worlds."""
SMALL_BUDGET = 50
SMALL_RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the small trainings that a linear regression is fitted to, one of each, as RegMix does (arXiv 2407.01492)."""
CONTRIBUTORS, COALITIONS = 30, 30
TEAM, TEAMS = 5, 100
"""Contributors of a team, and random teams that a greedy one is held against."""
REPLICATES, CONFIDENCE = 200, 0.95


def trained(rows: Rows, world: MixingWorld) -> float:
    """Mean log-likelihood, nats, on the test rows of a linear head over all classes, trained on these rows from zero."""
    x, y, shape = rows.features, one_hot(rows.labels, world.n_classes), (rows.features.shape[1], world.n_classes)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        given = log_softmax(x @ weights, axis=1)
        gradient = x.T @ (np.exp(given) - y) + weights / PENALTY
        return float(-(given * y).sum() + (weights**2).sum() / (2 * PENALTY)), gradient.ravel()

    found = minimize(loss, np.zeros(np.prod(shape)), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    given = log_softmax(world.test.features @ found.x.reshape(shape), axis=1)
    return float(given[np.arange(len(given)), world.test.labels].mean())


def target_side(world: MixingWorld) -> TargetSide:
    """T as mixtures are valued on it, at mixval's default damping."""
    phi = world.target.features
    of_target = TargetObjective(labels=world.target.labels, n_classes=world.n_classes, norms=lengths(phi))
    keys = np.arange(len(phi) + 1, dtype=np.uint64) + np.uint64(1 << 40)
    return TargetSide(phi, of_target, row_multipliers(keys, REPLICATES, 0), 1.0)


def part_of(rows: Rows, world: MixingWorld, first_key: int = 0) -> MixedPart:
    """The sums of rows, with effects of all of them; keys tell rows of several parts apart."""
    right, ones = one_hot(rows.labels, world.n_classes), np.ones(len(rows.labels))
    keys = np.arange(len(ones), dtype=np.uint64) + np.uint64(first_key)
    effects = EffectRows(rows.features, right, row_multipliers(keys, REPLICATES, 0), ones, ones, ones > 0)
    phi = rows.features
    return MixedPart(len(ones), len(ones), phi.T @ phi, phi.T @ right, (effects,))


@dataclass(frozen=True)
class RatioResult:
    """Of one world and budget."""

    world: str
    budget: int
    truths: list[list[float]]
    """By `RATIOS`, of each draw of rows."""
    predicted: list[float]
    rivals: dict[str, list[float]]
    """Rival -> the same; one that only names a ratio has 1 there and 0 elsewhere."""
    small_seconds: float = 0.0
    """Of the processor, for the small trainings that a line is fitted to."""

    @property
    def truth(self) -> list[float]:
        """By `RATIOS`, mean over draws."""
        return [float(np.mean(one)) for one in self.truths]

    def spearman(self, scores: list[float]) -> float:
        """With the truth."""
        return float(spearmanr(scores, self.truth).statistic)

    def redrawn(self, random: np.random.Generator) -> RatioResult:
        """As if other draws had been trained: of each ratio as many of its own, with replacement."""
        truths = [list(random.choice(one, len(one))) for one in self.truths]
        return replace(self, truths=truths)

    @property
    def agreement(self) -> float:
        """Spearman's correlation of the mean of one half of the draws with that of the other."""
        halves = [[float(np.mean(one[half::2])) for one in self.truths] for half in (0, 1)]
        return float(spearmanr(*halves).statistic)

    def regret(self, scores: list[float]) -> float:
        """What the ratio with the highest score lacks of the best one, as a share of the range of the truth."""
        best, worst = max(self.truth), min(self.truth)
        return (best - self.truth[int(np.argmax(scores))]) / (best - worst)


def ratios(world: MixingWorld) -> list[RatioResult]:
    """Mixtures of rows drawn from both pools, by budget."""
    parts = {REAL: part_of(world.real, world), SYNTHETIC: part_of(world.synthetic, world, 1 << 20)}
    mixtures = Mixtures(parts, target_side(world))
    return [_ratios(world, mixtures, budget) for budget in BUDGETS]


def _ratios(world: MixingWorld, mixtures: Mixtures, budget: int) -> RatioResult:
    halves = {share: [_halves(world, budget, share, seed) for seed in range(SEEDS)] for share in RATIOS}
    drawn = {share: [real + synthetic for real, synthetic in own] for share, own in halves.items()}
    truths = [[trained(rows, world) for rows in drawn[share]] for share in RATIOS]
    given = [_weights(world, budget, share) for share in RATIOS]
    predicted = [mixtures.drawn(one, spread=False).value.value for one in given]
    started = time.process_time()
    of_small = [_halves(world, SMALL_BUDGET, share, 100) for share in SMALL_RATIOS]
    small = [trained(real + synthetic, world) for real, synthetic in of_small]
    small_seconds = time.process_time() - started
    line = np.polyfit(SMALL_RATIOS, small, 1)
    of_all = len(world.synthetic.labels) / (len(world.real.labels) + len(world.synthetic.labels))
    rivals = {
        "all-real": [float(share == 0) for share in RATIOS],
        "all-alike": [float(abs(share - of_all) == min(abs(one - of_all) for one in RATIOS)) for share in RATIOS],
        "regression-on-small": [float(np.polyval(line, share)) for share in RATIOS],
        "eq8": eq8_values(world, list(halves.values())),
        # Sums that are scaled to the budget, without what drawing so few rows does.
        "rows-counted": [mixtures.worth(one, spread=False).value.value for one in given],
        # Of the very rows that are trained on.
        "value-of-rows-drawn": [
            float(np.mean([value_of(rows, world, mixtures.target) for rows in drawn[share]])) for share in RATIOS
        ],
    }
    return RatioResult(world.name, budget, truths, predicted, rivals, small_seconds)


def value_of(rows: Rows, world: MixingWorld, side: TargetSide) -> float:
    """Of exactly these rows, without replicates."""
    phi, right = rows.features, one_hot(rows.labels, world.n_classes)
    part = MixedPart(len(phi), len(phi), phi.T @ phi, phi.T @ right)
    return Mixtures({"all": part}, side).worth({}, spread=False).value.value


def _halves(world: MixingWorld, budget: int, share: float, seed: int) -> Mixture:
    drawn, n = np.random.default_rng([seed, budget, round(1000 * share)]), round(share * budget)
    real = world.real.take(drawn.permutation(len(world.real.labels))[: budget - n])
    return real, world.synthetic.take(drawn.permutation(len(world.synthetic.labels))[:n])


def _weights(world: MixingWorld, budget: int, share: float) -> dict[str, float]:
    return {
        REAL: (1 - share) * budget / len(world.real.labels),
        SYNTHETIC: share * budget / len(world.synthetic.labels),
    }


@dataclass(frozen=True)
class Contributor:
    """Rows of both parts."""

    real: Rows
    synthetic: Rows

    @property
    def rows(self) -> Rows:
        """Of both."""
        return self.real + self.synthetic


def contributors(world: MixingWorld) -> list[Contributor]:
    """Of 20 to 120 rows a part, from few classes or all, with up to half of the generated rows' labels wrong."""
    drawn, found = np.random.default_rng(11), list[Contributor]()
    for _ in range(CONTRIBUTORS):
        own = [_some(rows, world, drawn) for rows in (world.real, world.synthetic)]
        labels, noise = own[1].labels.copy(), drawn.choice([0.0, 0.0, 0.25, 0.5])
        wrong = drawn.random(len(labels)) < noise
        labels[wrong] = (labels[wrong] + drawn.integers(1, world.n_classes, int(wrong.sum()))) % world.n_classes
        found.append(Contributor(own[0], Rows(own[1].features, labels)))
    return found


def _some(rows: Rows, world: MixingWorld, drawn: np.random.Generator) -> Rows:
    n, n_classes = int(drawn.integers(20, 121)), int(drawn.integers(2, world.n_classes + 1))
    chosen = drawn.permutation(world.n_classes)[:n_classes]
    return rows.take(drawn.permutation(np.flatnonzero(np.isin(rows.labels, chosen)))[:n])


@dataclass(frozen=True)
class PartSigns:
    """Of one world: what generated rows add to real ones."""

    truth: list[float]
    predicted: list[float]
    is_distinct: list[bool]
    """Whether the interval leaves out 0."""


def part_signs(world: MixingWorld, drawn: list[Contributor]) -> PartSigns:
    """Of each contributor: trained with and without its generated rows, and predicted."""
    side, found = target_side(world), PartSigns([], [], [])
    for place, one in enumerate(drawn):
        found.truth.append(trained(one.rows, world) - trained(one.real, world))
        keyed = {REAL: 2 * place << 20, SYNTHETIC: (2 * place + 1) << 20}
        parts = {REAL: part_of(one.real, world, keyed[REAL]), SYNTHETIC: part_of(one.synthetic, world, keyed[SYNTHETIC])}
        mixtures = Mixtures(parts, side)
        adds = mixtures.worth({}).value.less(mixtures.worth({SYNTHETIC: 0.0}).value)
        low, high = interval(adds.value, adds.deviations if adds.deviations is not None else np.zeros(0), CONFIDENCE)
        found.predicted.append(adds.value)
        found.is_distinct.append(low is not None and high is not None and (low > 0 or high < 0))
    return found


@dataclass(frozen=True)
class Coalitions:
    """Of one world: random unions of two to eight contributors."""

    truth: Floats
    predicted: Floats
    means: Floats
    """Means of the members' own values."""
    on_test: Floats
    """Predicted with the very rows as the target that trainings are measured on: what the target's sampling does not cost."""


def coalitions(world: MixingWorld, drawn: list[Contributor]) -> Coalitions:
    """Trained on, and predicted from sums."""
    side, random = target_side(world), np.random.default_rng(13)
    parts = {str(place): part_of(one.rows, world, place << 20) for place, one in enumerate(drawn)}
    mixtures, of_test = Mixtures(parts, side), Mixtures(parts, target_side(replace(world, target=world.test)))
    alone = [_union(mixtures, {name}) for name in parts]
    truth, predicted, means, on_test = [], [], [], []
    for _ in range(COALITIONS):
        members = random.permutation(len(drawn))[: random.integers(2, 9)]
        truth.append(_trained_on(world, drawn, list(members)))
        predicted.append(_union(mixtures, {str(place) for place in members}))
        on_test.append(_union(of_test, {str(place) for place in members}))
        means.append(float(np.mean([alone[place] for place in members])))
    return Coalitions(*(np.array(one) for one in (truth, predicted, means, on_test)))


def _union(mixtures: Mixtures, members: set[str]) -> float:
    weights: Mapping[str, float] = {name: float(name in members) for name in mixtures.parts}
    return mixtures.worth(weights, spread=False).value.value


@dataclass(frozen=True)
class Teams:
    """Of one world: contributors of a team that are taken greedily by value, against random ones, by training."""

    greedy: float
    random: Floats

    @property
    def regret(self) -> float:
        """What the greedy team lacks of the best random one, as a share of their range; below 0 where it is better."""
        return float((self.random.max() - self.greedy) / (self.random.max() - self.random.min()))

    @property
    def beaten(self) -> float:
        """Share of random teams that the greedy one is better than."""
        return float((self.random < self.greedy).mean())


def teams(world: MixingWorld, drawn: list[Contributor]) -> Teams:
    """Trained on."""
    mixtures = Mixtures(
        {str(place): part_of(one.rows, world, place << 20) for place, one in enumerate(drawn)}, target_side(world)
    )
    chosen = list[int]()
    for _ in range(TEAM):
        left = [place for place in range(len(drawn)) if place not in chosen]
        values = [_union(mixtures, {str(one) for one in (*chosen, place)}) for place in left]
        chosen.append(left[int(np.argmax(values))])
    random = np.random.default_rng(17)
    others = [random.permutation(len(drawn))[:TEAM] for _ in range(TEAMS)]
    return Teams(_trained_on(world, drawn, chosen), np.array([_trained_on(world, drawn, list(one)) for one in others]))


def _trained_on(world: MixingWorld, drawn: list[Contributor], members: list[int]) -> float:
    rows = drawn[members[0]].rows
    for place in members[1:]:
        rows = rows + drawn[place].rows
    return trained(rows, world)
