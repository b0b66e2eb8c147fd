"""Facts about text cells: characters, whether they are valid text, and messages as one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from mixval.contracts.messages import written
from mixval.gate.spelling import plain_messages, plain_text
from mixval.gate.words import SAMPLE_CHARS, shorten


@dataclass(frozen=True)
class TextFacts:
    """What is known of one text cell; None where it is not."""

    plain: Any
    """The text, or its messages, as `spelling.py` compares them; bytes that are not UTF-8 replaced. None for a null cell."""
    shown: str | None
    """Shortened, for samples. None for a null cell."""
    n_chars: int | None = None
    """Characters; a text in which nothing is seen, blanks or zero-width signs, counts as none."""
    is_whole: bool | None = None
    """False when bytes are not UTF-8, or when a message has no role or no content."""


def text_facts(column: pa.ChunkedArray) -> list[TextFacts]:
    """The facts of each cell of a string column, or of a column of chat messages."""
    if pat.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pat.is_list(column.type) or pat.is_large_list(column.type):
        return [_chat(cell) for chunk in column.chunks for cell in chunk]
    try:
        return [_text(cell) for cell in column.to_pylist()]
    except UnicodeDecodeError:  # rare, so the slow conversion is done only when a cell needs it
        return [_bytes(cell) for cell in pc.cast(column, pa.large_binary()).to_pylist()]


def _text(cell: str | None, is_whole: bool = True) -> TextFacts:
    if cell is None:
        return TextFacts(None, None)
    plain = plain_text(cell)
    return TextFacts(plain, shorten(cell) if plain else repr(cell[:SAMPLE_CHARS]), len(cell) if plain else 0, is_whole)


def _bytes(cell: bytes | None) -> TextFacts:
    if cell is None:
        return _text(None)
    try:
        return _text(cell.decode("utf-8"))
    except UnicodeDecodeError:
        return _text(cell.decode("utf-8", "replace"), is_whole=False)


def _chat(cell: pa.Scalar) -> TextFacts:
    try:
        return _messages(cell.as_py())
    except UnicodeDecodeError as error:
        return TextFacts([], f"messages that are not UTF-8: {error.reason}", 0, is_whole=False)


def _messages(cell: list[dict[str, Any] | None] | None) -> TextFacts:
    if cell is None:
        return TextFacts(None, None)
    messages = [message or {} for message in cell]
    lines = [f"{message.get('role')}: {written(message) or message.get('content')}" for message in messages]
    n_chars = sum(len(said) for said in map(written, messages) if plain_text(said))
    is_whole = all(message.get("role") and (message.get("content") is not None or message.get("more")) for message in messages)
    return TextFacts(plain_messages(cell), shorten(" | ".join(lines)) or "no messages", n_chars, is_whole)
