"""Sections of the evidence page: what each attack gains, its true effect, which checks detect it, and which attacks none
detects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from benchmarks.evidence.attacks.results import AttackSummary, WorldAttacks, summaries
from benchmarks.evidence.attacks.table import metric, ranks
from mixval.evidence.page.section import Section
from mixval.publish.names import visible
from mixval.publish.numerals import counted, fixed
from mixval.publish.templates import templates

DECIMALS = 1


@dataclass(frozen=True)
class AttackLine:
    """One row of the table."""

    attack: str
    description: str
    numbers: list[str]
    """In the order of `columns`."""
    works: str
    caught: list[str]
    is_open: bool
    """Whether it works and nothing notices."""


def attack_sections(results: Sequence[WorldAttacks]) -> list[Section]:
    """One a world. The same results give the same HTML."""
    template = templates("benchmarks.evidence.attacks").get_template("attacks.html.j2")
    return [
        Section(
            key=f"attacks-{at}",
            heading=Markup("What cheating gains: <bdi>{}</bdi>").format(visible(result.world)),
            body=Markup(template.render(at=at, **_fields(result))),
        )
        for at, result in enumerate(results)
    ]


def _fields(result: WorldAttacks) -> dict[str, Any]:
    found = summaries(result)
    attackers = sorted({one.contributor for one in result.attacks})
    truth = f"{counted(result.n_seeds, 'seed')} of truth" if result.n_seeds else "nothing was trained"
    return {
        "headline": headline(result, found),
        "setting": f"Middling contributors that attacked: {len(attackers)}; {truth}.",
        "n_contributors": result.n_contributors,
        "has_truth": result.n_seeds > 0,
        "ours": visible(result.ours),
        "columns": [visible(title) for title, _ in columns(result, found)],
        "lines": [attack_line(result, found, one) for one in found],
        "limits": [limit for one in found if (limit := limit_words(result, one)) is not None],
        "command": visible(result.command),
    }


def columns(result: WorldAttacks, found: Sequence[AttackSummary]) -> list[tuple[str, Callable[[AttackSummary], str]]]:
    """Title and cell of every column of numbers; those in which no attack has one are left out."""
    listed: list[tuple[str, Callable[[AttackSummary], str], bool]] = [
        *((method, partial(_gain, method), True) for method in result.methods),
        ("Truth", lambda one: ranks(one.truth_gain), any(one.truth_gain is not None for one in found)),
        ("Metric", lambda one: metric(one.truth_change), any(one.truth_change is not None for one in found)),
        ("Beside the source", lambda one: metric(one.beside_change), any(one.beside_change is not None for one in found)),
        ("After the gate", lambda one: "rejected" if one.after_gate is None else ranks(one.after_gate), True),
    ]
    return [(title, cell) for title, cell, is_known in listed if is_known]


def _gain(method: str, one: AttackSummary) -> str:
    return ranks(one.gains[method])


def headline(result: WorldAttacks, found: Sequence[AttackSummary]) -> str:
    """How many attacks work, and how many of those nothing notices."""
    working = [one for one in found if one.works]
    unseen = [one.attack for one in working if not one.caught_by]
    first = f"{len(working)} of {counted(len(found), 'attack')} lift {visible(result.ours)} above what the rows are worth"
    if not working:
        return f"{first}."
    if not unseen:
        return f"{first}; each of them is noticed."
    return f"{first}; nothing notices {', '.join(visible(name) for name in unseen)}."


def attack_line(result: WorldAttacks, found: Sequence[AttackSummary], one: AttackSummary) -> AttackLine:
    """The row of one of the attacks that were found."""
    return AttackLine(
        attack=visible(one.attack),
        description=visible(one.description),
        numbers=[cell(one) for _, cell in columns(result, found)],
        works="yes" if one.works else "no",
        caught=[visible(words) for words in one.caught_by] or ["nothing"],
        is_open=one.works and not one.caught_by,
    )


def limit_words(result: WorldAttacks, one: AttackSummary) -> str | None:
    """What an attack that works and passes the gate still gains, and which check would notice it. None for the others."""
    if not one.works or one.after_gate is None or one.after_gate < 1:
        return None
    gain = f"{visible(one.attack)} passes the gate and gains {fixed(one.after_gate, DECIMALS)} ranks by {visible(result.ours)}"
    left = f"; without such rows it gains {ranks(one.after_near)}" if one.after_near < one.after_gate else ""
    if raised := [visible(words) for words in one.caught_by if words.startswith("warning: ")]:
        return f"{gain}. A run warns: {', '.join(raised)}{left}."
    if one.would_catch:
        near = ", ".join(visible(words) for words in one.would_catch)
        return f"{gain}. A comparison of rows that no run makes would notice it: {near}{left}."
    coalitions = ", ".join(f"{ranks(ranked)} by {visible(name)}" for name, ranked in one.coalition_gains.items())
    return f"{gain}; among all contributors' rows it gains {coalitions}." if coalitions else f"{gain}."
