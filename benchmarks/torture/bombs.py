"""Bombs beside honest contributors: what the gate says of each, the memory it takes, and whether anybody else's value changes.

    python -m benchmarks.torture.bombs [NAME ...]

Each bomb is listed and checked in a process of its own that is held to allowances like a worker of the default memory. Then
all of them are valued together with honest contributors, whose values must be those of a run without bombs, to the bit. The
figures `bombs`, `bombs_peak_over_budget`, `bombs/wrong` and others go to `benchmarks/results/torture.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from distributed.system import MEMORY_LIMIT

from benchmarks.figures import figure
from benchmarks.torture import told
from benchmarks.torture.bomb_files import BOMBS, NAME_BOMBS, good_rows
from benchmarks.torture.world import LLAMA, ranking_of, sentences
from mixval.config.load import parse_config
from mixval.config.valuation import ValuationConfig, merge
from mixval.contracts.plan import ContributorPlan
from mixval.errors import MixvalError
from mixval.stages import gating
from mixval.storage.allowance import hold_to_allowances
from mixval.storage.listing import list_contributors, list_target
from mixval_flows.runner import default_workers
from mixval_flows.worker import DECODING_SHARE

COMMAND = "python -m benchmarks.torture.bombs"
LIMIT_SECONDS = 900
RESNET = {"architecture": "resnet", "settings": {"hidden_sizes": [8], "depths": [1]}}
TASKS: dict[str, dict[str, Any]] = {
    "text": {
        "task": "language-modelling",
        "backbone": {"random_init": LLAMA, "tokenizer": "byte", "max_length": 48},
    },
    "chat": {
        "task": "instruction",
        "backbone": {"random_init": LLAMA, "tokenizer": "byte", "max_length": 96},
    },
    "image": {
        "task": "image-classification",
        "backbone": {
            "random_init": {"architecture": "resnet", "settings": {"hidden_sizes": [8], "depths": [1]}},
            "stem": "3x3",
        },
    },
}
HONEST = {"near": 0.0, "mixed": 0.5, "far": 1.0}


def config_of(folder: Path, task: str) -> ValuationConfig:
    """The configuration of a task's world below `folder`."""
    base = {
        "source": {"contributors": str(folder / "source"), "target": str(folder / "target")},
        "output": str(folder / "output"),
        "gate": {"data_docs": False, "min_rows": 8},
        "ntk": {"method": "sketched", "sketch_features": 64},
        "value": {"replicates": 8},
        "runtime": {"threads_per_worker": 1},
    }
    return parse_config(merge(base, TASKS[task]))


def lay_out(folder: Path, task: str) -> None:
    """Honest contributors and a target of a task."""
    for number, (name, share) in enumerate(HONEST.items()):
        _write(folder / "source" / f"contributor={name}" / "part-0.parquet", _rows(task, 30, share, number))
    _write(folder / "target" / "part-0.parquet", _rows(task, 24, 0.0, 99))


def _rows(task: str, n: int, share: float, seed: int) -> pa.Table:
    texts, origin = sentences(n, share, [seed, 1]), pa.array(["real"] * n)
    if task == "text":
        return pa.table({"text": texts, "origin": origin})
    if task == "chat":
        return pa.table({"prompt": texts, "response": [text[-9:] for text in texts], "origin": origin})
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256 - int(120 * share), (n, 16, 16, 3), dtype=np.uint8)
    return pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels), "label": np.arange(n) % 2, "origin": origin})


def _write(file: Path, rows: pa.Table) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, file)


def checked(folder: Path, name: str, budget_bytes: int) -> dict[str, Any]:
    """List and check the one bomb below `folder`, in this process: its verdict, its reason, and what that took."""
    hold_to_allowances(int(budget_bytes * DECODING_SHARE))
    began = time.process_time()
    verdict, reason = _verdict(folder, name)
    return {
        "verdict": verdict,
        "reason": reason,
        "peak_bytes": _peak_bytes(),
        "seconds": time.process_time() - began,
    }


