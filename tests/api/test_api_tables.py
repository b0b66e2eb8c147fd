"""Tables of every library that is taken become the same rows in files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mixval.api import tables
from mixval.api.source import Where, source_of
from mixval.errors import ConfigError
from mixval.storage.root import open_location

ROWS = [{"text": f"row {i} größer", "label": i % 3, "origin": "real", "kept out": [i]} for i in range(40)]
COLUMNS = ["text", "label", "origin", "id"]


def polars() -> Any:
    import polars as pl

    return pl.DataFrame(ROWS)


def hugging_face() -> Any:
    import datasets

    whole = datasets.Dataset.from_list([*ROWS[::-1], ROWS[0]]).cast_column("label", datasets.ClassLabel(names=["a", "b", "c"]))
    return whole.select(range(39, -1, -1))  # indices of its own over the stored rows


LIBRARIES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(ROWS, index=range(7, 47)),
    "categories": lambda: pd.DataFrame(ROWS).astype({"text": "category"}),
    "pyarrow": lambda: pa.Table.from_pylist(ROWS),
    "a stream": lambda: pa.Table.from_pylist(ROWS).to_reader(7),
    "views": lambda: pa.Table.from_pylist(ROWS).set_column(0, "text", pa.array([r["text"] for r in ROWS], pa.string_view())),
}


def written(given: Any, folder: Path, columns: list[str] = COLUMNS) -> pa.Table:
    assert tables.is_table(given)
    url = tables.write_shards(tables.held(given), columns, open_location(folder), "here")
    return pa.concat_tables([pq.read_table(file) for file in sorted(Path(url.removeprefix("file://")).iterdir())])


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_come_through_unchanged(library: str, tmp_path: Path) -> None:
    found = written(LIBRARIES[library](), tmp_path)
    assert found.to_pylist() == [{name: row[name] for name in COLUMNS[:3]} for row in ROWS]


@pytest.mark.tables
@pytest.mark.parametrize("made", [polars, hugging_face])
def test_so_do_those_of_libraries_that_are_not_ours(made: Callable[[], Any], tmp_path: Path) -> None:
    found = written(made(), tmp_path)
    assert found.to_pylist() == [{name: row[name] for name in COLUMNS[:3]} for row in ROWS]
    kept = {"hugging_face": [b"huggingface"], "polars": []}  # names of classes stay with the labels
    assert list(found.schema.metadata or {}) == kept[made.__name__]


@pytest.mark.tables
def test_images_of_a_dataset_are_its_files(tmp_path: Path) -> None:
    import datasets

    found = written(datasets.Dataset.from_list([{"image": Image.new("RGB", (9, 8)), "label": 1}]), tmp_path, ["image", "label"])
    assert Image.open(io.BytesIO(found["image"][0].as_py()["bytes"])).size == (9, 8)


@pytest.mark.tables
def test_what_is_nearly_a_table_is_told_how_to_become_one(tmp_path: Path) -> None:
    import datasets
    import polars as pl

    whole, output = datasets.Dataset.from_list(ROWS), open_location(tmp_path)
    where = Where({}, "real", "folders", "contributor", {})
    for given, words in (
        (datasets.DatasetDict(train=whole), r'found DatasetDict. Give one of its splits, such as `dataset\["train"\]`'),
        (whole.to_iterable_dataset(), "found IterableDataset. Load it without `streaming=True`"),
        (pl.LazyFrame(ROWS), r"found LazyFrame. Collect it: `.collect\(\)`"),
    ):
        with pytest.raises(ConfigError, match=words):
            source_of({"a": given}, whole, output, None, where)


@pytest.mark.parametrize("given", ["a/path.parquet", 3, {"text": ["x"]}, [1]])
def test_what_is_no_table_is_not_taken_for_one(given: Any) -> None:
    assert not tables.is_table(given)
