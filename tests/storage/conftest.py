"""Roots on which the storage room is tested: a folder on disk, and memory. S3 has a file of its own."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixval.storage.root import Location, open_location


@pytest.fixture(params=["disk", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty place that is not there yet."""
    return open_location(tmp_path / "root" if request.param == "disk" else f"memory://{uuid.uuid4().hex}")


@pytest.fixture
def write_shard() -> Callable[..., None]:
    """Writes columns (or a table) as Parquet to a location."""

    def write(location: Location, columns: dict[str, object] | pa.Table, row_group_size: int | None = None) -> None:
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        sink = io.BytesIO()
        pq.write_table(table, sink, row_group_size=row_group_size)
        location.write_bytes(sink.getvalue())

    return write
