"""The regression value of coalitions from sums against regression on all of their rows."""

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import feature_regression, kernel_regression
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.value import regression_value
from mixval.terms.ntk.value_spread import SampledRows, value_spread
from mixval.valuation import refined_regression
from mixval.valuation.regression_coalitions import EffectRows, RegressionGame, RegressionSums, Spreads
from mixval.valuation.shapley import exact_shapley

Q, M, C = 40, 50, 3
SIZES = (12, 30, 7, 65)


class World:
    """Contributors' rows with labels about class centres, T's, and both as statistics."""

    def __init__(self, seed: int = 0, scale: float = 1.0, centres_seed: int | None = None) -> None:
        generator = np.random.default_rng(seed)
        drawn = generator if centres_seed is None else np.random.default_rng(centres_seed)
        centres = scale * drawn.normal(size=(C, Q))
        self.labels = [generator.integers(0, C, n) for n in SIZES]
        self.phi = [centres[y] + 2 * scale * generator.normal(size=(len(y), Q)) for y in self.labels]
        self.labels_t = generator.integers(0, C, M)
        self.phi_t = centres[self.labels_t] + 2 * scale * generator.normal(size=(M, Q))
        self.residuals = [generator.random(n) for n in SIZES]
        self.tokens = generator.integers(1, 9, M).astype(np.float64)

    def responses(self, is_causal: bool) -> list[np.ndarray]:
        return [r[:, None] for r in self.residuals] if is_causal else [one_hot(y, C) for y in self.labels]

    def objective(self, is_causal: bool) -> TargetObjective:
        return TargetObjective(tokens=self.tokens) if is_causal else TargetObjective(labels=self.labels_t, n_classes=C)

    def game(
        self,
        is_causal: bool = False,
        weights: tuple[int, ...] = (1, 1, 1, 1),
        dtype: type = np.float64,
        damping: float = 0.03,
        replicates: int = 0,
    ) -> RegressionGame:
        sizes, pairs = np.array(SIZES), zip(self.phi, self.responses(is_causal), weights, strict=True)
        sums = [(g * phi.T @ phi, g * phi.T @ y) for phi, y, g in pairs]
        gram, cross = np.stack([a for a, _ in sums]).astype(dtype), np.stack([c for _, c in sums])
        return RegressionGame(
            RegressionSums(sizes * np.array(weights), sizes, gram, cross),
            self.phi_t,
            self.objective(is_causal),
            damping,
            self.spreads(is_causal, weights, replicates) if replicates else None,
        )

    def spreads(self, is_causal: bool, weights: tuple[int, ...], replicates: int) -> Spreads:
        drawn = np.random.default_rng(5)
        rows = []
        for phi, right, weight in zip(self.phi, self.responses(is_causal), weights, strict=True):
            ones, numbers = np.ones(len(phi)), drawn.normal(size=(replicates, len(phi)))
            rows.append(EffectRows(phi, right, numbers, weight * ones, ones, ones > 0))
        return Spreads(rows, drawn.normal(size=(replicates, M + 1)))

    def truth(self, members: np.ndarray, is_causal: bool = False, damping: float = 0.03) -> float:
        chosen = np.flatnonzero(members)
        phi = np.concatenate([self.phi[k] for k in chosen])
        y = np.concatenate([self.responses(is_causal)[k] for k in chosen])
        regression = kernel_regression(phi @ phi.T, self.phi_t @ phi.T, y)
        objective = self.objective(is_causal)
        return objective.value(regression.predict(damping, objective.mode).values)


def every_coalition() -> list[np.ndarray]:
    return [np.array([bool(code >> k & 1) for k in range(len(SIZES))]) for code in range(1, 2 ** len(SIZES))]


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_coalition_has_the_value_of_its_rows(is_causal: bool, dtype: type) -> None:
    world = World()
    game = world.game(is_causal, dtype=dtype)
    for members in every_coalition():
        assert game.value(members) == pytest.approx(world.truth(members, is_causal), rel=1e-4, abs=1e-5)


def test_prefixes_are_the_values_of_their_coalitions() -> None:
    game, order = World().game(), np.array([2, 0, 3])
    members = np.zeros(4, dtype=bool)
    for player, found in zip(order, game.prefixes(order), strict=True):
        members[player] = True
        assert found == pytest.approx(game.value(members), rel=1e-6)


@pytest.mark.parametrize(("scale", "damping"), [(1e-6, 0.03), (1e6, 0.03), (1.0, 1e-9)])
def test_any_scale_and_damping_is_solved(scale: float, damping: float) -> None:
    world = World(scale=scale)
    everybody = np.ones(4, dtype=bool)
    assert world.game(damping=damping).value(everybody) == pytest.approx(world.truth(everybody, damping=damping), rel=1e-5)


