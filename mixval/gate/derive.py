"""The frame that Great Expectations sees: one row per data row, small derived columns instead of the data itself.

Letters: N rows of a batch. The frame's index is the row's position in the batch, 0 to N - 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from mixval.config.gate import GateConfig
from mixval.config.tasks import Task, for_column, spec_of
from mixval.contracts.digests import input_digest
from mixval.errors import ShapeError
from mixval.gate.images import Most, image_cells, image_facts
from mixval.gate.prints import IMAGE_WIDTH, text_prints
from mixval.gate.spelling import joined_text
from mixval.gate.texts import text_facts
from mixval.gate.words import SAMPLE_CHARS, shorten


class TokenCounts(Protocol):
    """Tokens of rows before truncation."""

    @property
    def n_tokens(self) -> np.ndarray:
        """(N,) tokens of the whole row."""

    @property
    def n_response_tokens(self) -> np.ndarray:
        """(N,) tokens that enter the loss: the response's, or all but the first of a text."""

    @property
    def refusals(self) -> list[str | None]:
        """(N,) why the tokenizer or its chat template refuses a row; None where it takes it."""


TokenCounter = Callable[[pa.Table], TokenCounts]
"""Counts the tokens of rows in contract columns. Its input are complete rows only: nothing null, blank or too long."""


@dataclass(frozen=True)
class DerivedRows:
    """A batch as the gate checks it."""

    frame: pd.DataFrame
    """(N, columns): the shown text of each contract column, and what `suite.py` checks."""
    digests: np.ndarray
    """(N, 16) uint8: names of the rows' inputs."""
    prints: list[np.ndarray] | None
    """(N,) prints of the rows' inputs (`prints.py`); None where they were not asked for."""
    pixel_bytes: int = 0
    """Decoded bytes of the images."""


@dataclass(frozen=True)
class _Derived:
    values: list[Any]
    """(N,) what names a row."""
    usable: np.ndarray
    """(N,) bool where a cell is complete enough to be tokenised."""
    prints: list[np.ndarray | None] | None = None
    """(N,) of images; None of others: the texts of a row have one print together."""
    pixel_bytes: int = 0


class _Asked(NamedTuple):
    limits: GateConfig
    has_prints: bool
    most_pixel_bytes: float


def derive_rows(
    table: pa.Table,
    task: Task,
    limits: GateConfig,
    count_tokens: TokenCounter | None,
    has_prints: bool = False,
    most_pixel_bytes: float = math.inf,
) -> DerivedRows:
    """The derived columns and input digests of a batch in contract columns, and prints where they are asked for. Nulls and
    broken values are derived, too, and raise nothing. When the images that were decoded have more bytes than
    `most_pixel_bytes`, no more are."""
    columns: dict[str, list[Any] | np.ndarray] = {}
    inputs: list[_Derived] = []
    complete = np.ones(table.num_rows, dtype=bool)
    for column in spec_of(task).columns:
        derive = for_column(_DERIVED, column, "facts for the gate")
        derived = derive(columns, column.name, table.column(column.name), _Asked(limits, has_prints, most_pixel_bytes))
        inputs += [derived] if column.is_input else []
        complete &= derived.usable
    columns["origin"] = [fact.shown for fact in text_facts(table.column("origin"))]
    _derive_strange_labels(columns, table)
    _derive_refusals(columns, table, task)
    if count_tokens is not None:
        _derive_tokens(columns, table, complete, count_tokens)
    frame = pd.DataFrame({name: pd.Series(values, dtype=_dtype(values)) for name, values in columns.items()})
    digests = as_digests([input_digest(row) for row in zip(*(one.values for one in inputs), strict=True)])
    return DerivedRows(frame, digests, _prints(inputs) if has_prints else None, sum(one.pixel_bytes for one in inputs))


def _prints(inputs: list[_Derived]) -> list[np.ndarray]:
    """One print a row: its image's, or that of its texts together. Zeros where a row has none."""
    if of_images := next((one.prints for one in inputs if one.prints is not None), None):
        return [np.zeros(IMAGE_WIDTH, np.float16) if one is None else one for one in of_images]
    return text_prints([" ".join(map(joined_text, row)) for row in zip(*(one.values for one in inputs), strict=True)])


def as_digests(names: list[bytes]) -> np.ndarray:
    """(N, 16) uint8 from N digests of 16 bytes."""
    return np.frombuffer(b"".join(names), dtype=np.uint8).reshape(len(names), 16)


def digest_names(digests: np.ndarray) -> np.ndarray:
    """(N,) `S16` view of (N, 16) uint8 digests: comparable, sortable, and equal only where all 16 bytes are."""
    if digests.dtype != np.uint8 or digests.ndim != 2 or digests.shape[1] != 16:
        raise ShapeError(f"digests must be (N, 16) uint8, found {digests.shape} {digests.dtype}. Take them from a GateCheck.")
    return np.ascontiguousarray(digests).reshape(-1).view("S16")


