"""Gates that race the same shards into a table of one row: rows that are lost or doubled, on a disk and over the wire."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, figure
from benchmarks.gate.scene import Count, Gate, config_at, count, lay_out, on_disk, race

GATES, SHARDS = 8, 10
COMMAND = "python -m benchmarks.gate races"


def figures(n_races: int) -> list[Figure]:
    """Races on a disk and, as many, over the wire; what they lost and doubled in all."""
    found: list[tuple[str, Count]] = []
    for _ in range(n_races):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "inbox").mkdir()
            found.append(("disk", _raced(on_disk(Path(folder)), {})))
    with served() as (url, environment):
        for _ in range(n_races):
            found.append(("s3", _raced(Gate(config_at(f"{url}/{uuid.uuid4().hex}")), environment)))
    made = [figure("races", len(found), "-", "races", COMMAND)]
    for place in ("disk", "s3"):
        made.append(figure(f"races/{place}", sum(where == place for where, _ in found), "-", "races", COMMAND))
    made.append(figure("rows_lost", sum(one.lost for _, one in found), "0", "rows", COMMAND))
    made.append(figure("rows_doubled", sum(one.doubled for _, one in found), "0", "rows", COMMAND))
    return made


def _raced(gate: Gate, environment: dict[str, str]) -> Count:
    texts = lay_out(gate, SHARDS)
    codes = race(gate, GATES, environment)
    found = count(gate, texts)
    print(f"{gate.config.table}: {codes}, {found}", flush=True)
    if any(codes):
        raise SystemExit(f"expected every gate to end well, found exit codes {codes}")
    return found


@contextmanager
def served() -> Iterator[tuple[str, dict[str, str]]]:
    """An S3 server's prefix, and the environment in which it is found; this process has it, too."""
    import os

    from tests.s3_server import serve_s3

    with serve_s3() as bucket:
        print(f"S3: {bucket.server_name}", flush=True)
        before = dict(os.environ)
        os.environ.update(bucket.environment)
        try:
            yield bucket.url, bucket.environment
        finally:
            os.environ.clear()
            os.environ.update(before)
