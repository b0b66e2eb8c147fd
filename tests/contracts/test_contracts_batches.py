"""Merged batches hold the same rows in the same places, and never reach over a shard or a size."""

import pyarrow as pa

from mixval.contracts.batches import RowBatch, merged


def batches(*sizes: tuple[int, int]) -> list[RowBatch]:
    """Batches of (shard, rows), numbered through within a shard."""
    offsets: dict[int, int] = {}
    made = []
    for shard, rows in sizes:
        start = offsets.get(shard, 0)
        made.append(RowBatch(pa.table({"row": list(range(start, start + rows))}), shard, start))
        offsets[shard] = start + rows
    return made


def test_row_groups_are_joined_up_to_the_size_and_within_a_shard() -> None:
    found = list(merged(batches((0, 3), (0, 3), (0, 3), (1, 3), (1, 8)), n_rows=6))
    assert [(one.shard_index, one.row_offset, one.table.num_rows) for one in found] == [
        (0, 0, 6),
        (0, 6, 3),
        (1, 0, 3),
        (1, 3, 8),
    ]
    for one in found:
        rows = one.table["row"].to_pylist()
        assert rows == list(range(one.row_offset, one.row_offset + len(rows)))


def test_a_gap_in_the_rows_is_not_bridged_and_nothing_comes_of_nothing() -> None:
    first, second = batches((0, 2), (0, 2))
    moved = RowBatch(second.table, 0, 7)
    assert [one.row_offset for one in merged([first, moved], 100)] == [0, 7]
    assert list(merged([], 100)) == []