def _dtype(values: list[Any] | np.ndarray) -> Any:
    return values.dtype if isinstance(values, np.ndarray) else object


def _derive_label(columns: dict[str, Any], name: str, data: pa.ChunkedArray, _asked: _Asked) -> _Derived:
    columns[name] = data.to_pylist()
    return _Derived(columns[name], np.ones(len(data), dtype=bool))


def _derive_image(columns: dict[str, Any], name: str, data: pa.ChunkedArray, asked: _Asked) -> _Derived:
    limits = asked.limits
    most = Most(limits.max_image_side_pixels, limits.max_image_pixels, limits.max_image_scans)
    facts = image_facts(image_cells(data), most, asked.has_prints, asked.most_pixel_bytes)
    columns[name] = [fact.shown for fact in facts]
    columns[f"{name}_decodes"] = [fact.decodes for fact in facts]
    columns[f"{name}_pixels_finite"] = [fact.is_finite for fact in facts]
    columns[f"{name}_pixels_in_range"] = [fact.is_in_range for fact in facts]
    columns[f"{name}_size"] = [fact.size for fact in facts]
    columns[f"{name}_short_side_pixels"] = _floats([fact.short_side_pixels for fact in facts])
    columns[f"{name}_long_side_pixels"] = _floats([fact.long_side_pixels for fact in facts])
    columns[f"{name}_pixels"] = _floats([fact.n_pixels for fact in facts])
    columns[f"{name}_scans"] = _floats([fact.n_scans for fact in facts])
    named, prints = [fact.identity for fact in facts], [fact.print for fact in facts]
    return _Derived(named, np.ones(len(data), dtype=bool), prints, sum(fact.n_bytes for fact in facts))


def _derive_text(columns: dict[str, Any], name: str, data: pa.ChunkedArray, asked: _Asked) -> _Derived:
    facts = text_facts(data)
    chars = _floats([fact.n_chars for fact in facts])
    columns[name] = [fact.shown for fact in facts]
    columns[f"{name}_is_whole"] = [fact.is_whole for fact in facts]
    columns[f"{name}_chars"] = chars
    whole = np.array([fact.is_whole is True for fact in facts], dtype=bool)
    usable = whole & (chars >= asked.limits.min_text_chars) & (chars <= asked.limits.max_text_chars)
    return _Derived([fact.plain for fact in facts], usable)


_DERIVED: dict[str, Callable[[dict[str, Any], str, pa.ChunkedArray, _Asked], _Derived]] = {
    "image": _derive_image,
    "label": _derive_label,
    "text": _derive_text,
    "prompt": _derive_text,
}


def _derive_strange_labels(columns: dict[str, Any], table: pa.Table) -> None:
    """Labels that name none of T's classes as what stands there: that is what is wrong with them."""
    if "label_found" in table.column_names:
        cells = zip(columns["label"], table.column("label_found").to_pylist(), strict=True)
        columns["label"] = [found if label is None else label for label, found in cells]


def _derive_refusals(columns: dict[str, Any], table: pa.Table, task: Task) -> None:
    """Why rows are not read, as the mapping says. Their cells are null for that reason, which is no finding of its own."""
    known = "refusal" in table.column_names
    columns["refusal"] = table.column("refusal").to_pylist() if known else [None] * table.num_rows
    columns["is_read"] = [why is None for why in columns["refusal"]]
    for name in (column.name for column in spec_of(task).columns if known):
        cells = zip(columns[name], columns["refusal"], strict=True)
        columns[name] = ["not read" if cell is None and why is not None else cell for cell, why in cells]


def _derive_tokens(columns: dict[str, Any], table: pa.Table, complete: np.ndarray, count_tokens: TokenCounter) -> None:
    n_tokens, n_response = np.full(table.num_rows, np.nan), np.full(table.num_rows, np.nan)
    taken: list[bool | None] = [None] * table.num_rows
    if complete.any():
        counts = count_tokens(table.filter(pa.array(complete)))
        n_tokens[complete], n_response[complete] = counts.n_tokens, counts.n_response_tokens
        for at, why in zip(np.flatnonzero(complete).tolist(), counts.refusals, strict=True):
            taken[at] = why is None
            if why is not None:
                columns["refusal"][at], n_tokens[at], n_response[at] = why, np.nan, np.nan
    columns["n_tokens"], columns["n_response_tokens"], columns["is_taken"] = n_tokens, n_response, taken


def _floats(values: list[int | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def shown(value: Any, limit: int = SAMPLE_CHARS) -> str:
    """A cell of the frame as a sample of at most `limit` characters."""
    return "null" if value is None or value is pd.NA or value != value else shorten(value, limit)  # noqa: PLR0124
