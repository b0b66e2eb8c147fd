"""Time and peak memory of summing a contributor's statistics over n rows, features given: one pass, memory that stays.

    python -m benchmarks.scaling [--rows 1000 10000 100000 1000000]

For each n, in a process of its own: gradient statistics (q = 512) and a mean embedding (256 frequencies, 64 columns) of
blocks of seeded noise that are made on the way, what making them takes taken off. Prints one JSON line for each n.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np

from mixval.telemetry.peak import peak_bytes
from mixval.terms.discrepancy.random_features import embed, fourier_features
from mixval.terms.ntk.statistics import GradientStatistics

FEATURES, COLUMNS, FREQUENCIES, BLOCK = 512, 64, 256, 4096


def one(n: int) -> dict[str, float | int]:
    """Sum statistics over n rows, block by block."""
    fourier = fourier_features([1.0, 2.0], COLUMNS, FREQUENCIES)
    draw = np.random.default_rng(0)
    pool = [draw.standard_normal((BLOCK, FEATURES), dtype=np.float32) for _ in range(2)]
    narrow = [block[:, :COLUMNS].astype(np.float64) for block in pool]
    total = GradientStatistics.of(np.zeros((0, FEATURES)), np.zeros(0))
    began = time.perf_counter()
    embedding = None
    for index, low in enumerate(range(0, n, BLOCK)):
        size = min(BLOCK, n - low)
        features = pool[index % 2][:size]
        total += GradientStatistics.of(features, features[:, 0].astype(np.float64))
        made = embed(fourier, narrow[index % 2][:size], np.arange(low, low + size, dtype=np.uint64))
        embedding = made if embedding is None else embedding + made
    return {"rows": n, "seconds": round(time.perf_counter() - began, 4), "peak_bytes": peak_bytes()}


def main() -> None:
    """Run each size in its own process, smallest first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--here", action="store_true", help="measure the one size given in this process")
    given = parser.parse_args()
    if given.here:
        one(BLOCK)  # warm
        print(json.dumps(one(given.rows[0])), flush=True)
        return
    for n in given.rows:
        command = [sys.executable, "-m", "benchmarks.scaling", "--here", "--rows", str(n)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
