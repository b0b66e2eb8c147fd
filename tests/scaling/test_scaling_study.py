"""Rolling validation, choice of a law, paired draws, intervals, refusal and advice, on tables whose truth is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mixval.errors import ConfigError, ContractError, NumericalError
from mixval.experiments.study.paper import TABLE_4
from mixval.scaling.advice import crossings, standings
from mixval.scaling.choosing import choose, laws_for
from mixval.scaling.fitting import fit_law
from mixval.scaling.folds import rolling_folds
from mixval.scaling.laws import LAWS, Floats
from mixval.scaling.prediction import stretch
from mixval.scaling.resampling import conditions_of, residual_correlation, shared_noise
from mixval.scaling.runs import Runs
from mixval.scaling.studying import Study, spread, study
from mixval.scaling.worth import worths

TOKENS = np.array([1.0, 2, 5, 10, 20, 50, 100, 200])


def table(mixture: str, noise: Floats | float = 0.0) -> Runs:
    """A mixture of the paper's Table 4, measured at eight budgets."""
    scale, exponent, asymptote = TABLE_4[mixture]
    losses = (asymptote + scale / TOKENS**exponent) * np.exp(noise)
    return Runs(mixture, {"tokens": TOKENS}, losses, np.arange(2, 10))


def noisy(*mixtures: str) -> list[Runs]:
    draw = np.random.default_rng(0)
    return [table(one, 0.001 * draw.standard_normal(len(TOKENS))) for one in mixtures]


@pytest.fixture(scope="module")
def found() -> Study:
    return study(noisy("CC", "33TX", "33HQ"), n_draws=200)


def test_folds_roll_along_sizes_and_within_them() -> None:
    pairs = np.array(list(itertools.product([1.0, 2, 3, 4, 5], [10.0, 20, 30, 40, 50])))
    folds = rolling_folds({"params": pairs[:, 0], "tokens": pairs[:, 1]})
    assert [fold.axis for fold in folds] == ["params"] * 2 + ["tokens"] * 2
    assert set(pairs[folds[0].fitted, 0]) == {1, 2, 3, 4}
    assert set(pairs[folds[0].predicted, 0]) == {5}
    assert set(pairs[folds[2].fitted, 1]) == {10, 20, 30, 40}
    assert set(pairs[folds[3].predicted, 1]) == {40}
    assert all(not np.any(fold.fitted & fold.predicted) for fold in folds)
    assert rolling_folds({"tokens": TOKENS[:3]}) == []


def test_the_law_that_the_runs_follow_is_chosen() -> None:
    pairs = np.array(list(itertools.product([0.1, 0.2, 0.5, 1, 2], [1.0, 2, 5, 10, 20, 50])))
    columns = {"params": pairs[:, 0], "tokens": pairs[:, 1]}
    noise = np.exp(0.0005 * np.random.default_rng(0).standard_normal(len(pairs)))
    added = 1.7 + 0.45 / pairs[:, 0] ** 0.34 + 1.1 / pairs[:, 1] ** 0.28
    joined = 1.5 + (0.8 / pairs[:, 0] ** 0.6 + 1.5 / pairs[:, 1] ** 0.8) ** 0.5
    assert laws_for(columns) == ("joint", "kaplan", "coupled")
    best, *others = choose(laws_for(columns), [(columns, added * noise)])
    assert best.law.name == "joint"
    assert set(best.errors) == {"params", "tokens"}
    assert len(others) == 11
    assert choose(laws_for(columns), [(columns, joined * noise)])[0].law.name in {"kaplan", "coupled"}


def test_a_robust_delta_is_chosen_where_a_run_has_failed() -> None:
    losses = table("CC").losses.copy()
    losses[2] *= 1.1
    best = choose(("data",), [({"tokens": TOKENS}, losses)])[0]
    assert np.isfinite(best.delta)
    fit = fit_law(LAWS["data"], {"tokens": TOKENS}, losses, best.delta)
    assert fit.named["E"] == pytest.approx(TABLE_4["CC"][2], rel=2e-3)


def test_a_law_without_spare_runs_is_left_out() -> None:
    columns = {"params": np.array([1.0, 2, 3, 1, 2, 3]), "tokens": np.array([1.0, 1, 1, 2, 3, 4])}
    losses = 1 + 1 / columns["params"] + 1 / columns["tokens"]
    assert {one.law.name for one in choose(("joint", "kaplan", "coupled"), [(columns, losses)])} == {"joint", "kaplan"}
    with pytest.raises(ContractError, match="expected more than 5 runs a mixture"):
        choose(("joint",), [({name: one[:4] for name, one in columns.items()}, losses[:4])])


def test_noise_is_shared_where_conditions_are_and_residuals_say_so() -> None:
    common = 0.002 * np.random.default_rng(5).standard_normal(len(TOKENS))
    runs = [table(one, common) for one in ("CC", "33TX")]
    fits = [fit_law(LAWS["data"], one.columns, one.losses) for one in runs]
    conditions = [conditions_of(fit, one.columns) for fit, one in zip(fits, runs, strict=True)]
    assert residual_correlation(fits, conditions) > 0.9
    first, second = shared_noise(conditions, np.random.default_rng(0), 50)
    assert np.array_equal(first, second)
    assert residual_correlation(fits[:1], conditions[:1]) == 0.0


