"""What a batch adds to what is held: against regressions on all of the rows, and intervals against what is true of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, reduce
from operator import add

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import kernel_regression
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.replicates import row_multipliers
from mixval.valuation.marginal import Estimated, Marginal, marginal_of, missing_share, worth_of
from mixval.valuation.players import Player, TargetSide, game_of, player_of
from mixval.valuation.regression_coalitions import EffectRows, RegressionGame
from mixval.valuation.summed_rows import SampledSums

Q, C, DAMPING, CONFIDENCE = 24, 3, 0.5, 0.95
ONLY = "real"


class Rows:
    """Labelled rows about class centres, of which some labels may be the next class's."""

    def __init__(self, seed: int, n: int, flipped: bool = False) -> None:
        drawn, centres = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(C, Q))
        self.truth = drawn.integers(0, C, n)
        self.phi = centres[self.truth] + 2.5 * drawn.normal(size=(n, Q))
        self.labels = (self.truth + 1) % C if flipped else self.truth
        self.keys = drawn.integers(0, 2**63, n).astype(np.uint64)

    def player(self, replicates: int = 0, weight: float = 1.0) -> Player:
        y, n = one_hot(self.labels, C), len(self.labels)
        rows = None
        if replicates:
            drawn, ones = row_multipliers(self.keys, replicates, 0), np.ones(n)
            rows = EffectRows(self.phi, y, drawn, weight * ones, ones, ones > 0, self.keys)
        return Player(int(weight * n), n, weight * self.phi.T @ self.phi, weight * self.phi.T @ y, rows)


def side(target: Rows, replicates: int = 0) -> TargetSide:
    keys = np.append(target.keys, np.uint64(0))
    objective = TargetObjective(labels=target.labels, n_classes=C)
    return TargetSide(target.phi, objective, row_multipliers(keys, replicates, 0), DAMPING)


def truth(target: Rows, *sets: Rows) -> float:
    """The value of these rows together, from a kernel over all of them."""
    objective = TargetObjective(labels=target.labels, n_classes=C)
    if not sets:
        return objective.empty_value
    phi = np.concatenate([one.phi for one in sets])
    y = np.concatenate([one_hot(one.labels, C) for one in sets])
    regression = kernel_regression(phi @ phi.T, target.phi @ phi.T, y)
    return objective.value(regression.predict(DAMPING, objective.mode).values)


TARGET, HELD, REAL, SYNTHETIC = Rows(0, 200), Rows(1, 90), Rows(2, 40), Rows(3, 25, flipped=True)


def test_a_marginal_value_is_the_difference_of_the_unions_values() -> None:
    parts = {"real": REAL.player(), "synthetic": SYNTHETIC.player()}
    found = marginal_of(HELD.player(), parts, side(TARGET))
    both = truth(TARGET, HELD, REAL, SYNTHETIC)
    wanted = {
        "marginal": (found.marginal, both - truth(TARGET, HELD)),
        "standalone": (found.standalone, truth(TARGET, REAL, SYNTHETIC) - truth(TARGET)),
        "real": (found.given_held["real"], truth(TARGET, HELD, REAL) - truth(TARGET, HELD)),
        "synthetic": (found.given_held["synthetic"], truth(TARGET, HELD, SYNTHETIC) - truth(TARGET, HELD)),
        "real beside": (found.given_rest["real"], both - truth(TARGET, HELD, SYNTHETIC)),
        "synthetic beside": (found.given_rest["synthetic"], both - truth(TARGET, HELD, REAL)),
    }
    for name, (estimated, value) in wanted.items():
        assert estimated.value == pytest.approx(value, rel=1e-6, abs=1e-8), name
        assert estimated.ends(CONFIDENCE) == (None, None)


def test_of_nothing_held_the_marginal_value_is_the_standalone_one() -> None:
    found = marginal_of(None, {ONLY: REAL.player(50)}, side(TARGET, 50))
    assert found.marginal.value == found.standalone.value == pytest.approx(truth(TARGET, REAL) - truth(TARGET), rel=1e-6)
    np.testing.assert_array_equal(found.marginal.deviations, found.standalone.deviations)


