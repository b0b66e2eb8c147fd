"""Listing many contributors at once: everybody keeps their own shards, in order, whatever folders are read together."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixval.config.source import SourceConfig
from mixval.storage import listing


@pytest.mark.parametrize("together", [1, 3, 100])
def test_everybody_keeps_their_own_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    monkeypatch.setattr(listing, "_FOLDERS_TOGETHER", together)
    expected = {f"c{i}": [f"part-{s}.parquet" for s in range(i % 4)] for i in range(8)}
    for name, shards in expected.items():
        (tmp_path / "in" / name).mkdir(parents=True)
        for n_rows, shard in enumerate(shards, 1):
            pq.write_table(pa.table({"of": [name] * n_rows}), tmp_path / "in" / name / shard)
    found = listing.list_contributors(SourceConfig(contributors=str(tmp_path / "in"), target=str(tmp_path / "t")))
    assert list(found) == sorted(expected)
    for name, shards in found.items():
        assert [shard.name for shard in shards] == expected[name]
        assert [shard.n_rows for shard in shards] == list(range(1, len(shards) + 1))
        assert all(f"/{name}/" in shard.url for shard in shards)
