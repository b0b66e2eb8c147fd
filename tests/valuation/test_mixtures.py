"""Mixtures of weighted parts: against regressions on rows that are repeated, and spreads against redrawn rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import kernel_regression
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.replicates import row_multipliers
from mixval.valuation.mixtures import WEIGHTS, MixedPart, Mixtures, best_weight, synthetic_share
from mixval.valuation.players import Player, TargetSide, game_of
from mixval.valuation.regression_coalitions import EffectRows

Q, C, DAMPING, REPLICATES = 24, 3, 0.5, 60
KNOTS = np.array(WEIGHTS)


class Rows:
    """Rows about class centres with labels, of which some may be wrong, and responses of a causal model."""

    def __init__(self, seed: int, n: int, share_wrong: float = 0.0) -> None:
        drawn, centres = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(C, Q))
        truth = drawn.integers(0, C, n)
        self.phi = centres[truth] + 2.5 * drawn.normal(size=(n, Q))
        self.labels = np.where(drawn.random(n) < share_wrong, (truth + 1) % C, truth)
        self.residuals, self.tokens = drawn.random((n, 1)), drawn.integers(1, 9, n).astype(np.float64)
        self.keys = drawn.integers(0, 2**63, n).astype(np.uint64)

    def right(self, is_causal: bool) -> np.ndarray:
        return self.residuals if is_causal else one_hot(self.labels, C)

    def player(self, is_causal: bool = False, replicates: int = REPLICATES, weight: float = 1.0) -> Player:
        right, ones = self.right(is_causal), np.ones(len(self.phi))
        drawn = row_multipliers(self.keys, replicates, 0)
        rows = EffectRows(self.phi, right, drawn, weight * ones, ones, ones > 0)
        gram, cross = weight * self.phi.T @ self.phi, weight * self.phi.T @ right
        return Player(int(weight * len(ones)), len(ones), gram, cross, rows if replicates else None)

    def objective(self, is_causal: bool) -> TargetObjective:
        return TargetObjective(tokens=self.tokens) if is_causal else TargetObjective(labels=self.labels, n_classes=C)


def side(target: Rows, is_causal: bool = False, replicates: int = REPLICATES) -> TargetSide:
    drawn = row_multipliers(np.append(target.keys, np.uint64(0)), replicates, 0)
    return TargetSide(target.phi, target.objective(is_causal), drawn, DAMPING)


def mixtures(parts: Mapping[str, Rows], target: Rows, is_causal: bool = False, replicates: int = REPLICATES) -> Mixtures:
    mixed = {name: MixedPart.of(one.player(is_causal, replicates)) for name, one in parts.items()}
    return Mixtures(mixed, side(target, is_causal, replicates))


def truth(target: Rows, repeated: list[tuple[Rows, int]], is_causal: bool, times_damping: float = 1.0) -> tuple[float, float]:
    """Value and displacement of rows that are there so often, from a kernel over all of them."""
    phi = np.concatenate([np.repeat(one.phi, times, axis=0) for one, times in repeated if times])
    right = np.concatenate([np.repeat(one.right(is_causal), times, axis=0) for one, times in repeated if times])
    objective = target.objective(is_causal)
    found = kernel_regression(phi @ phi.T, target.phi @ phi.T, right).predict(times_damping * DAMPING, objective.mode)
    return objective.value(found.values), found.displacement


TARGET, REAL, SYNTHETIC = Rows(0, 200), Rows(1, 40), Rows(2, 30, share_wrong=0.5)
PARTS = {"real": REAL, "synthetic": SYNTHETIC}


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(
    ("weights", "copies", "repeated"),
    [
        ({"synthetic": 0.0}, 1, (1, 0)),
        ({}, 1, (1, 1)),
        ({"synthetic": 3.0}, 1, (1, 3)),
        ({"real": 0.0}, 1, (0, 1)),
        ({"synthetic": 0.5}, 2, (2, 1)),
        ({"synthetic": 2.0}, 4, (4, 8)),
    ],
)
def test_a_weight_is_worth_what_as_many_repeated_rows_are(
    weights: dict[str, float], copies: float, repeated: tuple[int, int], is_causal: bool
) -> None:
    counted = {name: copies * weights.get(name, 1.0) for name in PARTS}
    found = mixtures(PARTS, TARGET, is_causal).worth(counted)
    value, moved = truth(TARGET, list(zip(PARTS.values(), repeated, strict=True)), is_causal)
    assert found.value.value == pytest.approx(value, rel=1e-8, abs=1e-10)
    assert found.displacement.value == pytest.approx(moved, rel=1e-8)


def test_fewer_copies_are_a_higher_damping() -> None:
    found = mixtures(PARTS, TARGET).worth(dict.fromkeys(PARTS, 1 / 16), spread=False).value
    assert found.value == pytest.approx(truth(TARGET, [(REAL, 1), (SYNTHETIC, 1)], False, 16)[0], rel=1e-8)
    assert found.deviations is None


def test_rows_that_stand_for_others_count_as_often() -> None:
    """One in four of the real rows was measured: its weight is 4, and of the real rows alone nothing changes."""
    parts = {"real": MixedPart.of(REAL.player(weight=4.0)), "synthetic": MixedPart.of(SYNTHETIC.player())}
    found, plain = Mixtures(parts, side(TARGET)), mixtures(PARTS, TARGET)
    assert found.worth({"synthetic": 0.0}).value.value == pytest.approx(plain.worth({"synthetic": 0.0}).value.value, rel=1e-9)
    game = game_of([REAL.player(weight=4.0), SYNTHETIC.player()], 2, side(TARGET), np.float64)
    assert found.worth({}).value.value == pytest.approx(game.value(np.ones(2, dtype=bool)), rel=1e-5)


@pytest.mark.parametrize("is_causal", [False, True])
def test_replicates_of_whole_parts_are_those_of_coalitions(is_causal: bool) -> None:
    game = game_of([one.player(is_causal) for one in PARTS.values()], 2, side(TARGET, is_causal), np.float64)
    for weights, members in (({}, [True, True]), ({"synthetic": 0.0}, [True, False]), ({"real": 0.0}, [False, True])):
        found = mixtures(PARTS, TARGET, is_causal).worth(weights).value.deviations
        expected = game.deviations(np.array(members))
        assert expected is not None
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("is_causal", [False, True])
def test_in_the_span_of_few_rows_nothing_changes(is_causal: bool) -> None:
    parts = {"real": Rows(1, 9), "synthetic": Rows(2, 7)}
    whole = mixtures(parts, TARGET, is_causal)
    narrow = whole.narrowed([one.phi for one in parts.values()])
    assert narrow.target.features.shape == (200, 16)
    assert whole.narrowed([REAL.phi]) is whole  # as many rows as features
    for weights in ({}, {"synthetic": 2.5}, {"real": 0.0}):
        one, other = whole.worth(weights), narrow.worth(weights)
        assert other.value.value == pytest.approx(one.value.value, rel=1e-8)
        assert other.displacement.value == pytest.approx(one.displacement.value, rel=1e-8)
        np.testing.assert_allclose(other.value.deviations, one.value.deviations, rtol=1e-6, atol=1e-9)


def test_copies_narrow_no_interval_and_spreads_are_those_of_redrawn_rows() -> None:
    """The synthetic rows counted three times: over 60 draws of all rows, a standard deviation is known to a tenth."""
    values, errors = [], []
    for seed in range(60):
        parts = {"real": Rows(10 * seed + 1, 50), "synthetic": Rows(10 * seed + 2, 40, share_wrong=0.3)}
        found = mixtures(parts, Rows(10 * seed + 3, 150)).worth({"synthetic": 3.0}).value
        assert found.deviations is not None
        values.append(found.value)
        errors.append(found.deviations.std(ddof=1))
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.3)


def test_several_contributors_rows_of_a_part_add_up() -> None:
    first, second = Rows(4, 20), Rows(5, 30)
    part = MixedPart.of(first.player()) + MixedPart.of(second.player())
    assert (part.admitted, part.measured, len(part.rows)) == (50, 50, 2)
    found = Mixtures({"real": part, "synthetic": MixedPart.of(SYNTHETIC.player())}, side(TARGET)).worth({"synthetic": 2.0})
    assert found.value.value == pytest.approx(truth(TARGET, [(first, 1), (second, 1), (SYNTHETIC, 2)], False)[0], rel=1e-8)


def test_what_is_no_mixture_is_refused() -> None:
    whole = mixtures(PARTS, TARGET)
    for weights in ({"synthetic": -1.0}, {"real": 0.0, "synthetic": 0.0}):
        with pytest.raises(ShapeError, match="weights of 0 or more"):
            whole.worth(weights)
    empty = MixedPart(3, 3, np.zeros((Q, Q)), np.zeros((Q, C)))
    with pytest.raises(ShapeError, match="one sketch"):
        empty + MixedPart(3, 3, np.zeros((2, 2)), np.zeros((2, C)))
    with pytest.raises(NumericalError, match="are zero"):
        Mixtures({"real": empty}, side(TARGET)).worth({})


def test_wrong_labels_are_best_left_out_and_good_rows_counted() -> None:
    target = Rows(0, 400)
    for share_wrong, wanted in ((1.0, "left out"), (0.0, "counted")):
        parts = {"real": Rows(1, 120), "synthetic": Rows(2, 120, share_wrong)}
        worths = [mixtures(parts, target, replicates=200).worth({"synthetic": weight}).value for weight in WEIGHTS]
        shifts = np.stack([one.deviations for one in worths if one.deviations is not None], axis=1)
        best = best_weight(KNOTS, np.array([one.value for one in worths]), shifts, 0.95)
        assert best is not None
        assert best.low is not None
        assert best.high is not None
        low, _ = best.gain.ends(0.95)
        if wanted == "left out":
            assert (best.weight, best.low) == (0.0, 0.0)
            assert best.high <= 0.125
            assert (low or 0) > 0
        else:
            assert best.low > 0


def test_the_best_weight_of_a_curve_is_one_of_its_weights_with_those_of_replicates() -> None:
    def curve(top: float) -> np.ndarray:
        return -((KNOTS / (1 + KNOTS) - top / (1 + top)) ** 2)

    shifts = np.stack([curve(top) - curve(1.6) for top in np.linspace(0.8, 2.8, 40)])
    found = best_weight(KNOTS, curve(1.6), shifts, 0.95)
    assert found is not None
    assert (found.weight, found.low, found.high) == (1.5, 0.75, 3.0)
    assert found.gain.value == pytest.approx(curve(1.6)[found.place] - curve(1.6)[WEIGHTS.index(1.0)])
    assert not found.is_at_end


def test_a_flat_curve_is_best_as_it_is_and_an_unknown_one_nowhere() -> None:
    flat = best_weight(KNOTS, np.full(len(KNOTS), -0.5), None, 0.95)
    assert flat is not None
    assert (flat.weight, flat.low, flat.high, flat.gain.value, flat.gain.deviations) == (1.0, None, None, 0.0, None)
    assert best_weight(KNOTS, np.full(len(KNOTS), np.nan), None, 0.95) is None
    rising = best_weight(KNOTS, KNOTS, np.full((5, len(KNOTS)), np.nan), 0.95)
    assert rising is not None
    assert (rising.weight, rising.low, rising.is_at_end) == (4.0, None, True)


def test_the_share_of_synthetic_rows_follows_from_their_weight() -> None:
    assert [synthetic_share(30, 10, weight) for weight in (0, 1, 3)] == [0, 0.25, 0.5]
