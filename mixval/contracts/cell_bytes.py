"""How many bytes each cell of a column has once it is decoded, found without decoding it.

A dictionary, a run or a list view may name one long value a thousand times: what such a column takes in memory says nothing of
what its rows take. Letters: N cells of an array.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

ITEM_BYTES = 256
"""Charged for each item of a list that has no fixed width, besides its content: as a Python object it takes about as many."""
MOST_ITEMS = 2_000_000
"""Items that are looked at together; a cell of more counts as these charges alone, half a gigabyte."""
_VIEW_BYTES = 16


def cell_bytes(array: pa.Array) -> np.ndarray:  # (N,) int64
    """Decoded bytes of each cell; 0 for a null one, and 1 at least for any other that has a width.

    The array must be valid (`pa.Array.validate(full=True)`). Types that no column of the row contract has, such as unions,
    count with their share of the array's bytes.
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return cell_bytes(array.storage)
    if pat.is_null(kind) or len(array) == 0:
        return np.zeros(len(array), np.int64)
    if (width := _width(kind)) is not None:
        return np.full(len(array), width, np.int64)
    sized = next((sized for is_so, sized in _SIZED.items() if is_so(kind)), None)
    if sized is None:
        return np.full(len(array), -(-array.nbytes // len(array)), np.int64)
    return np.where(np.asarray(array.is_valid()), sized(array), 0)


def without_large_cells(batch: pa.RecordBatch, max_bytes: int) -> tuple[pa.RecordBatch, dict[int, str]]:
    """The batch with null in the place of cells that have more bytes once decoded, and why by row."""
    columns, refused = list(batch.columns), dict[int, str]()
    for place, (name, column) in enumerate(zip(batch.schema.names, columns, strict=True)):
        sizes = cell_bytes(column)
        large = np.flatnonzero(sizes > max_bytes)
        if not len(large):
            continue
        columns[place] = _without(column, sizes > max_bytes)
        for at in large.tolist():
            refused[at] = (
                f"column '{name}' must have at most {max_bytes:,} bytes in a row once decoded (source.storage.max_cell_bytes), "
                f"found {sizes[at]:,}"
            )
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema) if refused else batch, refused


def _without(column: pa.Array, is_left_out: np.ndarray) -> pa.Array:
    try:
        return column.take(pa.array(np.arange(len(column)), mask=is_left_out))
    except pa.ArrowNotImplementedError:  # views and runs
        cells = [pa.nulls(1, column.type) if out else column.slice(at, 1) for at, out in enumerate(is_left_out.tolist())]
        return pa.concat_arrays(cells)


def _width(kind: pa.DataType) -> int | None:
    """Bytes of each value of a type of a fixed width; None of others."""
    if pat.is_dictionary(kind) or pat.is_run_end_encoded(kind):
        return None
    if pat.is_fixed_size_list(kind):
        width = _width(kind.value_type)
        return None if width is None else width * kind.list_size
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:
        return None


def _of_lengths(array: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.binary_length(array), 0)).astype(np.int64)


def _of_views(array: pa.Array) -> np.ndarray:
    views = np.frombuffer(array.buffers()[1], np.int32, count=(array.offset + len(array)) * _VIEW_BYTES // 4)
    return np.asarray(views.reshape(-1, 4)[array.offset :, 0], np.int64)  # a view begins with its value's length


def _of_dictionary(array: pa.DictionaryArray) -> np.ndarray:
    indices = np.asarray(pc.fill_null(array.indices, 0)).astype(np.int64)
    words = cell_bytes(array.dictionary)
    if not len(words):
        return np.zeros(len(array), np.int64)
    return np.asarray(words[indices.clip(0, len(words) - 1)])  # places that a dictionary lacks are told where it is decoded


def _of_runs(array: pa.RunEndEncodedArray) -> np.ndarray:
    ends = np.asarray(array.run_ends).astype(np.int64)
    run = np.searchsorted(ends, array.offset + np.arange(len(array)), side="right")
    return np.asarray(cell_bytes(array.values)[run])


def _of_struct(array: pa.StructArray) -> np.ndarray:
    fields = (cell_bytes(field) for field in array.flatten())
    return sum(fields, np.zeros(len(array), np.int64))


def _of_list(array: pa.Array) -> np.ndarray:
    lengths = _lengths(array)
    if (few := _of_many_items(array, lengths)) is not None:
        return few
    return _sums(array.flatten(), np.cumsum(lengths) - lengths, lengths)


def _of_list_view(array: pa.Array) -> np.ndarray:
    # Views may overlap, so that flattened they would take what is to be found out.
    lengths, starts = _lengths(array), np.asarray(array.offsets).astype(np.int64)
    if (few := _of_many_items(array, lengths)) is not None:
        return few
    seen = lengths > 0
    first = int(starts[seen].min(initial=np.iinfo(np.int64).max)) if seen.any() else 0
    last = int((starts + lengths)[seen].max(initial=first))
    return _sums(array.values.slice(first, last - first), np.where(seen, starts - first, 0), lengths)


def _lengths(array: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.list_value_length(array), 0)).astype(np.int64)


def _of_many_items(array: pa.Array, lengths: np.ndarray) -> np.ndarray | None:
    """The cells of lists with more items than are looked at together; None where they are fewer."""
    if (width := _width(array.type.value_type)) is not None:
        return lengths * width
    if lengths.sum() <= MOST_ITEMS:
        return None
    if len(array) == 1:
        return lengths * ITEM_BYTES
    half = len(array) // 2
    return np.concatenate([cell_bytes(array.slice(0, half)), cell_bytes(array.slice(half))])


def _of_map(array: pa.MapArray) -> np.ndarray:
    offsets = np.asarray(array.offsets).astype(np.int64)
    entries = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
    return _sums(entries, offsets[:-1], np.diff(offsets))


def _sums(items: pa.Array, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Bytes of the items from each start on, as many as each length says; null ones are items, too."""
    before = np.concatenate([[0], np.cumsum(cell_bytes(items) + ITEM_BYTES)])
    return np.asarray(before[starts + lengths] - before[starts], np.int64)


_SIZED: dict[Callable[[pa.DataType], bool], Callable[[pa.Array], np.ndarray]] = {
    pat.is_string: _of_lengths,
    pat.is_large_string: _of_lengths,
    pat.is_binary: _of_lengths,
    pat.is_large_binary: _of_lengths,
    pat.is_string_view: _of_views,
    pat.is_binary_view: _of_views,
    pat.is_dictionary: _of_dictionary,
    pat.is_run_end_encoded: _of_runs,
    pat.is_struct: _of_struct,
    pat.is_list: _of_list,
    pat.is_large_list: _of_list,
    pat.is_fixed_size_list: _of_list,
    pat.is_list_view: _of_list_view,
    pat.is_large_list_view: _of_list_view,
    pat.is_map: _of_map,
}
