"""Pairs by letters and by intervals against an order that is known, counted by hand."""

import pyarrow as pa

from benchmarks.evidence.ties import told


def test_pairs_are_counted_by_what_tells_them_apart() -> None:
    rows = [("a", 4.0, 3.5, 4.5, 1), ("b", 3.0, 2.9, 3.6, 1), ("c", 1.0, 0.5, 1.5, 2), ("d", 9.0, None, None, None)]
    names = ("contributor", "value", "value_low", "value_high", "tie_group")
    ranking = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    found = told(ranking, {"a": 0.9, "b": 0.5, "c": 0.7, "d": 0.7})
    # Twice each, half right where training gives both the same: a over c is right, b over c wrong.
    assert found["letters"] == found["intervals"] == [True, True, False, False]
    assert sum(found["values"]) == 2 * (1 + 1 + 0) + 2 * (0 + 1) + 1  # a > b, a > c, b < c; d < a, d > b, d and c alike
    assert len(found["values"]) == 2 * 6
