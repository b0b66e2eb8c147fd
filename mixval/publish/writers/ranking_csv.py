"""`ranking.csv`: the columns of `ranking.parquet` for a spreadsheet.

A cell that a spreadsheet takes for a formula can run code, and names come from outside. So text that begins like a formula
gets an apostrophe in front, which spreadsheets show as text (OWASP, CSV Injection); text that begins with an apostrophe gets
another one, so that different names stay different. All text is quoted and the name is the first column: a spreadsheet that
splits at semicolons, as some locales do, cannot split inside of it. The Parquet file has the unchanged names.
"""

from __future__ import annotations

import csv
import io
import unicodedata

import pyarrow as pa

from mixval.publish.names import STEERING
from mixval.publish.results import ValuationResults
from mixval.storage.root import Location

FORMULA = frozenset("=+-@＝＋－＠")
"""What begins a formula, in its full-width forms too, which some spreadsheets read alike."""
GUARD = "'"


def write_ranking_csv(folder: Location, results: ValuationResults) -> None:
    """One line per contributor in the order of the ranking, UTF-8, numbers in full, an empty cell for a missing number."""
    folder.child("ranking.csv").write_bytes(ranking_csv(results.ranking).encode())


def ranking_csv(ranking: pa.Table) -> str:
    """The file's text; `ranking` has the schema `ranking_schema()`."""
    text = io.StringIO()
    lines = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    lines.writerow(ranking.column_names)
    for row in zip(*(column.to_pylist() for column in ranking.columns), strict=True):
        lines.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


def guarded(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would read a formula, be there blanks before it or not."""
    first = next((char for char in text if not char.isspace() and unicodedata.category(char) not in STEERING), "")
    return GUARD + text if text.startswith(GUARD) or first in FORMULA else text
