"""Warnings as text: of a run as a whole, and single ones."""

from __future__ import annotations

from collections.abc import Sequence

from mixval.contracts.warnings import RunWarning, counted_by_severity
from mixval.publish.names import listed
from mixval.publish.numerals import counted

IN_REPORT = "All are in the report."


def warning_words(one: RunWarning, most: int = 5) -> str:
    """The warning with whom it concerns, at most `most` of them by name."""
    return f"{one.words} Concerns {listed(one.contributors, most)}." if one.contributors else one.words


def warning_lines(warnings: Sequence[RunWarning], rest: str) -> list[str]:
    """How many warnings of each severity there are, then the serious ones, or the first where none is serious.

    `warnings` are sorted by severity; `rest` says where the others are.
    """
    if not warnings:
        return []
    shown = [one for one in warnings if one.severity == "serious"] or list(warnings[:1])
    more = f" {rest}" if len(warnings) > len(shown) else ""
    head = f"{counted(len(warnings), 'warning')}: {counted_by_severity(warnings)}.{more}"
    return [head, *(f"{one.severity}: {warning_words(one)}" for one in shown)]
