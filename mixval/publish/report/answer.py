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
from mixval.publish.numerals import percent
from mixval.publish.ranking import tie_labels
from mixval.publish.sentence import Sentence
from mixval.publish.value_kind import kind_of
from mixval.publish.verdict_words import headline, is_ordered, verdicts_in_words

NAME_LIMIT = 48
NAMED = 4
"""Names in a sentence, before the rest is counted."""


@dataclass(frozen=True)
class Answer:
    """A headline and the sentences under it; names in them are escaped and isolated."""

    headline: Markup
    sentences: list[Markup]


def answer(ranking: pa.Table, rejected: pa.Table, confidence: float | None) -> Answer:
    """The summary of the tables: headline, verdicts, bottom of the ranking, ties, rejected contributors."""
    rows = ranking.to_pylist()
    sentences = [in_html(verdicts_in_words(ranking))] if rows else []
    if is_ordered(ranking):
        sentences += [*_bottom(rows, kind_of(ranking).adds_terms), *_ties(ranking, rows, confidence)]
    return Answer(headline=in_html(headline(ranking)), sentences=[*sentences, *_refused(rejected)])


def in_html(sentence: Sentence) -> Markup:
    """The sentence with its names escaped and isolated."""
    return Markup(sentence.words).format(*(names_of(group) for group in sentence.names))  # noqa: S704  (our own words)


def name_of(name: str, limit: int = NAME_LIMIT) -> Markup:
    """A contributor's name for HTML: visible, shortened, escaped, and unable to turn the text around it."""
    return Markup("<bdi>{}</bdi>").format(shortened(name, limit))


def names_of(names: Iterable[str], limit: int = NAMED) -> Markup:
    """`a, b and c`, or the first `limit` and how many more."""
    shown = [name_of(name) for name in names]
    if len(shown) > limit:
        return Markup(", ").join(shown[: limit - 1]) + Markup(" and {} more").format(len(shown) - limit + 1)
    return Markup(" and ").join([Markup(", ").join(shown[:-1]), shown[-1]]) if len(shown) > 1 else Markup("").join(shown)


def _bottom(rows: list[dict[str, Any]], is_of_terms: bool) -> list[Markup]:
    worst = [row for row in rows if row["rank"] is not None][-1]
    last = [row for row in rows if row["tie_group"] == worst["tie_group"]]
    costs = min(TERMS.values(), key=lambda term: worst[f"weighted_{term.name}"] - _middle(rows, term.name))
    names = names_of(row["contributor"] for row in last)
    words = Markup("{} {} the lowest value.").format(names, "has" if len(last) == 1 else "have")
    if not is_of_terms:
        return [words]
    whose = "its" if len(last) == 1 else Markup("{}'s").format(name_of(worst["contributor"]))
    return [words + Markup(" Of {} weighted terms, {} lies furthest below the median contributor's.").format(whose, costs.word)]


def _middle(rows: list[dict[str, Any]], term: str) -> float:
    ordered = sorted(row[f"weighted_{term}"] for row in rows)
    return float(ordered[len(ordered) // 2])


def _ties(ranking: pa.Table, rows: list[dict[str, Any]], confidence: float | None) -> list[Markup]:
    labels = tie_labels(ranking)
    level = "" if confidence is None else f" at {percent(confidence)} confidence"
    if not labels:
        whose = "" if all(row["tie_group"] is not None for row in rows) else " with an interval"
        return [Markup("Every contributor{} can be told apart from the next{}.").format(whose, level)]
    groups = [
        Markup("{} ({})").format(names_of(row["contributor"] for row in members), labels[group])
        for group, members in ((key, list(found)) for key, found in groupby(rows, key=lambda row: row["tie_group"]))
        if group in labels
    ]
    shown = groups if len(groups) <= NAMED else [*groups[:NAMED], Markup("{} more groups").format(len(groups) - NAMED)]
    return [Markup("Cannot be told apart from the best of their letter{}: {}.").format(level, Markup("; ").join(shown))]


def _refused(rejected: pa.Table) -> list[Markup]:
    verdicts = dict(zip(rejected["contributor"].to_pylist(), rejected["verdict"].to_pylist(), strict=True))
    sentences = []
    for verdict, words in (("rejected", "rejected at the gate"), ("failed", "admitted but could not be measured")):
        names = [name for name, found in verdicts.items() if found == verdict]
        if names:
            sentences.append(Markup("{} {} {}.").format(names_of(names), "was" if len(names) == 1 else "were", words))
    return sentences or [Markup("No contributor was rejected.")]