def test_rows_that_are_held_add_nothing() -> None:
    """The synthetic part is held: without it the batch is its real part, by itself it is worth both."""
    parts = {"real": REAL.player(50), "synthetic": SYNTHETIC.player(50)}
    found = marginal_of(HELD.player(50), parts, side(TARGET, 50), {"real": parts["real"]})
    of_real = truth(TARGET, HELD, REAL) - truth(TARGET, HELD)
    assert found.marginal.value == pytest.approx(of_real, rel=1e-6)
    assert found.standalone.value == pytest.approx(truth(TARGET, REAL, SYNTHETIC) - truth(TARGET), rel=1e-6)
    for given in (found.given_held, found.given_rest):
        assert given["real"].value == pytest.approx(of_real, rel=1e-6)
        assert (given["synthetic"].value, given["synthetic"].ends(CONFIDENCE)) == (0, (0, 0))
    nothing = marginal_of(HELD.player(50), {ONLY: HELD.player(50)}, side(TARGET, 50), {})
    assert (nothing.marginal.value, nothing.marginal.ends(CONFIDENCE)) == (0, (0, 0))
    assert missing_share(nothing.marginal, nothing.standalone, CONFIDENCE) == pytest.approx((1, 1, 1), abs=1e-8)


def planted(batch: Rows, held: Rows, replicates: int = 200) -> Marginal:
    return marginal_of(held.player(replicates), {ONLY: batch.player(replicates)}, side(Rows(0, 400), replicates))


def test_good_rows_add_copies_hardly_and_wrong_labels_take_away() -> None:
    held = Rows(1, 150)
    good, copy, wrong = (planted(batch, held) for batch in (Rows(2, 150), held, Rows(2, 150, flipped=True)))
    assert (good.marginal.ends(CONFIDENCE)[0] or 0) > 0
    assert (wrong.marginal.ends(CONFIDENCE)[1] or 0) < 0
    assert abs(copy.marginal.value) < good.marginal.value / 3
    of_copy, of_good = (missing_share(one.marginal, one.standalone, CONFIDENCE) for one in (copy, good))
    assert of_copy is not None
    assert of_good is not None
    assert of_copy[0] > 0.9
    assert (of_copy[1] or 0) > (of_good[0])
    # Of what takes away by itself there is no share.
    assert missing_share(wrong.marginal, wrong.standalone, CONFIDENCE) is None


def test_intervals_of_marginal_values_hold_what_is_true() -> None:
    """Truth is the mean over draws; 40 draws of batch, holdings and T: a share of 0.95 is known to 0.035."""

    @cache
    def drawn(seed: int) -> Marginal:
        held, batch, target = Rows(10 * seed + 1, 60), Rows(10 * seed + 2, 40), Rows(10 * seed + 3, 80)
        return marginal_of(held.player(200), {ONLY: batch.player(200)}, side(target, 200))

    for name in ("marginal", "standalone"):
        found: Sequence[Estimated] = [getattr(drawn(seed), name) for seed in range(40)]
        mean = np.mean([one.value for one in found])
        ends = [one.ends(CONFIDENCE) for one in found]
        covered = np.mean([low is not None and high is not None and low <= mean <= high for low, high in ends])
        assert covered >= 0.85, name
    shares = [missing_share(drawn(seed).marginal, drawn(seed).standalone, CONFIDENCE) for seed in range(40)]
    told = [one for one in shares if one is not None]
    assert len(told) > 20
    mean = 1 - np.mean([drawn(s).marginal.value for s in range(40)]) / np.mean([drawn(s).standalone.value for s in range(40)])
    assert np.mean([(low or 0) <= mean <= (high or 0) for _, low, high in told]) >= 0.85


