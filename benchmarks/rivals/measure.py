"""One measurement in this process: `python -m benchmarks.rivals.measure METHOD SHAPE ROWS` prints a JSON line.

Imports, the model and the rows are there before the clock starts, and the job has been done once on a batch with a copy of the
model: some compile their projections at the first one, which takes longer than all rows do. `added_bytes` is the peak of
resident memory while the job ran, less what was resident before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.rivals import bergson, captum, dattri, engine, kronfluence, traker
from benchmarks.rivals.job import Job
from benchmarks.rivals.shapes import Shape, shape
from mixval.telemetry.peak import peak_bytes

JOBS: dict[str, Job] = {
    **engine.JOBS,
    **traker.JOBS,
    **dattri.JOBS,
    **kronfluence.JOBS,
    **captum.JOBS,
    **bergson.JOBS,
}


def measure(method: str, given: Shape) -> dict[str, Any]:
    """Time and memory of one of `JOBS` over all rows of a shape."""
    return measured(method, JOBS[method], given)


def measured(method: str, job: Job, given: Shape) -> dict[str, Any]:
    """The same of any job, under a name."""
    line = {"method": method, "shape": given.name, "n": given.n}
    if reason := job.left_out.get(given.name):
        return line | {"failure": reason}
    _warm(job, given)
    work = job.prepare(given)
    resident = _restarted_peak()
    wall, cpu = time.perf_counter(), _cpu_seconds()
    made = work()
    cpu, wall = _cpu_seconds() - cpu, time.perf_counter() - wall
    added = peak_bytes() - resident
    if made.n != given.n:
        raise ValueError(f"{method} made {made.n} rows of {given.n}. Its call has changed.")
    return line | {
        "cpu_seconds": round(cpu, 4),
        "wall_seconds": round(wall, 4),
        "added_bytes": max(added, 0),
        "is_whole": given.name not in job.partial,
        "produces": job.produces,
        **made.details,
        **made.after(),
    }


def _cpu_seconds() -> float:
    """Of all threads, and of processes that were started and have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _warm(job: Job, given: Shape) -> None:
    batch = {name: getattr(given, name)[: given.batch_rows] for name in ("inputs", "labels")}
    job.prepare(replace(given, module=deepcopy(given.module), **batch))()


def _restarted_peak() -> int:
    """Bytes resident now, from which `peak_bytes` counts anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Measure one method on one shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("method", choices=JOBS)
    parser.add_argument("shape")
    parser.add_argument("rows", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(measure(given.method, shape(given.shape, given.rows))), flush=True)


if __name__ == "__main__":
    main()
