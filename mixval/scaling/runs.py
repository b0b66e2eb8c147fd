"""Runs read from a CSV file whose columns the user names, grouped by mixture.

One line a finished run. Numbers may end in K, M, B, G or T (thousand to trillion). The first line holds the names; commas,
semicolons and tabs separate.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixval.errors import ConfigError, ContractError, SchemaError, StorageError
from mixval.scaling.laws import Floats

NUMBER = re.compile(r"([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([KMBGTkmbgt]?)")
SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
ALL = "all runs"
"""Name of the one mixture where no column tells several apart."""
SHOWN = 5


@dataclass(frozen=True)
class Runs:
    """The runs of one mixture."""

    mixture: str
    columns: dict[str, Floats]
    """`params`, `tokens`, `unique_tokens`, as far as they were named; (n,) each."""
    losses: Floats  # (n,)
    lines: NDArray[np.int64]  # (n,), of the file, the first is 1

    def __len__(self) -> int:
        """How many runs."""
        return len(self.losses)


@dataclass(frozen=True)
class Named:
    """What the user calls the columns; None where the table has none of that kind."""

    loss: str
    tokens: str | None = None
    params: str | None = None
    unique_tokens: str | None = None
    epochs: str | None = None
    mixture: str | None = None


def read_runs(file: Path, named: Named) -> list[Runs]:
    """The mixtures of a file, in the order of their first run.

    Raises StorageError for a file that cannot be read, SchemaError for columns that it does not have, ContractError for cells
    that are no positive numbers.
    """
    header, rows, lines = _table(file)
    _check_columns(file, header, named)
    return _grouped(file, header, rows, lines, named)


def number_of(text: str, what: str) -> float:
    """A positive number as in a table: `3e9`, `200B`. Raises ConfigError for anything else."""
    match = NUMBER.fullmatch(text.strip())
    value = float(match[1].replace("_", "")) * SCALES[match[2].upper()] if match else math.nan
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{what}: expected a positive number, as 3e9 or 200B, found {text!r}.")
    return value


def read_weights(file: Path, loss: str, prefix: str) -> tuple[list[str], Floats, Floats]:
    """Names of sources, their weights (n, s), each row scaled to one, and losses (n,). Raises as `read_runs` does."""
    header, rows, lines = _table(file)
    names = [name for name in header if name.startswith(prefix) and name != loss]
    if loss not in header or len(names) < 2:
        raise SchemaError(
            f"{file}: expected a column {loss!r} and at least two that begin with {prefix!r}, found: {', '.join(header)}. Name "
            "them."
        )
    losses = _numbers(file, loss, _cells(header, rows, loss), lines)
    weights = np.stack([_numbers(file, name, _cells(header, rows, name), lines, least=0.0) for name in names], axis=1)
    sums = weights.sum(axis=1)
    if np.any(sums == 0):
        line = lines[int(np.argmin(sums))]
        raise ContractError(f"{file}, line {line}: expected weights of which some are positive, found none. Correct the run.")
    return names, weights / sums[:, None], losses


def _table(file: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Names of columns, rows, and the rows' lines in the file."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{file}: expected a CSV file in UTF-8, found what cannot be read: {error}. Check it.") from error
    rows, lines = _rows(text)
    if len(rows) < 2:
        raise ContractError(f"{file}: expected a line of column names and one line a run, found {len(rows)} lines. Add runs.")
    return [cell.strip() for cell in rows[0]], rows[1:], lines[1:]


def _cells(header: list[str], rows: list[list[str]], name: str) -> list[str]:
    at = header.index(name)
    return [row[at].strip() if at < len(row) else "" for row in rows]


def _rows(text: str) -> tuple[list[list[str]], list[int]]:
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    found = [(row, reader.line_num) for row in reader if any(cell.strip() for cell in row)]
    return [row for row, _ in found], [line for _, line in found]


def _check_columns(file: Path, header: Sequence[str], named: Named) -> None:
    if named.tokens is None and named.params is None:
        raise SchemaError(f"{file}: expected a column of training tokens, of parameters, or both. Give --data or --params.")
    if repeated := sorted({name for name in header if name and header.count(name) > 1}):
        raise SchemaError(f"{file}: expected columns of unlike names, found {', '.join(repeated)} twice. Rename one.")
    wanted = [name for name in vars(named).values() if name is not None]
    if missing := [name for name in wanted if name not in header]:
        raise SchemaError(
            f"{file}: expected columns {', '.join(wanted)}, found no {', '.join(missing)}. The file has: {', '.join(header)}."
        )


def _grouped(file: Path, header: list[str], rows: list[list[str]], lines: list[int], named: Named) -> list[Runs]:
    def cells(name: str) -> list[str]:
        return _cells(header, rows, name)

    losses = _numbers(file, named.loss, cells(named.loss), lines)
    columns = {
        kind: _numbers(file, name, cells(name), lines)
        for kind in ("params", "tokens", "unique_tokens")
        if (name := getattr(named, kind)) is not None
    }
    if named.epochs is not None and "tokens" in columns:
        epochs = _numbers(file, named.epochs, cells(named.epochs), lines)
        columns["unique_tokens"] = columns["tokens"] / np.maximum(epochs, 1.0)
    labels = [ALL] * len(rows) if named.mixture is None else cells(named.mixture)
    if named.mixture is not None and (blank := [line for line, label in zip(lines, labels, strict=True) if not label]):
        raise ContractError(f"{file}, line {blank[0]}: expected a mixture in column {named.mixture!r}, found nothing. Name it.")
    numbered, found = np.array(lines), []
    for label in dict.fromkeys(labels):
        own = np.array([one == label for one in labels])
        found.append(Runs(label, {kind: values[own] for kind, values in columns.items()}, losses[own], numbered[own]))
    return found


def _numbers(file: Path, name: str, cells: list[str], lines: list[int], least: float | None = None) -> Floats:
    """A column of positive numbers, `least` among them where given. Raises ContractError with the first other cells."""
    found, suffixes, wrong = [], set(), []
    for cell, line in zip(cells, lines, strict=True):
        match = NUMBER.fullmatch(cell)
        value = float(match[1].replace("_", "")) * SCALES[match[2].upper()] if match else math.nan
        if not (math.isfinite(value) and (value > 0 or value == least)):
            wrong.append(f"line {line}: {cell!r}")
        elif match:
            suffixes.add(match[2].upper())
        found.append(value)
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ContractError(
            f"{file}, column {name!r}: expected positive numbers, found {'; '.join(wrong[:SHOWN])}{more}. Correct these runs "
            "or leave them out."
        )
    if "" in suffixes and len(suffixes) > 1:
        raise ContractError(
            f"{file}, column {name!r}: expected one unit, found numbers with and without {', '.join(sorted(suffixes - {''}))}. "
            "Write all of them in one way."
        )
    return np.array(found)
