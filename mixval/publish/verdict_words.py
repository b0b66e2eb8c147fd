"""What a ranking says: whether it is one, whom to take, and a sentence a contributor for who could buy its rows."""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import Any

import pyarrow as pa

from mixval.contracts.results import CANNOT_SAY, LEAVE, TAKE, Standing
from mixval.publish.numerals import fixed, signed
from mixval.publish.sentence import Sentence
from mixval.publish.value_kind import ValueKind, kind_of, kind_of_row
from mixval.valuation.verdict import ValueInterval, standing_of

TIES = (
    "contributors with the same letter cannot be told apart from the best of them. Letters and intervals are about which rows "
    "were drawn, not about how well values predict training."
)
"""What the letters of ties mean."""

NOTHING_ADDED = (
    "Eq. 8 has no values here: each of its terms either has no weight by the rule, or differs between these contributors by no "
    "more than its own error, and then has weight 0."
)
"""In place of what the terms add."""

_NOT_RANKED: dict[Standing, str] = {
    "no-intervals": "Not ranked: without intervals it cannot be said whether contributors differ by more than noise.",
    "at-chance": "Not ranked: no contributor can be told from training on no rows, so differences between them may be noise.",
    "none-helps": "Not ranked: no contributor is shown to be better than training on no rows, and some are shown not to be.",
    "unread": "Not ranked: the model was made from a seed, and hardly reads whether an answer fits its prompt.",
    "all-tied": "Not ranked: no contributor can be told apart from the one with the highest value.",
}


def standing(ranking: pa.Table) -> Standing:
    """Whether the contributors of a ranking have an order, else why not."""
    verdicts, doubts, groups = (ranking[name].to_pylist() for name in ("verdict", "doubted_by", "tie_group"))
    has_empty = ranking.num_rows > 0 and ranking["value_of_empty"].null_count == 0
    by_value = [verdict if doubt is None else TAKE for verdict, doubt in zip(verdicts, doubts, strict=True)]
    found = standing_of(by_value, groups, has_empty)
    return "unread" if found == "ordered" and ranking["rank"].null_count == ranking.num_rows else found


def is_ordered(ranking: pa.Table) -> bool:
    """Whether ranks, letters and the order of lines mean something."""
    return ranking.num_rows > 0 and standing(ranking) == "ordered"


def headline(ranking: pa.Table) -> Sentence:
    """What the run says first: that it is no ranking and why, or who is worth most."""
    rows = ranking.to_pylist()
    if not rows:
        return Sentence("No contributor could be ranked.")
    found = standing(ranking)
    if found == "one":
        only = rows[0]
        return Sentence(f"Only {{}} was valued, so there is no ranking. Verdict: {only['verdict']}.", ((only["contributor"],),))
    if found != "ordered":
        return Sentence(_NOT_RANKED[found])
    first = [row for row in rows if row["tie_group"] == rows[0]["tie_group"]]
    names = (tuple(row["contributor"] for row in first),)
    has, them, tied = ("has", "it", "") if len(first) == 1 else ("have", "any of them", " and cannot be told apart")
    if not kind_of(ranking).has_empty or any(row["verdict"] == TAKE for row in first):
        return Sentence(f"{{}} {has} the highest value for the target{tied}.", names)
    if any(row["verdict"] == TAKE for row in rows):
        return Sentence(f"{{}} {has} the highest value{tied}, but whether training on {them} helps cannot be said.", names)
    return Sentence(f"No contributor can be said to help. {{}} {has} the highest value{tied}.", names)


def verdicts_in_words(ranking: pa.Table) -> Sentence:
    """Whom to take, whom to leave, and of how many others neither can be said."""
    if ranking.num_rows and not kind_of(ranking).has_empty:
        return Sentence(
            "Values by Eq. 8 compare the contributors of this run; whether training on any of them helps cannot be said."
        )
    by_verdict: dict[str, tuple[str, ...]] = {
        verdict: tuple(row["contributor"] for row in ranking.to_pylist() if row["verdict"] == verdict)
        for verdict in (TAKE, LEAVE, CANNOT_SAY)
    }
    given = [verdict for verdict, names in by_verdict.items() if names]
    words = " ".join(f"{verdict.capitalize()}: {{}}." for verdict in given)
    if TAKE in given:
        words += f" Take means better than {kind_of(ranking).no_rows}, which rows with faults can be, too."
    return Sentence(words, tuple(by_verdict[verdict] for verdict in given))


