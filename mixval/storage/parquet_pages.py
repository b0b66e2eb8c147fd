"""Headers of Parquet pages: what a reader decodes by, where the footer only says what the writer had in mind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mixval.errors import ContractError
from mixval.storage.footer import Chunk
from mixval.storage.thrift import I32, STRUCTURE, Compact

_FIRST_BYTES = 256
_MOST_BYTES = 16 << 20
"""Of a header; pyarrow reads no longer ones."""
_BY_DICTIONARY = (2, 8)
"""Encodings of data pages whose values are in the dictionary."""
_DICTIONARY_PAGE = 2


@dataclass(frozen=True)
class Page:
    """One page of a column chunk."""

    n_bytes: int
    """Uncompressed: nothing in it has more."""
    n_values: int
    """Nulls included; 0 for a dictionary."""
    is_dictionary: bool
    is_by_dictionary: bool
    """Whether its values are those of the dictionary, so that they may have more bytes than the page."""


def largest_value_bytes(read_at: Callable[[int, int], bytes], chunk: Chunk, is_whole: bool) -> int:
    """An upper bound of the bytes of a value of a column chunk, from all its page headers, or of its dictionary's alone.

    `read_at(n, place)` gives bytes of the file. Without `is_whole` values outside of the dictionary are left out. Raises
    ContractError for headers that cannot be read.
    """
    pages = _pages(read_at, chunk)
    first = next(pages, None)
    if first is None:
        return 0
    if is_whole:
        return max([first.n_bytes, *(page.n_bytes for page in pages if not page.is_by_dictionary)])
    return first.n_bytes if first.is_dictionary else 0


def _pages(read_at: Callable[[int, int], bytes], chunk: Chunk) -> Iterator[Page]:
    starts = [at for at in (chunk.dictionary_offset, chunk.data_offset) if at]
    at, n_values = min(starts, default=0), 0
    end = at + chunk.compressed_bytes
    while at < end and n_values < chunk.n_values:
        page, length = _header(read_at, at)
        n_values += page.n_values
        yield page
        at += length


def _header(read_at: Callable[[int, int], bytes], at: int) -> tuple[Page, int]:
    """A page, and the bytes from its header's first to the next page's first."""
    n_bytes = _FIRST_BYTES
    while True:
        data = bytes(read_at(n_bytes, at))
        reader = _Header(data)
        try:
            fields = reader.fields()
            break
        except IndexError as error:
            if len(data) < n_bytes or n_bytes >= _MOST_BYTES:
                raise ContractError(f"expected a page header at byte {at:,}, found its end missing") from error
            n_bytes *= 16
        except ContractError as error:
            raise ContractError(f"expected a page header at byte {at:,}, found that {error}") from error
    kind, n_uncompressed, n_compressed = (fields.get(field, -1) for field in (1, 2, 3))
    values, encoding = fields.get(5) or fields.get(8) or (0, None)
    if min(kind, n_uncompressed, n_compressed, values) < 0:
        raise ContractError(f"expected a page header at byte {at:,}, found one without its numbers")
    is_dictionary = kind == _DICTIONARY_PAGE
    return Page(n_uncompressed, values, is_dictionary, encoding in _BY_DICTIONARY), reader.at + n_compressed


class _Header(Compact):
    """A `PageHeader` of parquet.thrift, whose fields have numbers."""

    def fields(self) -> dict[int, Any]:
        """Kind and sizes; of a data page of either version values and encoding."""
        numbers = dict.fromkeys((1, 2, 3), (I32, self.signed))
        return self.structure(
            numbers | {5: (STRUCTURE, lambda: self._data_page(2)), 8: (STRUCTURE, lambda: self._data_page(4))}
        )

    def _data_page(self, encoding: int) -> tuple[int, int | None]:
        found = self.structure(dict.fromkeys((1, encoding), (I32, self.signed)))
        return found.get(1, 0), found.get(encoding)
