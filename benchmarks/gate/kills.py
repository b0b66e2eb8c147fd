"""Gates that are killed: at every step of the protocol, and at random moments. What is lost once another gate has run."""

from __future__ import annotations

import random
import signal
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import get_args

from benchmarks.figures import Figure, figure
from benchmarks.gate.races import served
from benchmarks.gate.scene import Count, Gate, config_at, count, lay_out, on_disk, run_until, start
from mixval.lake.steps import Step

SHARDS = 4
COMMAND = "python -m benchmarks.gate kills"
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
    """Kills until as many as wanted hit a gate that was at work; the inbox grows whenever a gate got through before."""
    texts, n_kills, n_shards = lay_out(gate, SHARDS, has_table=False), 0, SHARDS
    span = 0.0
    while n_kills < KILLS_EACH:
        began = time.perf_counter()
        killed = start(gate.run, environment=environment)
        timer = threading.Timer(random.random() * (span or 2.0), killed.kill)
        timer.start()
        killed.join()
        timer.cancel()
        n_kills += killed.exitcode == -signal.SIGKILL
        if killed.exitcode == 0:
            span = max(span, time.perf_counter() - began)
            n_shards += SHARDS
            texts += lay_out(gate, n_shards, has_table=False, first=n_shards - SHARDS)
        elif killed.exitcode != -signal.SIGKILL:
            raise SystemExit(f"expected a gate that ends well or is killed, found exit code {killed.exitcode}")
    return n_kills, _gone_through(gate, texts)


def _killed_at_steps(gate: Gate, environment: dict[str, str]) -> tuple[int, Count]:
    steps = get_args(Step)
    texts = lay_out(gate, len(steps) + 1, has_table=False)
    for step in (one for one in steps if one != "widened"):  # this table is made by the gate, with all its columns
        killed = start(run_until, gate, step, environment=environment)
        killed.join()
        if killed.exitcode != -signal.SIGKILL:
            raise SystemExit(f"expected a gate that ends at `{step}`, found exit code {killed.exitcode}")
    return len(steps) - 1, _gone_through(gate, texts)


def _gone_through(gate: Gate, texts: list[str]) -> Count:
    gate.run()
    found = count(gate, texts)
    print(f"{gate.config.table}: {found}", flush=True)
    return found