def _peak_bytes() -> int:
    """Of this program: `ru_maxrss` would count the process that started it, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _verdict(folder: Path, name: str) -> tuple[str, str | None]:
    if name in NAME_BOMBS:
        source = {"contributors": str(folder / "source"), "layout": "column"}
        try:
            list_contributors(config_of(folder, "text").source.model_copy(update=source))
        except MixvalError as error:
            return "refused", str(error)
        return "listed", None
    config = config_of(folder, BOMBS[name].task)
    shards = list_contributors(config.source)[name]
    n_rows = sum(shard.n_rows for shard in shards)
    zero = dict.fromkeys(("n_sampled", "n_gradient_rows", "n_passes", "task_bytes", "seconds"), 0)
    target, _ = gating.profile(config, list_target(config.source))
    ref = gating.gate_contributor(config, ContributorPlan(name=name, shards=shards, n_rows=n_rows, **zero), target)
    outcome = gating.read_outcome(config, ref)
    return outcome.verdict, outcome.reason or "; ".join(finding.message for finding in outcome.findings)


def exploded(folder: Path, name: str, budget_bytes: int) -> dict[str, Any]:
    """The same in a process of its own."""
    if name in NAME_BOMBS:
        (folder / "source").mkdir(parents=True)
        NAME_BOMBS[name](folder / "source" / "part-0.parquet")
    else:
        lay_out(folder, BOMBS[name].task)
        own = folder / "source" / f"contributor={name}"
        own.mkdir()
        BOMBS[name].make(own / f"part-0{BOMBS[name].ending}")
    command = [sys.executable, "-m", "benchmarks.torture.bombs", "--check", str(folder), name, "--budget", str(budget_bytes)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"verdict": "no end", "reason": None, "peak_bytes": 0, "seconds": float(LIMIT_SECONDS)}
    if ended.returncode != 0:
        words = f"exit code {ended.returncode}: {ended.stderr[-400:]}"
        return {"verdict": "ended", "reason": words, "peak_bytes": budget_bytes, "seconds": 0.0}
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def wrong_values(folder: Path, task: str, names: list[str]) -> list[str]:
    """Contributors of a task of whom anything is another with these bombs beside them; of the bombs all but the verdict, which
    says that a row was dropped."""
    for kind in ("without", "with"):
        world = folder / kind
        lay_out(world, task)
        for name in names:
            own, good = world / "source" / f"contributor={name}", good_rows(name)
            own.mkdir()
            if kind == "with":
                BOMBS[name].make(own / f"part-0{BOMBS[name].ending}")
            elif good is not None:
                pq.write_table(good, own / "part-0.parquet")
    expected, found = (
        {row["contributor"]: row for row in ranking_of(config_of(folder / kind, task))[0]} for kind in ("without", "with")
    )
    for rows in (expected, found):
        for name in names:
            rows.get(name, {}).pop("gate_verdict", None)
    return [name for name in {*expected, *found} if expected.get(name) != found.get(name)]


def main() -> None:
    """Explode, compare and record."""
    parser = argparse.ArgumentParser(description="Bombs.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--check", type=Path)
    parser.add_argument("--budget", type=int, default=MEMORY_LIMIT // default_workers(config_of(Path("world"), "text").runtime))
    given = parser.parse_args()
    if given.check is not None:
        print(json.dumps(checked(given.check, given.names[0], given.budget)))
        return
    names = given.names or [*BOMBS, *NAME_BOMBS]
    peaks, seconds, wrong = dict[str, int](), dict[str, float](), list[str]()
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            found = exploded(Path(scratch) / name, name, given.budget)
            peaks[name], seconds[name] = found["peak_bytes"], found["seconds"]
            expected = "refused" if name in NAME_BOMBS else BOMBS[name].verdict
            wrong += [] if found["verdict"] == expected else [f"{name}: {found['verdict']}"]
            print(
                f"{name}: {found['verdict']}, {peaks[name] / 2**30:.2f} GiB, {seconds[name]:.1f} s: {found['reason']}",
                flush=True,
            )
        for task in TASKS:
            own = [name for name in names if name in BOMBS and BOMBS[name].task == task]
            wrong += [f"{task}: {name} has another value" for name in wrong_values(Path(scratch) / f"all-{task}", task, own)]
    print("\n".join(wrong))
    if given.names:
        raise SystemExit(int(bool(wrong)))
    figures = {
        "bombs/bombs": (len(names), ">= 20", ""),
        "bombs/bombs_peak_over_budget": (max(peaks.values()) / given.budget, "<= 1", "of a worker's memory"),
        "bombs/peak": (max(peaks.values()) / 2**30, "-", "GiB"),
        "bombs/seconds": (max(seconds.values()), "-", "CPU s"),
        "bombs/wrong": (len(wrong), "0", ""),
    }
    told.tell([figure(name, *one, COMMAND) for name, one in figures.items()], COMMAND, is_stored=True)


if __name__ == "__main__":
    main()
