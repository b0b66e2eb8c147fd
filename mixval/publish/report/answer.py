"""The report's summary in sentences: best and worst contributors, ties, rejected contributors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from mixval.contracts.terms import TERMS
from mixval.publish.names import shortened
from mixval.publish.numerals import counted, percent
from mixval.publish.ranking import tie_labels
from mixval.publish.value_kind import kind_of

NAME_LIMIT = 48
NAMED = 4
"""Names in a sentence, before the rest is counted."""


@dataclass(frozen=True)
class Answer:
    """A headline and the sentences under it; names in them are escaped and isolated."""

    headline: Markup
    sentences: list[Markup]


def answer(ranking: pa.Table, rejected: pa.Table, confidence: float | None) -> Answer:
    """The summary of the tables: headline, bottom of the ranking, ties, rejected contributors."""
    rows = ranking.to_pylist()
    sentences = [*_bottom(rows, kind_of(ranking).adds_terms), *_ties(ranking, rows, confidence), *_refused(rejected)]
    return Answer(headline=_headline(rows), sentences=sentences)


def name_of(name: str, limit: int = NAME_LIMIT) -> Markup:
    """A contributor's name for HTML: visible, shortened, escaped, and unable to turn the text around it."""
    return Markup("<bdi>{}</bdi>").format(shortened(name, limit))


def names_of(names: Iterable[str], limit: int = NAMED) -> Markup:
    """`a, b and c`, or the first `limit` and how many more."""
    shown = [name_of(name) for name in names]
    if len(shown) > limit:
        return Markup(", ").join(shown[: limit - 1]) + Markup(" and {} more").format(len(shown) - limit + 1)
    return Markup(" and ").join([Markup(", ").join(shown[:-1]), shown[-1]]) if len(shown) > 1 else Markup("").join(shown)


def _headline(rows: list[dict[str, Any]]) -> Markup:
    if not rows:
        return Markup("No contributor could be ranked.")
    first = [row["contributor"] for row in rows if row["tie_group"] == rows[0]["tie_group"]]
    if len(rows) == 1:
        return Markup("Only {} was ranked, so there is nothing to compare it with.").format(name_of(first[0]))
    if len(first) == len(rows):
        return Markup("No contributor can be told apart from another.")
    if len(first) == 1:
        return Markup("{} has the highest value for the target.").format(name_of(first[0]))
    if len(first) <= NAMED:
        return Markup("{} have the highest value for the target and cannot be told apart.").format(names_of(first))
    return Markup("{} has the highest value, but {} cannot be told apart from it.").format(
        name_of(first[0]), counted(len(first) - 1, "other")
    )


def _bottom(rows: list[dict[str, Any]], is_of_terms: bool) -> list[Markup]:
    if len(rows) < 2 or rows[0]["tie_group"] == rows[-1]["tie_group"]:
        return []
    last = [row for row in rows if row["tie_group"] == rows[-1]["tie_group"]]
    worst = rows[-1]
    costs = min(TERMS.values(), key=lambda term: worst[f"weighted_{term.name}"] - _middle(rows, term.name))
    names = names_of(row["contributor"] for row in last)
    verb = "comes" if len(last) == 1 else "come"
    if not is_of_terms:
        return [Markup("{} {} last.").format(names, verb)]
    return [
        Markup("{} {} last. Compared with the median contributor, {} loses most by {}.").format(
            names, verb, "it" if len(last) == 1 else name_of(worst["contributor"]), f"the {costs.word} term"
        )
    ]


def _middle(rows: list[dict[str, Any]], term: str) -> float:
    ordered = sorted(row[f"weighted_{term}"] for row in rows)
    return float(ordered[len(ordered) // 2])


def _ties(ranking: pa.Table, rows: list[dict[str, Any]], confidence: float | None) -> list[Markup]:
    if len(rows) > 1 and rows[0]["value_low"] is None:
        return [Markup("No intervals were computed, so differences cannot be compared with sampling noise.")]
    labels = tie_labels(ranking)
    level = "" if confidence is None else f" at {percent(confidence)} confidence"
    if not labels:
        return [Markup("Every contributor can be told apart from the next{}.").format(level)] if len(rows) > 1 else []
    groups = [
        Markup("{} ({})").format(names_of(row["contributor"] for row in members), labels[group])
        for group, members in ((key, list(found)) for key, found in groupby(rows, key=lambda row: row["tie_group"]))
        if group in labels
    ]
    shown = groups if len(groups) <= NAMED else [*groups[:NAMED], Markup("{} more groups").format(len(groups) - NAMED)]
    return [Markup("Cannot be told apart from one another{}: {}.").format(level, Markup("; ").join(shown))]


def _refused(rejected: pa.Table) -> list[Markup]:
    verdicts = dict(zip(rejected["contributor"].to_pylist(), rejected["verdict"].to_pylist(), strict=True))
    sentences = []
    for verdict, words in (("rejected", "rejected at the gate"), ("failed", "admitted but could not be measured")):
        names = [name for name, found in verdicts.items() if found == verdict]
        if names:
            sentences.append(Markup("{} {} {}.").format(names_of(names), "was" if len(names) == 1 else "were", words))
    return sentences or [Markup("No contributor was rejected.")]
