"""What orchestration costs a contributor: CPU of the real flow on trivially small contributors, less the plain calls'.

    python -m benchmarks.overhead [exact sketched] [--few 20 --many 60]

Contributors of 8 CIFAR rows and a ResNet of 700 weights, so that hardly anything is computed, on the real Prefect API and
two Dask workers. The flow runs on few contributors and on many; so do the same stages as plain calls in one process. The
slope between the two sizes leaves start-up out. Prints one JSON line a mode: CPU seconds a contributor of the flow's process
(Dask's scheduler is in it), of the API server and of the workers, those of the plain calls, and what is left over.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.load import anchor_paths, parse_config
from mixval.config.valuation import ValuationConfig
from mixval.stages.whole_run import run_here
from mixval_flows.front import run_session

EXAMPLE = Path(__file__).parents[1] / "examples" / "images" / "data"
ROWS = 8
Seconds = dict[str, float]
"""CPU by process or by kind of work."""
TINY = {"architecture": "resnet", "settings": {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]}}


def lay_out(folder: Path, n: int) -> ValuationConfig:
    """`n` contributors of 8 rows each, and a target of 64, below `folder`."""
    files = sorted((EXAMPLE / "contributors").glob("*/*.parquet"))
    rows = pa.concat_tables([pq.read_table(file) for file in files])
    for i in range(n):
        write(folder / "contributors" / f"tiny-{i:03d}", rows.slice(i * ROWS, ROWS))
    (target,) = (EXAMPLE / "target").glob("*.parquet")
    write(folder / "target", pq.read_table(target).slice(0, 64))
    settings = {
        "task": "image-classification",
        "source": {"contributors": "contributors", "target": "target"},
        "output": "out",
        "backbone": {"random_init": TINY, "stem": "3x3"},
        "gate": {"min_rows": 2, "min_rows_per_part": 2, "min_classes": 1, "max_bad_row_share": 1, "max_duplicate_share": 1},
        "ntk": {"sketch_features": 64},
        "value": {"coalitions": 0},
        "runtime": {"workers": 2},
    }
    return parse_config(anchor_paths(settings, folder))


def write(folder: Path, table: pa.Table) -> None:
    """One shard."""
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part-0.parquet")


def cpu_seconds() -> Seconds:
    """CPU so far of this process (`flow`), of the API's processes (`api`) and of Dask's (`workers`)."""
    used: Seconds = defaultdict(float)
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            times, words = process.cpu_times(), " ".join(process.cmdline())
        except psutil.NoSuchProcess:  # ended since the listing
            continue
        kind = "flow" if process == this else "api" if "prefect" in words or "uvicorn" in words else "workers"
        used[kind] += times.user + times.system
    return used


def with_flow(mode: str, sizes: list[int], folder: Path) -> dict[int, Seconds]:
    """CPU of a run of each size, in one session that is warm."""
    used = {}
    configs = {n: with_method(lay_out(folder / f"flow-{n}", n), mode) for n in (2, *sizes)}
    with run_session(configs[2].runtime) as value:
        for n, config in configs.items():
            before, began = cpu_seconds(), time.perf_counter()
            summary = value(config, None)
            used[n] = {kind: x - before[kind] for kind, x in cpu_seconds().items()} | {"wall": time.perf_counter() - began}
            if summary.n_failed or len(summary.recomputed_contributors) != n:
                raise RuntimeError(f"expected {n} contributors measured, found {summary.n_failed} failed: {summary.run_id}")
    return used


def with_plain_calls(mode: str, sizes: list[int], folder: Path) -> dict[int, float]:
    """CPU of the same stages, in this process."""
    used = {}
    for n in (2, *sizes):
        config = with_method(lay_out(folder / f"plain-{n}", n), mode)
        began = time.process_time()
        run_here(config)
        used[n] = time.process_time() - began
    return used


def with_method(config: ValuationConfig, mode: str) -> ValuationConfig:
    """The configuration with `ntk.method` exact or sketched, and the discrepancy that goes with it."""
    discrepancy = {"method": "random-features" if mode == "sketched" else "exact"}
    return config.model_copy(
        update={
            "ntk": config.ntk.model_copy(update={"method": mode}),
            "discrepancy": config.discrepancy.model_copy(update=discrepancy),
        }
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modes", nargs="*", default=["exact", "sketched"])
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--many", type=int, default=60)
    given = parser.parse_args()
    for mode in given.modes:
        with tempfile.TemporaryDirectory() as folder:
            sizes, apart = [given.few, given.many], given.many - given.few
            flow = with_flow(mode, sizes, Path(folder))
            plain = with_plain_calls(mode, sizes, Path(folder))
        each = {kind: (flow[given.many][kind] - flow[given.few][kind]) / apart for kind in flow[given.many]}
        each["plain"] = (plain[given.many] - plain[given.few]) / apart
        each["overhead"] = each["flow"] + each["api"] + each["workers"] - each["plain"]
        print(json.dumps({"mode": mode} | {f"{kind}_seconds": round(x, 4) for kind, x in each.items()}), flush=True)


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1"}
    main()
