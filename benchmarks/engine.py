"""The engine's figures, regenerated: `python -m benchmarks.engine` (or `make bench`), on an idle machine.

Each part runs in processes of its own, one thread each by default. Writes `benchmarks/results/engine.json`.

    python -m benchmarks.engine [passes sketch half budget coalitions workers scaling plan overhead profile rivals]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.figures import RESULTS, Figure, figure, write
from benchmarks.rivals import compare
from mixval.stages.memory import ALLOCATOR

ROOT = Path(__file__).parents[1]
COMMAND = "make bench"
SKETCHED = (("resnet18", 256), ("resnet18-3x3", 128), ("llama", 64))
"""Workloads and rows of the sketched pass."""
EXACT = (("resnet18", 500, 3), ("resnet18", 1000, 2), ("resnet18", 2000, 1), ("llama", 250, 1))
"""Workloads, rows and repeats of the exact pass."""
TERMS = (("mlp", 500, 5), ("resnet18", 500, 3), ("llama", 128, 3))
"""Workloads, rows and seeds of the sketch's error."""


def run(module: str, *arguments: str) -> list[dict[str, Any]]:
    """The JSON lines that a benchmark prints."""
    environment = os.environ | ALLOCATOR | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    print(f"$ python -m benchmarks.{module} {' '.join(arguments)}", flush=True)
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    print("\n".join(lines), flush=True)
    return [json.loads(line) for line in lines]


def passes() -> list[Figure]:
    """The gradient step over a plain forward and backward pass."""
    figures = []
    for name, rows in SKETCHED:
        (found,) = run("pass_ratio", name, str(rows), "--repeats", "5")
        figures += _ratios(f"{name}/sketched", found, "<= 1.3")
    for name, rows, repeats in EXACT:
        (found,) = run("pass_ratio", name, str(rows), "exact", "--repeats", str(repeats))
        figures += _ratios(f"{name}/exact_{rows}", found, "-")
    return figures


def _ratios(name: str, found: dict[str, Any], target: str) -> list[Figure]:
    ratios = found["ratios"]
    figures = [figure(f"ratio_to_forward_backward/{name}", median(ratios), target, "1", COMMAND)]
    for end, value in (("lowest", min(ratios)), ("highest", max(ratios))):
        figures.append(figure(f"ratio_to_forward_backward/{name}/{end}", value, "-", "1", COMMAND))
    return figures


def sketch() -> list[Figure]:
    """Errors of the NTK term over q."""
    figures = []
    for name, rows, seeds in TERMS:
        for found in run("sketch_error", name, str(rows), "--seeds", str(seeds)):
            base = f"sketch_term_error/{name}/q_{found['q']}"
            figures.append(figure(base, found["term_error"], "-", "1", COMMAND))
            # What a run takes is the term without the sketch's bias, at 2,048 features by default.
            for kind, target in (("unbiased", "<= 0.03" if found["q"] >= 2048 else "-"), ("stated", "-")):
                if found[f"{kind}_error"] is not None:
                    figures.append(figure(f"{base}/{kind}", found[f"{kind}_error"], target, "1", COMMAND))
    return figures


def coalitions() -> list[Figure]:
    """A thousand coalitions: by Eq. 8 in one process, by NTK regression half in each of two, as a run's workers answer them."""
    (eq8,) = run("coalitions")
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(lambda _: run("coalitions", "--classes", "10", "--coalitions", "500")[0], range(2)))
    regression = {name: max(half[name] for half in halves) for name in ("seconds", "worst_relative_error")}
    figures = []
    for of, found in (("", eq8), ("/regression_of_10_classes_two_processes", regression)):
        figures += [
            figure(f"coalitions_1000_seconds{of}", found["seconds"], "<= 60", "seconds", COMMAND),
            figure(f"coalitions_worst_relative_error{of}", found["worst_relative_error"], "<= 1e-6", "1", COMMAND),
        ]
    return figures


def workers() -> list[Figure]:
    """One worker against two."""
    (found,) = run("workers")
    return [figure("two_worker_speedup", found["speedup"], ">= 1.7", "1", COMMAND)]