def test_intervals_hold_the_truth_and_widen_beyond_the_runs(found: Study) -> None:
    for one in found.mixtures:
        scale, exponent, asymptote = TABLE_4[one.runs.mixture]
        widths = []
        for tokens in (50.0, 400.0):
            interval = one.predict({"tokens": np.array([tokens])})
            assert interval is not None
            widths.append(interval.high - interval.low)
        assert interval.low <= asymptote + scale / 400**exponent <= interval.high
        assert widths[1] > widths[0]
    assert found.mixtures[0].axes_beyond({"tokens": np.array([50.0])}) == []
    assert stretch(found.mixtures[0].wide, []) == 1.0
    assert stretch(found.mixtures[0].wide, ["tokens"]) > 1.0


def test_nothing_is_said_too_far_away(found: Study) -> None:
    one = found.mixtures[0]
    assert one.predict({"tokens": np.array([8000.0])}) is None
    assert one.too_far({"tokens": np.array([8000.0])}) == "tokens 8000 is 40 times beyond the runs; the limit is 4"
    assert one.too_far({"tokens": np.array([0.1])})
    assert one.predict({"tokens": np.array([8000.0])}, most_factor=50) is not None


def test_the_same_seed_gives_the_same_numbers(found: Study) -> None:
    again = study(noisy("CC", "33TX", "33HQ"), n_draws=200)
    assert np.array_equal(again.mixtures[1].draws.theta, found.mixtures[1].draws.theta)


def test_advice_at_a_plan(found: Study) -> None:
    """33 % HQ is best at 200 and needs a tenth of web's data: that is web's loss, read the other way, at 20.2."""
    ranked = standings(found.mixtures, 20.22, None, "CC")
    assert [one.mixture for one in ranked] == ["33HQ", "CC", "33TX"]
    assert ranked[0].best_share == 1.0
    saved = ranked[0].saved
    assert saved is not None
    assert saved.low <= 9.89 <= saved.high
    assert saved.value == pytest.approx(9.89, rel=0.1)
    assert ranked[1].saved is None
    change = ranked[1].next_data
    assert change is not None
    assert change.low <= change.value <= change.high < 0


def test_advice_does_not_extrapolate(found: Study) -> None:
    far = standings(found.mixtures, 8000.0, None, "CC")
    assert all(one.loss is None and one.reason for one in far)
    at_the_end = {one.mixture: one for one in standings(found.mixtures, 200.0, None, "CC")}
    assert at_the_end["33HQ"].loss is not None
    assert at_the_end["33HQ"].saved is None, "web reaches that loss nowhere within four times its runs"
    with pytest.raises(ConfigError, match="--reference: expected one of CC, 33TX, 33HQ"):
        standings(found.mixtures, 200.0, None, "web")


def test_what_more_of_a_mixture_is_worth_and_where_it_stops_paying() -> None:
    """Pure textbooks end above web's losses: beyond six billion tokens one per cent of them is worth half a per cent of web."""
    mixtures = study(noisy("CC", "TX", "33TX"), n_draws=100).mixtures

    def exact(name: str, tokens: float) -> float:
        """d log m / d log D from the paper's coefficients: D loss'(D) over m loss'(m) where the losses are equal."""
        scale, exponent, asymptote = TABLE_4[name]
        _, web_exponent, web_asymptote = TABLE_4["CC"]
        gain = scale / tokens**exponent
        web_gain = asymptote + gain - web_asymptote
        return exponent * gain / (web_exponent * web_gain)

    for tokens in (3.0, 10.0):
        for one in worths(mixtures, tokens, None, "CC"):
            assert one.rate is not None
            assert one.rate.value == pytest.approx(exact(one.mixture, tokens), rel=0.1)
    textbooks, mixed = worths(mixtures, 10.0, None, "CC")
    assert (textbooks.phase, mixed.phase) == ("on a plateau", "still gaining")
    assert mixed.stop is None
    assert textbooks.stop is not None
    assert textbooks.stop.low <= textbooks.stop.value <= textbooks.stop.high
    assert exact("TX", textbooks.stop.value) == pytest.approx(0.5, abs=0.05)
    assert [one.phase for one in worths(mixtures, 8000.0, None, "CC")] == ["too far to say"] * 2
    with pytest.raises(ConfigError, match="--reference: expected one of CC, TX, 33TX"):
        worths(mixtures, 10.0, None, "web")


def test_crossings_come_with_intervals(found: Study) -> None:
    web, textbook = found.mixtures[:2]
    places = {one.above: one for one in crossings(web, textbook)}
    above = places["33TX"]
    assert above.tokens == pytest.approx(21.67, rel=0.25)
    assert above.low is not None
    assert above.high is not None
    assert above.low <= 21.67 <= above.high
    assert above.share > 0.9


def test_an_interval_of_failed_draws_is_refused() -> None:
    with pytest.raises(NumericalError, match="expected most of 4 draws to be finite, found 1"):
        spread(np.array([1.0, np.nan, np.nan, np.inf]))
