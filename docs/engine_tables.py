"""Figures as Markdown tables, whatever they are called: grouped by the first word of their names, lowest and highest folded in.

A figure's target is judged where it says how: `<= 1.3`, `>= 2`, or a number that must be met exactly. Others stand as they are.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

Figure = dict[str, Any]
TITLES = {
    "ratio": "A gradient pass over a plain forward and backward pass",
    "sketch": "The NTK term's relative error over q",
    "coalitions": "Values of coalitions",
    "scaling": "Time and memory over rows",
    "two": "Two workers against one",
    "speedup": "Against other libraries",
    "memory": "Memory against whole gradients",
    "profile": "Where a pass spends its time",
    "plan": "Many contributors in a plan",
    "exact": "Exact gradients within a budget of bytes",
    "bf16": "In bfloat16",
    "regmix": "Mixtures ranked by their weights, fitted to runs of 1M parameters (RegMix)",
    "extrapolation": "Errors of held-out runs",
    "breakpoint": "Breakpoints of noise-free fits over k^beta and k^beta / pi",
    "study": "A study of mixtures on two cores, at its largest size and budget",
    "coverage": "How often 90 % intervals hold what is true",
}
"""By first word; another word is a title itself."""
COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "": operator.eq}
TARGET = re.compile(r"(<=|>=|<|>|)\s*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
ENDS = (("lowest", "highest"), ("low", "high"))
"""Last words of names beside a figure: of several runs, and of its interval."""


def grouped(figures: Sequence[Figure], titles: Mapping[str, str] = TITLES) -> str:
    """A heading and a table for each group."""
    groups: dict[str, list[Figure]] = {}
    for one in figures:
        groups.setdefault(re.split(r"[_/]", one["name"])[0], []).append(one)
    parts = [f"### {titles.get(word, cell(word.capitalize()))}\n\n{_table(held)}" for word, held in groups.items()]
    return "\n\n".join(parts)


def with_targets(figures: Sequence[Figure]) -> str:
    """One table of the figures whose target can be judged."""
    rated = {one["name"] for one in figures if is_met(one) is not None}
    return _table([one for one in figures if one["name"] in rated or _end_of(one["name"])[0] in rated])


def is_met(figure: Figure) -> bool | None:
    """Whether the target is met; None where it does not say how to tell."""
    found = TARGET.fullmatch(str(figure["target"]).strip())
    if found is None:
        return None
    sign, bound = found.groups()
    return figure["figure"] is not None and bool(COMPARISONS[sign](float(figure["figure"]), float(bound)))


def _table(figures: Sequence[Figure]) -> str:
    held = {one["name"]: one for one in figures}
    rows = ["| what | measured | target | unit | met | how |", "| --- | --- | --- | --- | --- | --- |"]
    for one in figures:
        base, end = _end_of(one["name"])
        if end and base in held:
            continue
        met = {None: "", True: "yes", False: "**no**"}[is_met(one)]
        cells = [one["name"], _measured(one, held), one["target"], one["unit"], met, f"`{one['command']}`"]
        rows.append(f"| {' | '.join(cell(text) for text in cells)} |")
    return "\n".join(rows)


def _measured(one: Figure, held: dict[str, Figure]) -> str:
    told = "not measured" if one["figure"] is None else f"{one['figure']:g}"
    for ends in ENDS:
        low, high = (held.get(f"{one['name']}/{end}") for end in ends)
        if low is not None and high is not None and low["figure"] != high["figure"]:
            return f"{told} ({low['figure']:g} to {high['figure']:g})"
    return told


def _end_of(name: str) -> tuple[str, str]:
    """A name without the end that it names, as `/lowest`, and which that is."""
    base, _, end = name.rpartition("/")
    return (base, end) if any(end in ends for ends in ENDS) else (name, "")


def cell(text: object) -> str:
    """On one line, and no end of a table's cell."""
    return " ".join(str(text).split()).replace("|", "\\|")
