"""Gates that are killed: at every step of the protocol, and at random moments. What is lost once another gate has run.

Of the protocol alone, with decisions that are given; and of the driver, which checks, values, decides, appends and publishes as
`mixval gate` does, in one process.
"""

from __future__ import annotations

import random
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.figures import Figure, figure
from benchmarks.gate.overhead import config_at as all_enter
from benchmarks.gate.races import served
from benchmarks.gate.scene import Count, Gate, config_at, count, lay_out, on_disk, run_until, start
from mixval.config.ingestion import IngestionConfig
from mixval.lake.steps import Step
from mixval.stages.account import Account
from mixval.stages.gate_publishing import publish_gate
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import run_gate

SHARDS = 4
COMMAND = "python -m benchmarks.gate kills"
DRIVER_COMMAND = "OPENBLAS_NUM_THREADS=1 python -m benchmarks.gate driver-kills"
PRELOADED = (__name__, "great_expectations", "transformers")
KILLS_EACH = 10
"""Of one scene, one gate after the other; the last one is left to go through."""


def figures(n_kills: int, n_over_the_wire: int) -> list[Figure]:
    """Kills at random on a disk and over the wire, and one at each step; what was lost in all."""
    scenes: list[tuple[int, Count]] = []
    random.seed(0)
    for _ in range(-(-n_kills // KILLS_EACH)):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "inbox").mkdir()
            scenes.append(_killed_at_random(on_disk(Path(folder)), {}))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "inbox").mkdir()
        scenes.append(_killed_at_steps(on_disk(Path(folder)), {}))
    with served() as (url, environment):
        for _ in range(-(-n_over_the_wire // KILLS_EACH)):
            scenes.append(_killed_at_random(Gate(config_at(f"{url}/{uuid.uuid4().hex}")), environment))
        scenes.append(_killed_at_steps(Gate(config_at(f"{url}/{uuid.uuid4().hex}")), environment))
    return [
        figure("kills", sum(n for n, _ in scenes), ">= 200", "kills", COMMAND),
        figure("rows_lost_by_kills", sum(one.lost for _, one in scenes), "0", "rows", COMMAND),
        figure("rows_doubled_by_kills", sum(one.doubled for _, one in scenes), "0", "rows", COMMAND),
        figure("decisions_lost", sum(one.decisions_lost for _, one in scenes), "0", "decisions", COMMAND),
    ]


def _killed_at_random(gate: Gate, environment: dict[str, str]) -> tuple[int, Count]:
    texts = list[str]()

    def deliver_more(first: int) -> None:
        texts.extend(lay_out(gate, first + SHARDS, has_table=False, first=first))

    n_kills = _killed(partial(start, gate.run, environment=environment), deliver_more, 2.0)
    return n_kills, _gone_through(gate, texts)


def _killed(started: Callable[[], BaseProcess], deliver_more: Callable[[int], None], longest: float) -> int:
    """Kills at random moments until as many as wanted hit a process at work. `deliver_more` adds deliveries after the first
    so many: at the beginning, and whenever a process got through. It is killed within `longest` seconds until one did."""
    n_kills, n_shards, span = 0, SHARDS, 0.0
    deliver_more(0)
    while n_kills < KILLS_EACH:
        began, killed = time.perf_counter(), started()
        timer = threading.Timer(random.random() * (span or longest), killed.kill)
        timer.start()
        killed.join()
        timer.cancel()
        n_kills += killed.exitcode == -signal.SIGKILL
        if killed.exitcode == 0:
            span = max(span, time.perf_counter() - began)
            deliver_more(n_shards)
            n_shards += SHARDS
        elif killed.exitcode != -signal.SIGKILL:
            raise SystemExit(f"expected a process that ends well or is killed, found exit code {killed.exitcode}")
    return n_kills


def _killed_at_steps(gate: Gate, environment: dict[str, str]) -> tuple[int, Count]:
    steps = get_args(Step)
    texts = lay_out(gate, len(steps) + 1, has_table=False)
    for step in (one for one in steps if one != "widened"):  # this table is made by the gate, with all its columns
        killed = start(run_until, gate, step, environment=environment)
        killed.join()
        if killed.exitcode != -signal.SIGKILL:
            raise SystemExit(f"expected a gate that ends at `{step}`, found exit code {killed.exitcode}")
    return len(steps) - 1, _gone_through(gate, texts)


def driver_figures(n_kills: int) -> list[Figure]:
    """Kills of the driver at random, on a disk; what was lost in all."""
    random.seed(0)
    scenes = list[tuple[int, Count]]()
    for _ in range(-(-n_kills // KILLS_EACH)):
        with tempfile.TemporaryDirectory() as folder:
            scenes.append(_driver_killed(all_enter(Path(folder), "ngrams")))
    return [
        figure("driver_kills", sum(n for n, _ in scenes), ">= 30", "kills", DRIVER_COMMAND),
        figure("driver_rows_lost", sum(one.lost for _, one in scenes), "0", "rows", DRIVER_COMMAND),
        figure("driver_rows_doubled", sum(one.doubled for _, one in scenes), "0", "rows", DRIVER_COMMAND),
        figure("driver_decisions_lost", sum(one.decisions_lost for _, one in scenes), "0", "decisions", DRIVER_COMMAND),
    ]


def _driver_killed(config: IngestionConfig) -> tuple[int, Count]:
    gate, texts = Gate(config), list[str]()

    def deliver_more(first: int) -> None:
        texts.extend(_sentences(config, first, SHARDS))

    driver = partial(start, drive, config, preloaded=PRELOADED)
    n_kills = _killed(driver, deliver_more, 30.0)
    last = driver()
    last.join()
    if last.exitcode != 0:
        raise SystemExit(f"expected a driver that goes through, found exit code {last.exitcode}")
    found = count(gate, texts)
    print(f"{config.table}: {n_kills} kills of the driver, {len(texts)} rows, {found}", flush=True)
    return n_kills, found


def drive(config: IngestionConfig) -> None:
    """What the flow does, in this process."""
    torch.set_num_threads(1)
    run = run_gate(config, InProcess(), Account())
    publish_gate(run)
    if run.failed:
        raise SystemExit(f"expected every delivery to be decided, found {run.failed}")


def _sentences(config: IngestionConfig, first: int, n: int) -> list[str]:
    """Deliver so many files of 30 rows, none of which comes twice. Their texts."""
    found = list[str]()
    for at in range(first, first + n):
        texts = [f"{('gloomy', 'bright')[row % 2]} words of delivery {at}, row {row}" for row in range(30)]
        rows = pa.table({"text": texts, "label": [row % 2 for row in range(30)], "origin": ["real"] * 30})
        file = Path(config.inbox) / f"contributor-{at % 3}" / f"part-{at}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, file)
        found += texts
    return found


def _gone_through(gate: Gate, texts: list[str]) -> Count:
    gate.run()
    found = count(gate, texts)
    print(f"{gate.config.table}: {found}", flush=True)
    return found
