"""Where a run's CPU goes, by kind of work: the images example, exact and sketched, computed anew; and of a usual size.

    python -m benchmarks.profile_run [exact sketched sketched-224] [--set PATH=VALUE ...]

The example's images are 32 pixels wide; `-224` scales them to 224 in front of a ResNet-18 with its usual stem, which is what
photographs cost. `--set` changes a field of the configuration, such as `sample.count=20`.

The real flow runs, with two workers and a Prefect API of its own. Its process and its workers have a sampler each
(`benchmarks/sampler.py`), which books the CPU of every thread by what it is doing. The API's CPU is orchestration; that of the
process which workers are forked from is imports, as is a worker's before its sampler starts. Prints one JSON line a mode: CPU
seconds and shares by kind, seconds by process and kind, the part that native threads have used, and the CPU that the operating
system counted for all processes together. Fails where the latter differs from the sum of what was booked by more than 5 %.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.process_tree import run_watched
from benchmarks.sampler import FOLDER, Sampler, Seconds
from mixval.cli.leave import leaving_at_once

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "images" / "config.yaml"
SKETCHED = ("ntk.method=sketched", "discrepancy.method=random-features")
MODES: dict[str, tuple[str, ...]] = {
    "exact": ("ntk.method=exact",),
    "sketched": SKETCHED,
    "sketched-224": (*SKETCHED, "backbone.image_size=224", "backbone.stem=original"),
}
"""What each changes in the example's configuration."""
MOST_OFF = 0.05
UNSAMPLED = {"api": "orchestration", "forkserver": "imports", "others": "orchestration"}
"""Kinds of the processes that are not looked into."""


def with_flow(mode: str, changes: Sequence[str]) -> None:
    """Run the flow in this process, sampled from now to its exit handlers."""
    sampler = Sampler("flow", Path(os.environ[FOLDER]))
    sampler.start()
    atexit.register(sampler.stop)
    from mixval.config.load import anchor_paths, parse_config
    from mixval_flows.front import run_session

    given = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    for change in (*MODES[mode], *changes):
        path, _, text = change.partition("=")
        *sections, field = path.split(".")
        inner = given
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[field] = yaml.safe_load(text)
    with tempfile.TemporaryDirectory() as output:
        config = parse_config(anchor_paths(given, EXAMPLE.parent)).model_copy(update={"output": output})
        with run_session(config.runtime) as value:
            summary = value(config, None)
            if summary.n_failed:
                raise RuntimeError(f"{mode}: expected every contributor measured, found {summary.n_failed} failed")


def profile(mode: str, changes: Sequence[str]) -> dict[str, Any]:
    """The line that is printed for a mode."""
    command = [sys.executable, "-m", "benchmarks.profile_run", mode, "--here"]
    command += [word for change in changes for word in ("--set", change)]
    with tempfile.TemporaryDirectory() as folder:
        sampling = {FOLDER: folder, "DASK_DISTRIBUTED__WORKER__PRELOAD": "benchmarks.sampled_worker", "PYTHONPATH": str(ROOT)}
        seen, counted = run_watched(command, os.environ | sampling | {"OMP_NUM_THREADS": "1"})
        sampled = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in Path(folder).glob("*.json")}
    processes, native = by_process(sampled, seen)
    kinds = summed(processes.values())
    booked = sum(kinds.values())
    return {
        "mode": mode,
        "shares": {kind: round(x / booked, 4) for kind, x in kinds.items()},
        "seconds": rounded(kinds),
        "processes": {name: rounded(one) for name, one in processes.items()},
        "native_seconds": rounded(native),
        "booked_seconds": round(booked, 2),
        "counted_seconds": round(counted, 2),
        "off": round(booked / counted - 1, 4),
    }


def by_process(sampled: dict[str, Any], seen: dict[int, tuple[str, float]]) -> tuple[dict[str, Seconds], Seconds]:
    """CPU seconds by process and kind, both workers together, and those of native threads by kind."""
    processes: dict[str, Seconds] = {}
    for stem, found in sampled.items():
        name, _, pid = stem.partition("-")
        name = "workers" if name == "worker" else name
        processes[name] = summed([processes.get(name, {}), found["seconds"]])
        seen = {one: what for one, what in seen.items() if one != int(pid)}
    for words, used in seen.values():
        name = "api" if "prefect" in words or "uvicorn" in words else "forkserver" if "forkserver" in words else "others"
        processes[name] = summed([processes.get(name, {}), {UNSAMPLED[name]: used}])
    return processes, summed(one["native"] for one in sampled.values())


def summed(parts: Iterable[Seconds]) -> Seconds:
    """Seconds by kind over all parts, largest first."""
    total: Seconds = defaultdict(float)
    for part in parts:
        for kind, used in part.items():
            total[kind] += used
    return dict(sorted(total.items(), key=lambda one: -one[1]))


def rounded(seconds: Seconds) -> Seconds:
    """To milliseconds."""
    return {kind: round(used, 3) for kind, used in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modes", nargs="*", default=list(MODES))
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="changes", help="a field's value")
    parser.add_argument("--here", action="store_true", help="run the flow in this process, sampled")
    given = parser.parse_args()
    if given.here:
        with_flow(given.modes[0], given.changes)
        return
    for mode in given.modes:
        found = profile(mode, given.changes)
        print(json.dumps(found), flush=True)
        if abs(found["off"]) > MOST_OFF:
            raise RuntimeError(
                f"{mode}: expected what was booked within {MOST_OFF:.0%} of the {found['counted_seconds']} CPU seconds that "
                f"the system counted, found {found['booked_seconds']}. Look in `processes` for the one that lacks them."
            )


if __name__ == "__main__":
    leaving_at_once(main)
