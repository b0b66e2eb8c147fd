"""Is anything lost or doubled when a synthesis is killed at random times, as often as it takes?

    python -m benchmarks.synthesis kills

A process makes rows from `DOCUMENTS` documents with a chat server in a process of its own, and is killed without warning after
a random number of answers, up to `MOST_KILLS` times, before a start is left alone; so on with new outputs until `KILLS` were
killed. Every document must then have one row, kept or dropped, and none failed. Also counted: answers that the server gave
twice, which is what a kill costs. Without a cluster: what is killed is the process that asks, filters and writes.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figures import Figure, figure
from benchmarks.synthesis.server_process import serving
from benchmarks.synthesis.tiny import save_tiny
from mixval.config.synthesis import SynthesisConfig
from mixval.contracts.json_text import read_json
from mixval.synthesis.local import computed_here
from mixval.synthesis.tables import DROPPED, FAILED, ROWS
from mixval.synthesis.whole import synthesize_with

COMMAND = "python -m benchmarks.synthesis kills"
DOCUMENTS = 120
KILLS = 50
MOST_KILLS = 4
"""Of one output."""
SLOW_SECONDS = 0.2
"""The server holds every answer as long."""
AFTER_SECONDS = 0.3
"""A kill comes within as long after its answer, so that it falls into filters and publication, too."""
LIMIT_SECONDS = 300.0
SEED = 20261201


def figures(data: Path | None) -> list[Figure]:  # noqa: ARG001  needs no data: the documents are made here
    """What `KILLS` kills lost and doubled."""
    found = random_kills(KILLS)
    units = {"kills": "kills", "lost": "rows", "doubled": "rows", "failed": "rows", "hung": "starts"}
    figures = [
        figure(f"kills/{name}", found[name], "-" if name == "kills" else "0", unit, COMMAND) for name, unit in units.items()
    ]
    share = found["asked"] / (found["outputs"] * DOCUMENTS) - 1
    return [*figures, figure("kills/asked_again", share, "-", "share of requests", COMMAND)]


def random_kills(n_kills: int) -> Counter[str]:
    """Counts over as many outputs as these kills take."""
    found, draw, context = Counter[str](), random.Random(SEED), get_context("forkserver")
    context.set_forkserver_preload(["mixval.synthesis.whole", "mixval.synthesis.server"])
    with tempfile.TemporaryDirectory() as folder:
        root, log = Path(folder), Path(folder) / "log"
        documents = root / "documents.parquet"
        texts = [f"Note {at}: heron {at * 7919 % 1000} was seen near mill {at}." for at in range(DOCUMENTS)]
        pq.write_table(pa.table({"id": [f"doc-{at}" for at in range(DOCUMENTS)], "text": texts}), documents)
        with serving(save_tiny(root / "model"), log, slow_seconds=SLOW_SECONDS) as url:
            whole = root / "whole"
            _count(whole, _started(context.Process(target=_run, args=(documents, whole, url))), found)
            while found["kills"] < n_kills:
                output = root / f"out-{found['outputs']}"
                for _ in range(MOST_KILLS):
                    process = _started(context.Process(target=_run, args=(documents, output, url)))
                    _wait(process, log, draw.randint(0, 2 * DOCUMENTS // MOST_KILLS), draw.uniform(0, AFTER_SECONDS))
                    found["kills"] += process.is_alive()
                    process.kill()
                    process.join()
                _count(output, _started(context.Process(target=_run, args=(documents, output, url))), found)
                shutil.rmtree(output)
        found["asked"] = _answers(log)
    return found


def _run(documents: Path, output: Path, url: str) -> None:
    config = {
        "source": {"documents": str(documents)},
        "output": str(output),
        "recipe": "hq-rephrase",
        "generator": {"kind": "openai", "model": "tiny", "base_url": url, "concurrency": 8, "max_concurrency": 8},
        "sampling": {"max_tokens": 12},
        "filters": {"cut": False, "min_tokens": 0, "language": None},
    }
    synthesize_with(SynthesisConfig.model_validate(config), computed_here)


def _started(process: ForkServerProcess) -> ForkServerProcess:
    process.start()
    return process


def _wait(process: ForkServerProcess, log: Path, n_answers: int, seconds: float) -> None:
    """Until the server has given as many answers more and these seconds have passed, or the process has ended."""
    began = _answers(log)
    while process.is_alive() and _answers(log) - began < n_answers:
        time.sleep(0.02)
    process.join(seconds)


def _answers(log: Path) -> int:
    return len(log.read_text(encoding="utf-8").splitlines())


def _count(output: Path, process: ForkServerProcess, found: Counter[str]) -> None:
    """What became of an output's documents, once the start that is left alone has ended."""
    process.join(LIMIT_SECONDS)
    found["hung"] += process.is_alive()
    process.kill()
    process.join()
    found["outputs"] += 1
    seen = {name: Counter(_documents(output, name)) for name in (ROWS, DROPPED, FAILED)}
    every = sum(seen.values(), Counter[str]())
    found["lost"] += DOCUMENTS - len(every)
    found["doubled"] += every.total() - len(every)
    found["failed"] += seen[FAILED].total()


def _documents(output: Path, name: str) -> Iterator[str]:
    latest = output / "latest.json"
    if not latest.exists():
        return
    run = read_json(latest.read_bytes())
    assert isinstance(run, dict)
    for shard in sorted((output / "runs" / str(run["run_id"]) / name).glob("*.parquet")):
        yield from pq.read_table(shard, columns=["document"])["document"].to_pylist()
