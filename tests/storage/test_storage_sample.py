"""Samples: the same rows whatever the split, order or batch size; nested; stratified; repeats told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixval.contracts.batches import RowBatch
from mixval.errors import ContractError
from mixval.storage.sample import draw_rows, part_counts


def rows(n_real: int, n_synthetic: int, repeats: int = 0) -> pa.Table:
    """Text rows, `repeats` of the real ones standing twice."""
    texts = [f"real {row}" for row in range(n_real - repeats)] + [f"real {row}" for row in range(repeats)]
    texts += [f"made {row}" for row in range(n_synthetic)]
    return pa.table(
        {
            "text": texts,
            "label": [row % 3 for row in range(len(texts))] if not repeats else [0] * len(texts),
            "origin": ["real"] * n_real + ["synthetic"] * n_synthetic,
        }
    )


def batches(table: pa.Table, sizes: list[int]) -> Iterator[RowBatch]:
    """The table as batches of these sizes, over and over, two batches a shard."""
    start = number = offset = 0
    while start < table.num_rows:
        size = sizes[number % len(sizes)]
        piece = table.slice(start, size)
        yield RowBatch(piece, number // 2, offset)
        offset = offset + piece.num_rows if number % 2 == 0 else 0
        start, number = start + size, number + 1


def draw(table: pa.Table, sizes: list[int] | None = None, **options: object) -> pa.Table:
    counts = Counter(table["origin"].to_pylist())
    given = {"n_real": counts["real"], "n_synthetic": counts["synthetic"], "seed": 0} | options
    return draw_rows(batches(table, sizes or [7]), "text-classification", **given)


@pytest.mark.parametrize("count", [None, 5, 40, 399])
def test_the_same_for_any_split_order_and_batch_size(count: int | None) -> None:
    table = rows(300, 200, repeats=40)
    expected = draw(table, [1000], count=count)
    shuffled = table.take(np.random.default_rng(1).permutation(500))
    for other, sizes in ((table, [1]), (table, [3, 50, 8]), (shuffled, [64]), (shuffled, [13, 1])):
        assert draw(other, sizes, count=count).equals(expected)


def test_sorted_by_key_with_every_column() -> None:
    found = draw(rows(60, 40), count=30)
    assert found.schema.names == ["text", "label", "origin", "key"]
    assert found.schema.field("key").type == pa.uint64()
    keys = found["key"].to_numpy()
    assert (np.diff(keys.astype(object)) > 0).all()


def test_the_smallest_keys_of_each_part_are_drawn() -> None:
    table = rows(60, 40)
    whole, some = draw(table).to_pylist(), draw(table, count=30).to_pylist()
    for origin, n in (("real", 18), ("synthetic", 12)):
        assert [row for row in some if row["origin"] == origin] == [row for row in whole if row["origin"] == origin][:n]


@pytest.mark.parametrize("rule", ["count", "fraction"])
def test_nested(rule: str) -> None:
    table = rows(70, 30)
    before: set[int] = set()
    for size in (5, 10, 33, 80, 100):
        drawn = set(draw(table, **{rule: size if rule == "count" else size / 100})["key"].to_pylist())
        assert before < drawn
        before = drawn


def test_another_seed_draws_other_rows() -> None:
    table = rows(500, 500)
    one, other = (set(draw(table, count=100, seed=seed)["text"].to_pylist()) for seed in (0, 1))
    assert len(one & other) < 40


def test_every_row_is_as_likely() -> None:
    table = rows(40, 0)
    met = Counter(text for seed in range(400) for text in draw(table, [40], count=10, seed=seed)["text"].to_pylist())
    # Binomial(400, 1/4): mean 100, standard deviation 8.7; 5 deviations hold for all 40 rows at once.
    assert len(met) == 40
    assert all(abs(n - 100) < 44 for n in met.values())


def test_bad_rows_are_left_out_by_their_place() -> None:
    table = rows(10, 6)
    kept = draw_rows(
        batches(table, [4]), "text-classification", n_real=8, n_synthetic=5, bad_rows={(0, 0), (0, 5), (1, 7)}, seed=0
    )
    assert set(table["text"].to_pylist()) - set(kept["text"].to_pylist()) == {"real 0", "real 5", "made 5"}
    left = table.take([row for row in range(16) if row not in (0, 5, 15)])
    assert kept.equals(draw(left))


def test_repeats_are_rows_of_their_own() -> None:
    table = rows(20, 0, repeats=10)
    found = draw(table)
    assert found.num_rows == 20
    assert len(set(found["key"].to_pylist())) == 20
    assert Counter(found["text"].to_pylist()) == Counter(table["text"].to_pylist())


def test_images_and_chats_are_drawn_by_content() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 2, 2, 3)).astype(np.uint8)
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
    table = pa.table({"image": tensor, "label": range(30), "origin": ["real"] * 30})
    one = draw_rows(batches(table, [7]), "image-classification", count=9, n_real=30, n_synthetic=0, seed=3)
    order = np.random.default_rng(5).permutation(30)
    other = draw_rows(batches(table.take(order), [11]), "image-classification", count=9, n_real=30, n_synthetic=0, seed=3)
    assert one.equals(other)
    np.testing.assert_array_equal(one["image"].combine_chunks().to_numpy_ndarray(), pixels[one["label"].to_numpy()])
    chat = pa.table(
        {"prompt": [[{"role": "user", "content": f"{n}"}] for n in range(9)], "response": ["r"] * 9, "origin": ["real"] * 9}
    )
    found = draw_rows(batches(chat, [2]), "instruction", count=4, n_real=9, n_synthetic=0, seed=0)
    assert found.num_rows == 4
    assert len({row["prompt"][0]["content"] for row in found.to_pylist()}) == 4


def test_a_tensor_image_that_is_missing_has_a_key_too() -> None:
    storage = pa.array([[1, 2, 3], None], pa.list_(pa.uint8(), 3))
    tensor = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.uint8(), (1, 1, 3)), storage)
    table = pa.table({"image": tensor, "label": [0, 1], "origin": ["real"] * 2})
    assert draw_rows(batches(table, [2]), "image-classification", n_real=2, n_synthetic=0, seed=0).num_rows == 2


def test_an_id_that_some_shards_lack_is_null_there() -> None:
    def shard(number: int, **more: object) -> RowBatch:
        return RowBatch(pa.table({"text": [f"t{number}"], "label": [number], "origin": ["real"], **more}), number, 0)

    given = [shard(0), shard(1, id=["one"])]
    for order in (given, given[::-1]):
        found = draw_rows(order, "text-classification", n_real=2, n_synthetic=0, seed=0)
        assert found.column_names[-1] == "key"
        assert {row["text"]: row["id"] for row in found.to_pylist()} == {"t0": None, "t1": "one"}


def test_data_that_changed_under_way_is_told() -> None:
    with pytest.raises(ContractError, match="expected 11 real and 6 synthetic rows to draw from, found 10 and 6"):
        draw(rows(10, 6), n_real=11)
    with pytest.raises(ContractError, match="expected 0 real"):
        draw(rows(0, 0))


def test_an_origin_that_is_neither_is_told() -> None:
    table = pa.table({"text": ["a"], "label": [0], "origin": ["human"]})
    with pytest.raises(ContractError, match="must be real or synthetic, found 'human'"):
        draw(table, n_real=1, n_synthetic=0)


def test_shards_of_different_types_are_told() -> None:
    text = pa.table({"prompt": ["p"], "response": ["r"], "origin": ["real"]})
    chat = pa.table({"prompt": [[{"role": "user", "content": "p"}]], "response": ["r"], "origin": ["real"]})
    with pytest.raises(ContractError, match="column 'prompt' must be string as in the shards before, found list"):
        draw_rows([RowBatch(text, 0, 0), RowBatch(chat, 1, 0)], "instruction", n_real=2, n_synthetic=0, seed=0)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(2, 700))
def test_part_counts_are_proportional_and_grow(n_real: int, n_synthetic: int, count: int) -> None:
    real, synthetic = part_counts(n_real, n_synthetic, count)
    n = n_real + n_synthetic
    least = min(2, n_real), min(2, n_synthetic)
    assert least[0] <= real <= n_real
    assert least[1] <= synthetic <= n_synthetic
    assert real + synthetic == max(min(count, n), sum(least))
    if count < n and real > least[0] and synthetic > least[1]:
        assert abs(real - count * n_real / n) <= 0.5
    more = part_counts(n_real, n_synthetic, count + 1)
    assert more[0] >= real
    assert more[1] >= synthetic


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.001, 1))
def test_part_counts_by_fraction(n_real: int, n_synthetic: int, fraction: float) -> None:
    for n, drawn in zip((n_real, n_synthetic), part_counts(n_real, n_synthetic, fraction=fraction), strict=True):
        assert min(2, n) <= drawn <= n
        assert abs(drawn - fraction * n) <= 2
    assert part_counts(n_real, n_synthetic, fraction=1.0) == (n_real, n_synthetic) == part_counts(n_real, n_synthetic)
