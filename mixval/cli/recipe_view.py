"""A recipe for people."""

from __future__ import annotations

from pathlib import Path

from mixval.publish.names import visible
from mixval.publish.numerals import compact, count, decimals_for, fixed, percent, signed
from mixval.publish.ranking import interval_words
from mixval.publish.stored_run import StoredRun
from mixval.publish.value_kind import kind_of
from mixval.stages.recipe import RecipeDocument, RecipeValue


def recipe_text(found: RecipeDocument, run: StoredRun, file: Path | None) -> str:
    """What to draw, a part a line, in the order in which the search took them; then what it is predicted to be worth."""
    decimals = max(3, decimals_for([found.predicted.value, found.of_all_alike.value]))
    names = [visible(one.contributor) for one in found.ingredients]
    width = max(map(len, names))
    lines = [
        f"{name:<{width}}  {one.part:<9}  {count(one.rows):>12} rows, each {compact(one.repeat)} times: "
        f"{percent(one.proportion)} of all"
        for name, one in zip(names, found.ingredients, strict=True)
    ]
    spent = f"{count(round(found.spent))} of {count(round(found.budget))} {found.unit}"
    missing = "" if found.spent > 0.999 * found.budget else f": no row is drawn more than {compact(found.most_repeats)} times"
    kind = kind_of(run.ranking)
    lines += [
        "",
        f"Draws {spent}{missing}. Predicted value: {_worth(found.predicted, decimals)}; "
        f"of the same budget on all rows alike: {_worth(found.of_all_alike, decimals)}.",
        _gain(found.gain, decimals),
        f"Values are {kind.axis}. {kind.of_coalitions}".strip(),
    ]
    return "\n".join(lines if file is None else [*lines, f"wrote {file}"])


def _worth(found: RecipeValue, decimals: int) -> str:
    span = "" if found.low is None else f" ({interval_words(found.low, found.high, decimals)})"
    return f"{fixed(found.value, decimals)}{span}"


def _gain(found: RecipeValue, decimals: int) -> str:
    number = f"{signed(found.value, decimals)}" + (
        "" if found.low is None else f", {interval_words(found.low, found.high, decimals)}"
    )
    if found.low is None or found.low <= 0:
        return f"Whether the recipe is better than all rows alike cannot be said: {number}."
    words = f"The recipe is predicted to be better than all rows alike: {number}."
    return f"{words} It was chosen by this number, which is therefore rather too high."