def buyer_sentences(ranking: pa.Table, decimals: int) -> list[str]:
    """The verdict on each contributor and its reason, without its name; values are shown with `decimals`."""
    rows = ranking.to_pylist()
    return [_sentence(row, decimals, exceeded) for row, exceeded in zip(rows, _exceeded(rows), strict=True)]


def _sentence(row: dict[str, Any], decimals: int, is_exceeded: bool) -> str:
    kind = kind_of_row(row)
    measured = row["value_low"] is not None and row["value_of_empty"] is not None
    better = " Another contributor clearly has a higher value, from no more rows." if is_exceeded else ""
    return f"{row['verdict']}: {_reason(row, kind, decimals)}{kind.caveat if measured else ''}{better}"


def _exceeded(rows: list[dict[str, Any]]) -> list[bool]:
    """Of each contributor to take: whether another one to take, of no more measured rows, is clearly better.

    Clearly better: its interval lies above, or it leads the group of ties above the one that this contributor leads, which is
    opened where the two can be told apart. Nobody is, where contributors have no order.
    """
    ranked = [i for i, row in enumerate(rows) if row["rank"] is not None and row["tie_group"] is not None]
    taken = sorted((i for i in ranked if rows[i]["verdict"] == TAKE), key=lambda i: rows[i]["n_sampled"])
    found, highest_low = [False] * len(rows), -math.inf
    for _, of_as_many in groupby(taken, key=lambda i: rows[i]["n_sampled"]):
        same = list(of_as_many)
        highest_low = max(highest_low, *(rows[i]["value_low"] for i in same))
        for i in same:
            found[i] = highest_low > rows[i]["value_high"]
    leaders = [next(group) for _, group in groupby(ranked, key=lambda i: rows[i]["tie_group"])]
    for above, below in pairwise(leaders):
        if rows[above]["verdict"] == rows[below]["verdict"] == TAKE:
            found[below] |= rows[above]["n_sampled"] <= rows[below]["n_sampled"]
    return found


def _reason(row: dict[str, Any], kind: ValueKind, decimals: int) -> str:
    empty, low, high = row["value_of_empty"], row["value_low"], row["value_high"]
    if empty is None:
        return "Eq. 8 compares contributors of one run; it has no value of training on no rows to compare with."
    if low is None or high is None or not low < high:
        known = "the value has no interval" if low is None else "the spread of the value could not be measured"
        return f"{known}, so it cannot be told from training on no rows."
    gain, worst, best = row["value"] - empty, low - empty, high - empty
    unit = f" {kind.unit}" if kind.unit else ""
    told = f"{signed(gain, decimals)}{unit} ({signed(worst, decimals)} to {signed(best, decimals)})"
    if row["verdict"] == TAKE:
        span = f"{fixed(worst, decimals)} to {fixed(best, decimals)}"
        amount = f" by {fixed(gain, decimals)}{unit} ({span})" if unit else f": score {told}"
        return f"training on its rows is predicted to {kind.improves}{amount}."
    if row["verdict"] == LEAVE and best <= 0:
        span = f"{fixed(-best, decimals)} to {fixed(-worst, decimals)}"
        amount = f" by {fixed(-gain, decimals)}{unit} ({span})" if unit else f": score {told}"
        return f"training on its rows is predicted to {kind.worsens}{amount}."
    number = f"{kind.change} {told}"
    if row["verdict"] == LEAVE:
        return f"training on its rows is predicted not to {kind.improves}: {number}."
    return f"{number}, {_doubt(row, kind)}."


def _doubt(row: dict[str, Any], kind: ValueKind) -> str:
    """Why nothing follows from a difference from no rows."""
    found, empty = ValueInterval(row["value"], row["value_low"], row["value_high"]), row["value_of_empty"]
    if row["doubted_by"] is not None:
        return f"cannot be relied on: see the warning {row['doubted_by']}"
    if found.verdict(empty) == CANNOT_SAY:
        return "may be none at all"
    if found.value < empty and kind.penalised:
        return "is below 0, which the penalty alone may explain"
    return "is no more than chance gives among this many contributors"
