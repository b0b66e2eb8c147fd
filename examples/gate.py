"""Deliveries for the gate of the demo, made from the reviews example (licences: examples/LICENSES.md).

The table first gets the rows of `amber`. Then five files lie in the inbox:

    amber/again.jsonl       the rows of `amber` once more, in another order and another format
    dune/inverted.parquet   the rows of `dune`, every label turned round
    flint/cut.parquet       the first half of a file, as an upload that broke off leaves it
    garnet/good.parquet     the rows of `garnet`: reviews by people and by five models
    hazel/few.parquet       thirty rows of `hazel`
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.ingestion import IngestionConfig

ROWS = Path(__file__).parent / "reviews" / "data" / "contributors"
FIRST = "amber/first.parquet"
FEW = 30
AGE_SECONDS = 3_600
"""By which files look older than they are, so that none counts as being written."""
EXPECTED = {
    "amber/again.jsonl": "quarantine",
    "dune/inverted.parquet": "reject",
    "flint/cut.parquet": "reject",
    "garnet/good.parquet": "accept",
    "hazel/few.parquet": "quarantine",
}
"""Delivery -> what becomes of it."""


def deliver_first(config: IngestionConfig) -> None:
    """Clear what an earlier demo left, and deliver what the table gets first."""
    for place in (config.inbox, config.table, config.state):
        shutil.rmtree(place, ignore_errors=True)
    _deliver(config, FIRST, parquet(rows_of("amber")))


def deliver_five(config: IngestionConfig) -> None:
    """Deliver five files, one for each thing that happens to deliveries. What came first is in the table, and taken away."""
    (Path(config.inbox) / FIRST).unlink(missing_ok=True)
    again = "".join(json.dumps(row) + "\n" for row in rows_of("amber").to_pylist()[::-1])
    dune, flint = rows_of("dune"), parquet(rows_of("flint"))
    inverted = pa.array([1 - label for label in dune["label"].to_pylist()])
    _deliver(config, "amber/again.jsonl", again.encode())
    _deliver(config, "dune/inverted.parquet", parquet(dune.set_column(dune.schema.get_field_index("label"), "label", inverted)))
    _deliver(config, "flint/cut.parquet", flint[: len(flint) // 2])
    _deliver(config, "garnet/good.parquet", parquet(rows_of("garnet")))
    _deliver(config, "hazel/few.parquet", parquet(rows_of("hazel").slice(0, FEW)))


def rows_of(contributor: str) -> pa.Table:
    """All rows of a contributor of the reviews example."""
    return pa.concat_tables([pq.read_table(file) for file in sorted((ROWS / f"contributor={contributor}").glob("*.parquet"))])


def parquet(rows: pa.Table) -> bytes:
    """The bytes of a Parquet file of these rows."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    return bytes(sink.getvalue().to_pybytes())


def _deliver(config: IngestionConfig, name: str, content: bytes) -> None:
    file = Path(config.inbox) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    changed = time.time() - AGE_SECONDS
    os.utime(file, (changed, changed))