def test_a_few_kept_rows_spread_a_value_as_all_rows_do() -> None:
    """Half of the rows were drawn by quarters, and only a sixth of all are kept: standard errors of the union and of what the
    batch adds agree with those from all rows, on average over six draws of rows."""
    target, ratios = side(Rows(0, 200), 300), []
    for seed in range(6):
        sources = [(Rows(20 * seed + at, 240), weight) for at, weight in ((1, 1.0), (2, 4.0))]
        batch = {ONLY: Rows(20 * seed + 3, 60).player(300)}
        found = []
        for limit in (480, 80):
            sums = reduce(add, (sampled(one, weight, limit) for one, weight in sources))
            held = player_of([sums], [True], limit, lambda keys: row_multipliers(keys, 300, 0))
            assert (held.admitted, held.measured) == (1200, 480)
            found.append(marginal_of(held, batch, target))
        all_rows, few = found
        assert few.marginal.value == pytest.approx(all_rows.marginal.value, rel=1e-9)
        ratios.append([spread(few.before) / spread(all_rows.before), spread(few.marginal) / spread(all_rows.marginal)])
    assert np.mean(ratios, axis=0) == pytest.approx([1, 1], abs=0.15)


def spread(one: Estimated) -> float:
    assert one.deviations is not None
    return float(one.deviations.std())


def sampled(rows: Rows, weight: float, limit: int) -> SampledSums:
    """Sums of rows that are 1 / weight of those admitted: those with the smaller keys."""
    keys = (rows.keys.astype(np.float64) * 2 / weight).astype(np.uint64)  # drawn below 2^63
    first, y = np.argsort(keys)[:limit], one_hot(rows.labels, C)
    kept = (keys[first], rows.phi[first], y[first], np.full(len(first), weight))
    n = len(keys)
    return SampledSums(int(weight * n), n, weight * rows.phi.T @ rows.phi, weight * rows.phi.T @ y, limit, *kept)


def test_the_ends_of_a_share_are_those_at_which_the_difference_is_told_from_nothing() -> None:
    drawn = np.random.default_rng(4).normal(size=(2, 400))
    standalone, marginal = Estimated(1.0, 0.2 * drawn[0]), Estimated(0.4, 0.1 * drawn[1] + 0.05 * drawn[0])
    found = missing_share(marginal, standalone, CONFIDENCE)
    assert found is not None
    share, low, high = found
    assert (share, low is not None, high is not None) == (pytest.approx(0.6), True, True)
    for end, above in ((float(low or 0), True), (float(high or 0), False)):
        ends = marginal.less(standalone, 1 - end).ends(CONFIDENCE)
        assert (ends[1] if above else ends[0]) == pytest.approx(0, abs=1e-6)
    unsure = Estimated(1.0, 0.8 * drawn[0])
    assert missing_share(marginal, unsure, CONFIDENCE) is None
    assert missing_share(Estimated(0.4, None), Estimated(1.0, None), CONFIDENCE) == (pytest.approx(0.6), None, None)
    unknown = Estimated(0.4, np.full(400, np.nan))
    assert missing_share(unknown, standalone, CONFIDENCE) == (pytest.approx(0.6), None, None)
    assert missing_share(marginal, unknown, CONFIDENCE) is None


def test_players_that_do_not_fit_are_refused() -> None:
    target = side(TARGET, 10)
    with pytest.raises(ShapeError, match="2 players"):
        game_of([REAL.player()], 2, target)
    with pytest.raises(ShapeError, match="Use T's sketch"):
        game_of([Player(1, 1, np.eye(3), np.ones((3, C)))], 1, target)
    with pytest.raises(ShapeError, match="all or none"):
        game_of([REAL.player(10), HELD.player()], 2, target)


@pytest.mark.parametrize(("names", "unions"), [(("real",), 4), (("real", "synthetic"), 6)])
def test_each_union_is_computed_once(monkeypatch, names, unions):
    asked, deviations = [], RegressionGame.deviations

    def counted(game, mask):
        asked.append(mask.tobytes())
        return deviations(game, mask)

    monkeypatch.setattr(RegressionGame, "deviations", counted)
    parts = {name: Rows(3 + at, 20).player(20) for at, name in enumerate(names)}
    marginal_of(Rows(1, 40).player(20), parts, side(Rows(2, 30), 20))
    assert len(asked) == len(set(asked)) == unions


