"""Values and names from outside as text: short, printable and safe to display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SAMPLE_CHARS = 120
"""Most characters of a sample value."""
REASON_CHARS = 400
"""Most characters of a sample that is a reason in words."""


def printable(text: str) -> str:
    """The same text with control, direction-changing and unassigned characters spelled as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def shorten(value: Any, limit: int = SAMPLE_CHARS) -> str:
    """At most `limit` printable characters of a value; what is cut shows as an ellipsis."""
    text = printable(str(value)[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quoted(name: str) -> str:
    """A name from outside in quotes, short and printable."""
    return f"'{shorten(name)}'"


def listed(values: list[Any], limit: int = 10) -> str:
    """The first few of the values and how many there are."""
    head = ", ".join(shorten(value) for value in values[:limit])
    return head if len(values) <= limit else f"{head}, … ({len(values):,} in all)"


def label_words(label: int, names: Sequence[str]) -> str:
    """A label with its class's name, where it has one: `1 (positive)`."""
    name = names[label] if 0 <= label < len(names) else ""
    return f"{label} ({shorten(name)})" if name else str(label)


def counted(n: int, thing: str) -> str:
    """A count with its thing: `1 row`, `1,200 rows`."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"
