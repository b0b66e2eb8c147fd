"""Which columns a shard must have, and what somebody whose columns have other names is told."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mixval.config.tasks import Task
from mixval.contracts.mapping import row_mapping


@pytest.mark.parametrize(
    ("task", "columns", "names", "absent", "remedy"),
    [
        ("text-classification", {}, ["review", "stars"], "text, label, origin", "{text: YOUR_COLUMN, label: YOUR_COLUMN}"),
        ("text-classification", {}, ["text", "stars"], "label, origin", "{label: YOUR_COLUMN}"),
        ("instruction", {}, ["question", "answer"], "prompt, response, origin", "{prompt: YOUR_COLUMN, response: YOUR_COLUMN}"),
    ],
)
def test_all_missing_columns_are_told_at_once(
    task: Task, columns: dict[str, str], names: list[str], absent: str, remedy: str
) -> None:
    found = row_mapping(task, columns, has_origin=True).find_mismatch(pa.schema({name: pa.string() for name in names}))
    assert found is not None
    assert f"columns {absent} are expected once each, found {', '.join(names)}" in found.message
    assert f"`source.columns: {remedy}`" in (found.advice or "")
    assert "`source.origin: real`" in (found.advice or "")


def test_a_mapped_column_that_is_not_there_is_named_by_both_names() -> None:
    mapping = row_mapping("text-classification", {"text": "body", "label": "stars"}, has_origin=False)
    found = mapping.find_mismatch(pa.schema({"review": pa.string(), "stars": pa.int64()}))
    assert found is not None
    assert "column 'body', which gives 'text', is expected once, found review, stars" in found.message