def test_few_rows_are_worth_what_their_sums_say_they_are() -> None:
    """Features that are 0 for every row change nothing but that the rows are few beside them, and are solved for by their
    kernel."""

    def wider(one: Player, by: int) -> Player:
        assert one.rows is not None
        gram, cross = np.pad(one.gram, (0, by)), np.pad(one.cross, ((0, by), (0, 0)))
        return replace(
            one, gram=gram, cross=cross, rows=replace(one.rows, features=np.pad(one.rows.features, ((0, 0), (0, by))))
        )

    of_target, n_added = side(TARGET, 50), 400
    wide = replace(of_target, features=np.pad(of_target.features, ((0, 0), (0, n_added))))
    held, real, synthetic = HELD.player(50), REAL.player(50, weight=2.0), SYNTHETIC.player(50)
    by_sums = marginal_of(held, {"real": real, "synthetic": synthetic}, of_target)
    parts = {"real": wider(real, n_added), "synthetic": wider(synthetic, n_added)}
    by_rows = marginal_of(wider(held, n_added), parts, wide)
    assert by_sums.union is not None
    assert by_rows.union is not None
    assert (by_sums.union.regression.is_kernel, by_rows.union.regression.is_kernel) == (False, True)
    for name in ("before", "marginal", "standalone"):
        ours, wanted = getattr(by_rows, name), getattr(by_sums, name)
        assert ours.value == pytest.approx(wanted.value, rel=1e-9), name
        np.testing.assert_allclose(ours.deviations, wanted.deviations, rtol=1e-6, atol=1e-12)
    # What the union is worth as one player follows from either; of rows that it did not look at, from sums alone.
    player = wider(as_one(held, real, synthetic), n_added)
    found = worth_of(by_rows.union, player, wide)
    wanted = worth_of(by_sums.union, as_one(held, real, synthetic), of_target)
    assert found is not None
    assert wanted is not None
    np.testing.assert_allclose(found.deviations, wanted.deviations, rtol=1e-6, atol=1e-12)
    assert worth_of(by_rows.union, wider(as_one(held, Rows(9, 4).player(50)), n_added), wide) is None


def as_one(*players: Player, looked_at: slice = slice(None)) -> Player:
    """The rows of several players as one's, of which some are looked at."""
    rows = [one.rows for one in players if one.rows is not None]
    both = {name: np.concatenate([getattr(one, name) for one in rows]) for name in vars(rows[0]) if name != "multipliers"}
    multipliers = np.concatenate([one.multipliers for one in rows], axis=1)[:, looked_at]
    chosen = EffectRows(multipliers=multipliers, **{name: array[looked_at] for name, array in both.items()})
    counts = (sum(getattr(one, name) for one in players) for name in ("admitted", "measured"))
    return Player(*counts, sum(one.gram for one in players), sum(one.cross for one in players), chosen)


@pytest.mark.parametrize("looked_at", [slice(None), slice(30, None, 2)])
def test_what_a_union_is_worth_as_one_player_follows_from_its_factor(looked_at: slice) -> None:
    of_target, further = side(TARGET, 50), Rows(4, 5).player(50)
    held, real, synthetic = HELD.player(50), REAL.player(50, weight=2.0), SYNTHETIC.player(50)
    union = marginal_of(held, {"real": real, "synthetic": synthetic}, of_target).union
    assert union is not None
    player = as_one(held, real, synthetic, looked_at=looked_at)
    wanted = marginal_of(player, {ONLY: further}, of_target).before
    found = worth_of(union, player, of_target)
    assert found is not None
    assert found.value == pytest.approx(wanted.value, rel=1e-9)
    np.testing.assert_allclose(found.deviations, wanted.deviations, rtol=1e-6, atol=1e-12)


def test_rows_that_a_union_did_not_look_at_are_solved_for() -> None:
    of_target, held, batch = side(TARGET, 50), HELD.player(50), REAL.player(50)
    assert held.rows is not None
    few = replace(held, rows=as_one(held, looked_at=slice(40)).rows)
    union = marginal_of(few, {ONLY: batch}, of_target).union
    assert union is not None
    player = as_one(held, batch)
    wanted = marginal_of(player, {ONLY: Rows(4, 5).player(50)}, of_target).before
    found = worth_of(union, player, of_target)
    assert found is not None
    np.testing.assert_allclose(found.deviations, wanted.deviations, rtol=1e-6, atol=1e-12)
    assert marginal_of(HELD.player(), {ONLY: REAL.player()}, side(TARGET)).union is None