def scaling() -> list[Figure]:
    """Time and memory over rows, features given."""
    found = run("scaling")
    rows, seconds = (np.log([one[key] for one in found]) for key in ("rows", "seconds"))
    slope = float(np.polyfit(rows, seconds, 1)[0])
    memory = found[-1]["peak_bytes"] / found[0]["peak_bytes"]
    return [
        figure("scaling_exponent", slope, "<= 1.05", "1", COMMAND),
        figure("scaling_memory_ratio_1m_to_1k", memory, "about 1", "1", COMMAND),
        figure("scaling_seconds_1m_rows", found[-1]["seconds"], "-", "seconds", COMMAND),
    ]


def half() -> list[Figure]:
    """What a bfloat16 backbone does to the term."""
    found = [run("half_precision", name)[0] for name, _, _ in TERMS]
    return [figure(f"bf16_term_difference/{one['workload']}", abs(one["difference"]), "<= 0.01", "1", COMMAND) for one in found]


def budget() -> list[Figure]:
    """The exact kernel within a byte budget."""
    (found,) = run("gradient_budget")
    target = f"<= {found['budget_bytes']}"
    return [
        figure("exact_budget_added_bytes", found["added_bytes"], target, "bytes", COMMAND),
        figure("exact_budget_all_factors_bytes", found["all_factors_bytes"], "-", "bytes", COMMAND),
        figure("exact_budget_ratio_to_forward_backward", found["ratio"], "-", "1", COMMAND),
    ]


def plan() -> list[Figure]:
    """A plan of a thousand contributors with a thousand shards each, and its tasks."""
    whole, *tasks = run("plan_size")
    seconds = sum(whole[f"{part}_seconds"] for part in ("listing", "fingerprint", "plan", "digests"))
    figures = [
        figure("plan_million_shards_seconds", seconds, "seconds", "seconds", COMMAND),
        figure("plan_million_shards_bytes", whole["peak_bytes"], "-", "bytes", COMMAND),
    ]
    for one in tasks:
        for kind in ("prefect_tasks", "dask_tasks"):
            figures.append(figure(f"plan_million_shards/{one['part']}/{kind}", one[kind], "-", "tasks", COMMAND))
        figures.append(figure(f"plan_million_shards/{one['part']}/task_bytes", one["carried"]["bytes"], "-", "bytes", COMMAND))
    return figures


def overhead() -> list[Figure]:
    """CPU seconds that a contributor costs beyond its own work."""
    name = "run_overhead_seconds_a_contributor"
    return [figure(f"{name}/{one['mode']}", one["overhead_seconds"], "-", "CPU seconds", COMMAND) for one in run("overhead")]


def profile() -> list[Figure]:
    """Where a run's CPU goes, and how far that is from what the operating system counts.

    Imports, Prefect's API and the values of coalitions are a fixed cost, whatever the rows. The example as it stands is a
    demonstration, so these have a target only in the run with images of a usual size.
    """
    figures = []
    for one in run("profile_run"):
        mode, is_usual = one["mode"], one["mode"] == "sketched-224"
        others = [share for kind, share in one["shares"].items() if kind != "model compute"]
        target = "<= 0.1" if is_usual else "-"
        figures.append(figure(f"profile_largest_besides_model_compute/{mode}", max(others), target, "1", COMMAND))
        for kind, share in one["shares"].items():
            figures.append(figure(f"profile_share/{mode}/{kind.replace(' ', '_')}", share, "-", "1", COMMAND))
        figures.append(figure(f"profile_unaccounted/{mode}", abs(one["off"]), "<= 0.05" if is_usual else "-", "1", COMMAND))
    return figures


PARTS: dict[str, Callable[[], list[Figure]]] = {
    "passes": passes,
    "sketch": sketch,
    "half": half,
    "budget": budget,
    "coalitions": coalitions,
    "workers": workers,
    "scaling": scaling,
    "plan": plan,
    "overhead": overhead,
    "profile": profile,
    "rivals": compare.figures,
}


def main(names: list[str]) -> None:
    """Run the named parts, all by default; figures of the others stay as they were."""
    file = RESULTS / "engine.json"
    for name in names or list(PARTS):
        made = {one["name"]: one for one in PARTS[name]()}
        # Read only now: another part may have been measured meanwhile.
        held: dict[str, Figure] = {one["name"]: one for one in json.loads(file.read_text())} if file.exists() else {}
        write("engine", list((held | made).values()))


if __name__ == "__main__":
    main(sys.argv[1:])
