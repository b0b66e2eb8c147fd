"""Verdicts against training on no rows: each case by hand, noise over many draws, and whether there is an order."""

import numpy as np
import pytest

from mixval.contracts.results import CANNOT_SAY, LEAVE, TAKE
from mixval.valuation.verdict import CHANCE, ValueInterval, ranks_shown, standing_of, verdicts_of, withheld

EMPTY = -float(np.log(2))


@pytest.mark.parametrize(
    ("low", "value", "high", "expected"),
    [
        (0.02, 0.05, 0.09, TAKE),
        (-0.01, 0.05, 0.09, CANNOT_SAY),
        (-0.09, -0.05, 0.01, CANNOT_SAY),
        (-0.09, -0.05, -0.01, LEAVE),
        (-0.09, -0.05, 0.0, LEAVE),
        (1e-5, 2e-5, 3e-5, LEAVE),  # surely above, by less than anybody could use
        (0.0, 0.0, 0.0, CANNOT_SAY),  # an interval of no width measures no spread
        (None, 0.3, None, CANNOT_SAY),
    ],
)
def test_one_contributor_against_no_rows(low: float | None, value: float, high: float | None, expected: str) -> None:
    ends = [None if end is None else EMPTY + end for end in (low, high)]
    assert verdicts_of([ValueInterval(EMPTY + value, *ends)], EMPTY) == [expected]
    assert verdicts_of([ValueInterval(EMPTY + value, *ends)], None) == [CANNOT_SAY]


def test_a_penalty_alone_makes_nobody_worse_than_no_rows() -> None:
    assert verdicts_of([ValueInterval(-0.2, -0.3, -0.1, gain_high=0.05)], 0.0) == [CANNOT_SAY]
    assert verdicts_of([ValueInterval(-0.2, -0.3, -0.1, gain_high=-0.01)], 0.0) == [LEAVE]


@pytest.mark.parametrize("k", [1, 4, 20])
def test_noise_gets_verdicts_in_few_runs_and_an_effect_is_still_seen(k: int) -> None:
    rng = np.random.default_rng(k)
    half = 1.96

    def told(effect: float) -> float:
        runs = effect + rng.standard_normal((400, k))
        found = [verdicts_of([ValueInterval(v, v - half, v + half) for v in run], 0.0) for run in runs]
        return float(np.mean([set(verdicts) != {CANNOT_SAY} for verdicts in found]))

    assert told(0.0) < 2 * CHANCE + 0.05  # two rules of 5 % each; 0.05 is over three standard errors of 400 runs
    assert told(5.0) > 0.9


def test_many_moderate_effects_are_more_than_chance() -> None:
    moderate = [ValueInterval(0.022, 0.001, 0.043)] * 4 + [ValueInterval(0.01, -0.01, 0.03)] * 8
    assert verdicts_of(moderate, 0.0) == [TAKE] * 4 + [CANNOT_SAY] * 8
    assert set(verdicts_of(moderate[3:], 0.0)) == {CANNOT_SAY}


def test_there_is_an_order_only_where_somebody_can_be_told_from_somebody() -> None:
    some, none = [TAKE, CANNOT_SAY], [CANNOT_SAY, CANNOT_SAY]
    assert standing_of(some[:1], [1], has_empty=True) == "one"
    assert standing_of(some, [None, None], has_empty=True) == "no-intervals"
    assert standing_of(none, [1, 2], has_empty=True) == "at-chance"
    assert standing_of([LEAVE, CANNOT_SAY], [1, 2], has_empty=True) == "none-helps"
    assert standing_of(none, [1, 2], has_empty=False) == "ordered"  # Eq. 8: ties alone decide
    assert standing_of(some, [1, 1], has_empty=True) == "all-tied"
    assert standing_of([*some, CANNOT_SAY], [1, 1, None], has_empty=True) == "all-tied"
    assert standing_of(some, [1, 2], has_empty=True) == "ordered"


def test_ranks_are_of_those_with_an_interval_and_only_in_an_order() -> None:
    assert ranks_shown([1, 2, 2, 4], [1, 2, None, 3], "ordered") == [1, 2, None, 3]
    assert ranks_shown([1, 2], [1, 2], "at-chance") == [None, None]


def test_a_take_of_whom_a_serious_warning_names_is_withheld_and_a_leave_is_not() -> None:
    accused = ["near-target", "near-target", None, "near-target"]
    assert withheld([TAKE, LEAVE, TAKE, CANNOT_SAY], accused) == (
        [CANNOT_SAY, LEAVE, TAKE, CANNOT_SAY],
        ["near-target", None, None, None],
    )
