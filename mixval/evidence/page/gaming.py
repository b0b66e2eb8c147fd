"""A section of the evidence page: what each attack gains, what it is worth, who notices, and where nobody does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mixval.evidence.gaming_results import AttackSummary, GamingResult, summaries
from mixval.evidence.gaming_table import metric, ranks
from mixval.publish.names import visible
from mixval.publish.numerals import counted, fixed
from mixval.publish.templates import templates

DECIMALS = 1


@dataclass(frozen=True)
class AttackLine:
    """One row of the table."""

    attack: str
    says: str
    gains: list[str]
    truth: str
    metric: str
    beside: str
    after_gate: str
    works: str
    caught: list[str]
    is_open: bool
    """Whether it works and nothing notices."""


def gaming_section(results: Sequence[GamingResult]) -> str:
    """One `<section>` a world as HTML text, to stand within the page; no results give an empty text."""
    template = templates("mixval.evidence.page").get_template("gaming.html.j2")
    return "\n".join(template.render(at=at, **_fields(result)) for at, result in enumerate(results))


def _fields(result: GamingResult) -> dict[str, Any]:
    found = summaries(result)
    attackers = sorted({one.contributor for one in result.attacks})
    return {
        "world": visible(result.world),
        "headline": headline(result, found),
        "setting": f"Middling contributors that attacked: {len(attackers)}; {counted(result.n_seeds, 'seed')} of truth.",
        "n_contributors": result.n_contributors,
        "ours": visible(result.ours),
        "methods": [visible(method) for method in result.methods],
        "lines": [attack_line(result, one) for one in found],
        "limits": [limit for one in found if (limit := limit_words(result, one)) is not None],
        "command": visible(result.command),
    }


def headline(result: GamingResult, found: Sequence[AttackSummary]) -> str:
    """How many attacks work, and how many of those nothing notices."""
    working = [one for one in found if one.works]
    unseen = [one.attack for one in working if not one.caught_by]
    first = f"{len(working)} of {counted(len(found), 'attack')} lift {visible(result.ours)} above what the rows are worth"
    if not working:
        return f"{first}."
    if not unseen:
        return f"{first}; each of them is noticed."
    return f"{first}; nothing notices {', '.join(visible(name) for name in unseen)}."


def attack_line(result: GamingResult, one: AttackSummary) -> AttackLine:
    """The attack's row."""
    return AttackLine(
        attack=visible(one.attack),
        says=visible(one.says),
        gains=[ranks(one.gains[method]) for method in result.methods],
        truth=ranks(one.truth_gain),
        metric=metric(one.truth_change),
        beside=metric(one.beside_change),
        after_gate="rejected" if one.after_gate is None else ranks(one.after_gate),
        works="yes" if one.works else "no",
        caught=[visible(words) for words in one.caught_by] or ["nothing"],
        is_open=one.works and not one.caught_by,
    )


def limit_words(result: GamingResult, one: AttackSummary) -> str | None:
    """What an attack that works and passes the gate still gains, and which check would notice it. None for the others."""
    if not one.works or one.after_gate is None or one.after_gate < 1:
        return None
    gain = f"{visible(one.attack)} passes the gate and gains {fixed(one.after_gate, DECIMALS)} ranks by {visible(result.ours)}"
    if one.would_catch:
        near = ", ".join(visible(words) for words in one.would_catch)
        left = f"; without such rows it gains {ranks(one.after_near)}" if one.after_near < one.after_gate else ""
        return f"{gain}. A comparison of features would notice it: {near}{left}."
    unions = ", ".join(f"{ranks(ranked)} by {visible(name)}" for name, ranked in one.union_gains.items())
    return f"{gain}; among all contributors' rows it gains {unions}." if unions else f"{gain}."
