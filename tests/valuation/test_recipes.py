"""Greedy recipes: within their budget, of what helps, and worth what the search says."""

from __future__ import annotations

import numpy as np
import pytest
from test_mixtures import C, Q, Rows, side

from mixval.errors import NumericalError
from mixval.valuation.mixtures import MixedPart, Mixtures
from mixval.valuation.recipes import Recipe, greedy_recipe, proportional

GOOD, OTHER, WRONG = Rows(1, 60), Rows(2, 40), Rows(3, 80, share_wrong=1.0)
PARTS = {"real/good": GOOD, "synthetic/good": OTHER, "real/wrong": WRONG}
ROWS = dict.fromkeys(PARTS, 1.0)
FEW = 6


def mixtures(**more: MixedPart) -> Mixtures:
    parts = {name: MixedPart.of(one.player()) for name, one in PARTS.items()}
    return Mixtures(parts | more, side(Rows(0, 300)))


def in_few_steps(whole: Mixtures, sizes: dict[str, float], budget: float, most_repeats: float) -> Recipe:
    """A recipe of a few large steps: each costs as much as a small one."""
    return greedy_recipe(whole, sizes, budget, most_repeats, steps=FEW)


def test_a_recipe_takes_what_helps_and_spends_no_more_than_its_budget() -> None:
    found = greedy_recipe(mixtures(), ROWS, 100.0, 4.0)
    assert "real/wrong" not in found.weights
    assert found.spent == pytest.approx(100)
    assert sum(weight * len(PARTS[name].phi) for name, weight in found.weights.items()) == pytest.approx(100)
    again = mixtures().drawn({name: found.weights.get(name, 0.0) for name in PARTS})
    assert found.worth.value.value == pytest.approx(again.value.value)
    alike = proportional(mixtures(), ROWS, 100.0, 4.0)
    low, _ = found.worth.value.less(alike.value).ends(0.95)
    assert low is not None
    assert low > 0


def test_rows_are_drawn_no_more_often_than_allowed_even_where_only_harm_is_left() -> None:
    found = in_few_steps(mixtures(), ROWS, 1e6, 1.0)
    assert found.weights == {name: pytest.approx(1.0) for name in PARTS}
    assert found.spent == pytest.approx(180)
    assert found.worth.value.value == pytest.approx(proportional(mixtures(), ROWS, 1e6, 1.0).value.value)


def test_a_budget_in_tokens_counts_rows_by_their_size() -> None:
    """Rows of the first part take ten times as much of the budget: fewer of them are taken than by rows."""
    by_rows = in_few_steps(mixtures(), ROWS, 50.0, 1.0)
    by_tokens = in_few_steps(mixtures(), ROWS | {"real/good": 10.0}, 50.0, 1.0)
    assert by_tokens.spent == pytest.approx(50)
    assert by_tokens.weights.get("real/good", 0.0) < by_rows.weights["real/good"]


def test_the_first_part_taken_is_the_best_one_alone() -> None:
    whole = mixtures()
    first = 40.0 / FEW
    shares = {name: {other: first / len(one.phi) * (other == name) for other in PARTS} for name, one in PARTS.items()}
    alone = {name: whole.drawn(own).value.value for name, own in shares.items()}
    assert next(iter(in_few_steps(whole, ROWS, 40.0, 1.0).weights)) == max(alone, key=lambda name: alone[name])


def test_slopes_are_those_of_small_changes_at_one_lambda() -> None:
    """Up to the derivative of the value by its coordinate, which is one for all, and what lambda changes with the rows."""
    whole, at = mixtures(), dict.fromkeys(PARTS, 1.0)
    slopes = whole.slopes(at)
    base, step = whole.worth(at).value.value, 1e-4
    moved = {name: (whole.worth(at | {name: 1 + step}).value.value - base) / step for name in PARTS}
    order = sorted(PARTS, key=lambda name: slopes[name])
    assert order == sorted(PARTS, key=lambda name: moved[name])
    assert slopes["real/wrong"] < 0


def test_parts_without_gradients_are_left_out() -> None:
    empty = MixedPart(30, 30, np.zeros((Q, Q)), np.zeros((Q, C)))
    assert "real/empty" not in in_few_steps(mixtures(**{"real/empty": empty}), ROWS | {"real/empty": 1.0}, 50.0, 1.0).weights
    with pytest.raises(NumericalError, match="found none"):
        in_few_steps(Mixtures({"real/empty": empty}, side(Rows(0, 30))), {"real/empty": 1.0}, 5.0, 1.0)