def test_without_refinement_a_factor_in_double_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    world, everybody = World(), np.ones(4, dtype=bool)
    monkeypatch.setattr(refined_regression, "MOST_REFINEMENTS", 0)
    assert world.game().value(everybody) == pytest.approx(world.truth(everybody), rel=1e-10)


def test_one_alone_is_worth_the_same_however_many_rows_each_of_its_stands_for() -> None:
    world = World()
    plain, weighted = world.game(), world.game(weights=(9, 1, 1, 1))
    alone = np.array([True, False, False, False])
    assert weighted.value(alone) == pytest.approx(plain.value(alone), rel=1e-6)
    everybody = np.ones(4, dtype=bool)
    assert weighted.value(everybody) != pytest.approx(plain.value(everybody), rel=1e-3)


def test_shapley_values_add_up_from_what_nobody_is_worth() -> None:
    game = World().game()
    assert game.empty() == pytest.approx(-np.log(C))
    total = exact_shapley(game, 4).sum()
    assert total == pytest.approx(game.value(np.ones(4, dtype=bool)) + np.log(C), rel=1e-9)


def test_the_filled_share_is_the_effective_rank_over_q() -> None:
    world = World()
    phi = np.concatenate(world.phi)
    spectrum = np.linalg.eigvalsh(phi.T @ phi)
    shift = 0.03 * ((phi - phi.mean(0)) ** 2).sum(1).mean()
    assert world.game().sketch_fill() == pytest.approx((spectrum / (spectrum + shift)).sum() / Q, rel=1e-9)


def test_the_way_to_a_coalition_changes_nothing() -> None:
    world, coalitions = World(), every_coalition()
    game = world.game(dtype=np.float32)
    for members in [*coalitions[::-1], *coalitions]:
        assert game.value(members) == pytest.approx(world.game(dtype=np.float32).value(members), rel=1e-9)


def test_refusals() -> None:
    world, everybody = World(), np.ones(4, dtype=bool)
    with pytest.raises(ShapeError, match="marks a contributor"):
        world.game().value(np.zeros(4, dtype=bool))
    sizes, gram, cross = np.array([3, 4]), np.ones((2, Q, Q)), np.ones((2, Q, C))
    with pytest.raises(ShapeError, match="Use one sketch"):
        RegressionGame(RegressionSums(sizes, sizes, gram, cross), world.phi_t[:, :-1], world.objective(False), 0.03)
    with pytest.raises(ShapeError, match="Use one sketch"):
        RegressionSums(sizes, sizes, gram, cross[:, :-1])
    with pytest.raises(ShapeError, match="1 at least"):
        RegressionSums(sizes, 0 * sizes, gram, cross)
    with pytest.raises(NumericalError, match="NaN or infinite"):
        RegressionSums(sizes, sizes, np.inf * gram, cross)
    with pytest.raises(NumericalError, match="positive damping"):
        world.game(damping=0.0)
    with pytest.raises(NumericalError, match="are zero"):
        RegressionGame(RegressionSums(sizes, sizes, 0 * gram, cross), world.phi_t, world.objective(False), 0.03).value(
            everybody[:2]
        )


@pytest.mark.parametrize("is_causal", [False, True])
def test_the_spread_of_a_coalition_is_that_of_its_rows(is_causal: bool) -> None:
    """Against the spread of one contributor that has the rows of both."""
    world = World()
    game, right = world.game(is_causal, replicates=200), world.responses(is_causal)
    members = np.array([True, True, False, False])
    phi, y = np.concatenate(world.phi[:2]), np.concatenate(right[:2])
    objective = world.objective(is_causal)
    regression = feature_regression(phi.T @ phi, phi.T @ y, len(phi), world.phi_t, (phi.T @ y).sum(axis=1))
    spreads = world.spreads(is_causal, (1, 1, 1, 1), 200)
    multipliers = np.concatenate([one.multipliers for one in spreads.rows[:2]], axis=1)
    rows = SampledRows((phi, y), multipliers, np.repeat([0, 1], SIZES[:2]))
    found = value_spread(regression, regression_value(regression, objective, 0.03), objective, rows, spreads.target)
    np.testing.assert_allclose(game.deviations(members), found.deviations, rtol=1e-6, atol=1e-9)
    assert world.game(is_causal).deviations(members) is None
    assert not game.deviations(np.zeros(4, dtype=bool)).any()


def test_the_spread_of_one_alone_does_not_depend_on_what_its_rows_stand_for() -> None:
    world, alone = World(), np.array([False, True, False, False])
    plain, weighted = (world.game(weights=weights, replicates=50).deviations(alone) for weights in ((1, 1, 1, 1), (1, 7, 1, 1)))
    np.testing.assert_allclose(weighted, plain, rtol=1e-6)
