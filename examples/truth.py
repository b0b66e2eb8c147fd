"""Measures what each contributor of the examples is good for: a model trained on it alone, and tested on the target.

    python -m examples.truth [images reviews answers] [--write] [--processes 2]

Nothing of mixval's valuation is used, so that a ranking can be compared with it. Each example has one protocol, the same for
all its contributors (`protocols.py`). A seed fixes the initialisation and the order of rows, and every process computes on one
thread: the same machine and libraries give the same figures again.

`--write` stores them in examples/NAME/data/truth.json; each README quotes the means from there.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from examples.protocols import PROTOCOLS

EXAMPLES = Path(__file__).parent


def contributors(name: str) -> list[str]:
    """Names of an example's contributors, sorted."""
    folder = EXAMPLES / name / "data" / "contributors"
    return sorted(held.name.removeprefix("contributor=") for held in folder.iterdir())


def read_rows(folder: Path) -> pa.Table:
    """All rows of a folder's Parquet files."""
    return pa.concat_tables([pq.ParquetFile(file).read() for file in sorted(folder.glob("*.parquet"))])


def measure_one(name: str, contributor: str, seed: int) -> float:
    """The figure of one contributor and seed."""
    data = EXAMPLES / name / "data"
    train = read_rows(data / "contributors" / f"contributor={contributor}")
    return round(PROTOCOLS[name].measure(train, read_rows(data / "target"), seed), 4)


def measure_example(name: str, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """An example's truth, as truth.json holds it."""
    protocol = PROTOCOLS[name]
    waiting = {
        contributor: [pool.submit(measure_one, name, contributor, seed) for seed in range(protocol.n_seeds)]
        for contributor in contributors(name)
    }
    figures = {contributor: [future.result() for future in futures] for contributor, futures in waiting.items()}
    return {
        "metric": protocol.metric,
        "unit": protocol.unit,
        "protocol": f"Trained on one contributor alone, measured on the target: {protocol.text}.",
        "per_contributor": {
            contributor: {"mean": round(fmean(seeds), 4), "seeds": seeds} for contributor, seeds in figures.items()
        },
        "command": f"python -m examples.truth {name}",
        "date": datetime.now(UTC).date().isoformat(),
    }


def print_truth(name: str, truth: dict[str, Any]) -> None:
    """One line a contributor: its mean, and the seeds it is the mean of."""
    print(f"\n{name}: {truth['metric']}, {truth['unit']}\n{truth['protocol']}")
    for contributor, figure in truth["per_contributor"].items():
        seeds = "  ".join(f"{value:.3f}" for value in figure["seeds"])
        print(f"  {contributor:10s} {figure['mean']:.2f}   seeds: {seeds}")


def main() -> None:
    """Measure the examples named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m examples.truth", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(PROTOCOLS), help="images, reviews, answers")
    parser.add_argument("--write", action="store_true", help="store the figures in examples/NAME/data/truth.json")
    parser.add_argument("--processes", type=int, default=min(4, os.cpu_count() or 1), help="each computes on one thread")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(PROTOCOLS)):
        parser.error(f"expected examples out of {', '.join(PROTOCOLS)}, found {', '.join(unknown)}")
    seconds = sum(PROTOCOLS[name].core_seconds for name in given.names)
    print(f"{', '.join(given.names)}: about {seconds} s of one core, on {given.processes} processes", flush=True)
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes when they import NumPy
    began = time.perf_counter()
    with ProcessPoolExecutor(given.processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for name in given.names:
            truth = measure_example(name, pool)
            print_truth(name, truth)
            if given.write:
                file = EXAMPLES / name / "data" / "truth.json"
                file.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
