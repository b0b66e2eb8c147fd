"""Memory while a sample is drawn: far below the file, and the same for a file of twice the size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MIB = 1 << 20
ROW_BYTES = 32 << 10

DRAW = """
import resource, sys
from mixval.config.source import SourceConfig
from mixval.storage.listing import list_contributors
from mixval.storage.sample import draw_rows
from mixval.storage.shards import stream_rows

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def draw(folder):
    source = SourceConfig(contributors=folder, target="memory://none", origin="real")
    shards = list_contributors(source)["a"]
    batches = stream_rows(shards, source, "image-classification", batch_rows=64)
    drawn = draw_rows(batches, "image-classification", count=20, n_real=shards[0].n_rows, n_synthetic=0, seed=0)
    assert drawn.num_rows == 20

peaks = []
for folder in sys.argv[1:]:
    draw(folder)
    peaks.append(peak())
print(peaks[1] - peaks[0], peaks[2] - peaks[1])
"""


def write_images(folder: Path, size_bytes: int, group_rows: int) -> str:
    """A shard of different images, written row group by row group, and the folder it lies below."""
    noise = np.random.default_rng(0).bytes(ROW_BYTES - 8)
    (folder / "a").mkdir(parents=True)
    schema = pa.schema([("image", pa.binary()), ("label", pa.int64())])
    n_rows = size_bytes // ROW_BYTES
    with pq.ParquetWriter(folder / "a" / "x.parquet", schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, n_rows, group_rows):
            rows = range(start, min(start + group_rows, n_rows))
            images = [row.to_bytes(8) + noise for row in rows]
            writer.write_table(pa.table({"image": images, "label": list(rows)}, schema), row_group_size=group_rows)
    return str(folder)


@pytest.mark.parametrize("group_rows", [100, 100_000], ids=["many row groups", "one row group"])
def test_drawing_does_not_grow_with_the_file(tmp_path: Path, group_rows: int) -> None:
    folders = [write_images(tmp_path / f"{size}", size * MIB, group_rows) for size in (2, 64, 128)]
    done = subprocess.run([sys.executable, "-c", DRAW, *folders], capture_output=True, text=True, check=True)
    first, doubled = (int(word) for word in done.stdout.split())
    # A draw holds the 20 rows, up to 128 more, and a batch of 64: 7 MiB, twice while they are sorted.
    assert first < 32 * MIB
    assert doubled < 8 * MIB
