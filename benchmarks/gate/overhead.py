"""What a hundred small deliveries in one inbox cost beside their model compute, and where the rest goes.

One gate in this process over an inbox of equally large deliveries of review sentences, all of which enter the table. Its
processor time is divided by that of a plain loop of forward and backward passes over the same rows, delivery by delivery, as
the statistics make them. What is imported first is not counted: a gate over two deliveries has run before.

Models: `bert`, four layers of the demo's gate; `ngrams`, which computes next to nothing.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

import mixval.stages.statistics as statistics_stage
from benchmarks.figures import Figure, figure
from examples.demo import config_file
from examples.gate import AGE_SECONDS, ROWS, rows_of
from mixval.config.ingestion import IngestionConfig
from mixval.config.load import load_config_as
from mixval.config.valuation import merge
from mixval.stages.account import Account, EndMessage
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import GateRun, run_gate

COMMAND = "OPENBLAS_NUM_THREADS=1 python -m benchmarks.gate overhead"
"""Threads that wait for each other would count as work."""
DELIVERIES, ROWS_EACH = 100, 60
MODELS: dict[str, dict[str, Any]] = {
    "bert": {},
    "ngrams": {
        "backbone": {"random_init": {"architecture": "ngrams", "seed": 0}, "max_length": 96},
        "valuation": {"ntk": {"parameters": ["linear"]}},
    },
}
ALL_ENTER = [{"name": "all enter", "quantity": "rows", "above": 0, "then": "accept"}]


@dataclass
class CpuAccount(Account):
    """An account in processor time."""

    cpu_seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[EndMessage]:
        began = time.process_time()
        with super().stage(name, total) as message:
            yield message
        self.cpu_seconds[name] += time.process_time() - began


@dataclass(frozen=True)
class Spent:
    """Processor seconds of a gate."""

    in_all: float
    compute: float
    """Of the forward and backward passes over the deliveries' rows alone."""
    by_stage: dict[str, float]


def config_at(root: Path, model: str) -> IngestionConfig:
    """The demo's gate over folders of its own, under a model, where all that is delivered enters."""
    given = load_config_as(IngestionConfig, config_file()).model_dump(mode="json")
    places = {name: str(root / name) for name in ("inbox", "table", "state")}
    changed = {"policy": {"rules": ALL_ENTER}, "gate": {"data_docs": False}, **MODELS[model], **places}
    if "backbone" in changed:
        given = {**given, "backbone": changed.pop("backbone")}
    return IngestionConfig.model_validate(merge(given, changed))


def deliver(config: IngestionConfig, n: int, n_rows: int) -> None:
    """Put deliveries of sentences into the inbox, each of two of the example's of one label; no row comes twice."""
    names = sorted(folder.name.partition("=")[2] for folder in ROWS.iterdir())
    sentences = pa.concat_tables([rows_of(name).select(["text", "label"]) for name in names]).to_pylist()
    by_label = {label: sorted({row["text"] for row in sentences if row["label"] == label}) for label in (0, 1)}
    drawn, seen = random.Random(0), set[str]()
    for at in range(n):
        rows = list[dict[str, Any]]()
        while len(rows) < n_rows:
            label = len(rows) % 2
            text = " ".join(drawn.sample(by_label[label], 2))
            if text not in seen:
                seen.add(text)
                rows.append({"text": text, "label": label, "origin": "real"})
        file = Path(config.inbox) / f"contributor-{at:03}" / "part-0.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), file)
        os.utime(file, (time.time() - AGE_SECONDS,) * 2)


def spent(root: Path, model: str, n: int, n_rows: int) -> Spent:
    """Run one gate over so many deliveries, and add up."""
    config = config_at(root, model)
    deliver(config, n, n_rows)
    account = CpuAccount()
    with passes_timed() as passes:
        began = time.process_time()
        run = run_gate(config, InProcess(), account)
        in_all = time.process_time() - began
    require_all_in(run, n, n_rows)
    by_stage = dict(account.cpu_seconds)
    return Spent(in_all, sum(passes), by_stage | {"beside the stages": in_all - sum(by_stage.values())})


@contextmanager
def passes_timed() -> Iterator[list[float]]:
    """Processor seconds of each pass over the rows of a delivery."""
    taken, pass_over = list[float](), statistics_stage.measured_rows

    def timed(*given: Any) -> Any:
        began = time.process_time()
        measured = pass_over(*given)
        taken.append(time.process_time() - began)
        return measured

    statistics_stage.measured_rows = timed
    try:
        yield taken
    finally:
        statistics_stage.measured_rows = pass_over


def require_all_in(run: GateRun, n: int, n_rows: int) -> None:
    """Raises RuntimeError where a delivery did not enter: nothing could be said then of what a delivery costs."""
    accepted = [one for one in run.outcomes.values() if one.decision.action == "accept"]
    if len(accepted) != n or run.n_appended != n * n_rows:
        words = [one.decision.sentence for one in run.outcomes.values() if one.decision.action != "accept"]
        raise RuntimeError(
            f"expected {n} deliveries of {n_rows} rows to enter, found {len(accepted)}: {words[:3]} {run.failed}"
        )


def figures(n: int = DELIVERIES, n_rows: int = ROWS_EACH) -> list[Figure]:
    """The ratio under either model, and processor seconds by stage under the first."""
    torch.set_num_threads(1)  # threads that wait for each other would count as compute
    found = list[Figure]()
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            spent(Path(folder) / "warm", model, 2, n_rows)
            one = spent(Path(folder) / "cold", model, n, n_rows)
        make = partial(figure, command=COMMAND)
        suffix = "" if model == "bert" else f"/{model}"
        found.append(make(f"overhead_ratio{suffix}", one.in_all / one.compute, "<= 1.5" if not suffix else "-", ""))
        found.append(make(f"overhead_seconds_a_delivery{suffix}", (one.in_all - one.compute) / n, "-", "s CPU"))
        found.append(make(f"compute_seconds{suffix}", one.compute, "-", "s CPU"))
        found += [make(f"stage_seconds{suffix}/{name}", seconds, "-", "s CPU") for name, seconds in one.by_stage.items()]
    return found
