"""What a filter says of an answer that it drops, and what it sees of it."""

from __future__ import annotations

from dataclasses import dataclass

from mixval.synthesis.requests import Answer

MATCH_CHARS = 500
"""Most characters of a match that are kept."""


@dataclass(frozen=True)
class Drop:
    """Why an answer is dropped."""

    reason: str
    """As docs/synthesis.md lists them."""
    match: str
    """What it goes by: a passage of the answer, or a row's id."""
    detail: str
    """The measure and its limit."""


@dataclass(frozen=True)
class Candidate:
    """An answer, and what it was made from."""

    answer: Answer
    text: str
    """The answer without blanks around it."""
    source: str
    """The document, as far as the prompt had it."""
    step: str


def shown(passage: str) -> str:
    """A passage as a match is kept."""
    return passage[:MATCH_CHARS]
