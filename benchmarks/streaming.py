"""Peak memory against file size: does reading a contributor's shard hold more when the file is larger?

python -m benchmarks.streaming
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_BYTES = 16 * 1024
ROWS_A_GROUP = 128

# Runs in a process of its own, since peak memory never falls: growth from before the first row to after the last.
READER = """
import re, sys
from pathlib import Path
from mixval.config.source import SourceConfig
from mixval.storage.listing import list_contributors
from mixval.storage.sample import draw_rows
from mixval.storage.shards import stream_rows
source = SourceConfig(contributors=sys.argv[1], target=sys.argv[1], origin="real")
(shards,) = list_contributors(source).values()
next(iter(stream_rows(shards, source, "language-modelling", batch_rows=64)))
# Not getrusage: its peak is inherited from the process that started this one.
peak_kib = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))
before = peak_kib()
rows = stream_rows(shards, source, "language-modelling", batch_rows=64)
drawn = draw_rows(
    rows, "language-modelling", count=100, fraction=None, n_real=sum(s.n_rows for s in shards), n_synthetic=0,
    bad_rows=set(), seed=0,
)
assert drawn.num_rows == 100
print((peak_kib() - before) * 1024)
"""


def growth_bytes(file_bytes: int) -> int:
    """Bytes by which a process grows at most while 100 rows are drawn from a shard of `file_bytes`."""
    with tempfile.TemporaryDirectory() as folder:
        shard = Path(folder) / "contributor=one" / "part-000.parquet"
        shard.parent.mkdir()
        _write(shard, file_bytes)
        done = subprocess.run([sys.executable, "-c", READER, folder], capture_output=True, text=True, check=True)
    return int(done.stdout)


def _write(shard: Path, file_bytes: int) -> None:
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(shard, pa.schema([("text", pa.string())]), compression="none", use_dictionary=False) as writer:
        for _ in range(file_bytes // (ROW_BYTES * ROWS_A_GROUP)):
            texts = [rng.bytes(ROW_BYTES // 2).hex() for _ in range(ROWS_A_GROUP)]
            writer.write_table(pa.table({"text": texts}))


if __name__ == "__main__":
    for mebibytes in (64, 256):
        print(f"{mebibytes} MiB shard: {growth_bytes(mebibytes * 2**20) / 2**20:.1f} MiB growth")
