"""The main job's figures, regenerated: `python -m benchmarks.main_job` (or `make figures`).

Demo wall time and what orchestration takes of it, peak memory, exactness against the dense reference, what a second run
recomputes, streaming memory, and the tests. Writes `benchmarks/results/main_job.json`. Run it on an idle machine: the
demo and the plain calls are timed in turn, so a drift of the machine's speed shows as a spread.

    python -m benchmarks.main_job [--repeats 3] [--without-tests]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.exactness import worst_errors
from benchmarks.figures import Figure, figure, write
from benchmarks.streaming import growth_bytes

ROOT = Path(__file__).parents[1]
COMMAND = "make figures"


@dataclass(frozen=True)
class Timed:
    """One command, run as a whole process tree."""

    seconds: float
    peak_bytes: int
    """Largest sum of resident sizes over the tree, sampled every two seconds; shared pages count once a process."""
    output: str


def timed(command: list[str], environment: dict[str, str] | None = None) -> Timed:
    """Run a command; raises when it fails, with the end of what it printed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | (environment or {}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watch = _Watch(process.pid)
    watch.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - began
    watch.stop()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output[-3000:]}")
    return Timed(seconds, watch.peak_bytes, output)


class _Watch(threading.Thread):
    """Samples the resident memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root, self._over = psutil.Process(pid), threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        while not self._over.wait(2.0):  # walking the process table more often would itself show in the timings
            self.peak_bytes = max(self.peak_bytes, self._resident())

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _resident(self) -> int:
        total = 0
        try:
            tree = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0
        for process in tree:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:  # ended between the listing and the look
                continue
        return total


def clean_outputs() -> None:
    """Forget what the examples left, so that everything is computed."""
    for out in (ROOT / "examples").glob("*/out"):
        shutil.rmtree(out)


def demo_figures(repeats: int) -> list[Figure]:
    """Demo against plain calls in turn, and the second run. Prefect's database is there already, as `make setup` leaves it."""
    demos, plains, shares, again = [], [], [], None
    for _ in range(repeats):
        clean_outputs()
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as output:
            prefect = str(Path(sys.executable).with_name("prefect"))
            timed([prefect, "server", "database", "upgrade", "-y"], {"PREFECT_HOME": home})
            demos.append(timed([sys.executable, "-m", "examples.demo"], {"PREFECT_HOME": home}))
            again = timed([sys.executable, "-m", "examples.demo"], {"PREFECT_HOME": home})
            plains.append(timed([sys.executable, "-m", "benchmarks.plain_calls", output]))
        shares.append(1 - plains[-1].seconds / demos[-1].seconds)
    assert again is not None
    found = again.output.count("nothing was recomputed")
    examples = len(list((ROOT / "examples").glob("*/config.yaml")))
    return [
        figure("demo_wall", median(one.seconds for one in demos), "<= 180", "seconds", "make demo"),
        figure("plain_calls_wall", median(one.seconds for one in plains), "-", "seconds", COMMAND),
        figure("orchestration_share", median(shares), "<= 0.1", "1", COMMAND),
        figure("orchestration_share_lowest", min(shares), "-", "1", COMMAND),
        figure("orchestration_share_highest", max(shares), "-", "1", COMMAND),
        figure("demo_peak_memory", max(one.peak_bytes for one in demos) / 2**30, "<= 8", "GiB", COMMAND),
        figure("second_run_recomputed_examples", examples - found, "0", "examples", COMMAND),
        figure("second_run_wall", again.seconds, "-", "seconds", COMMAND),
    ]


def test_figures() -> list[Figure]:
    """The last lines of `make test`."""
    done = timed(["make", "test"])
    counted = re.search(r"(\d+) passed", done.output)
    took = re.search(r"in (\d+(?:\.\d+)?)s", done.output)
    return [
        figure("tests_passed", float(counted.group(1)) if counted else None, "all", "tests", "make test"),
        figure("tests_wall", float(took.group(1)) if took else done.seconds, "<= 360", "seconds", "make test"),
    ]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without-tests", action="store_true")
    options = parser.parse_args()
    figures = demo_figures(max(options.repeats, 1))
    for term, error in worst_errors().items():
        figures.append(figure(f"worst_relative_error_{term}", error, "<= 1e-6", "1", "python -m benchmarks.exactness"))
    small, large = growth_bytes(64 * 2**20), growth_bytes(256 * 2**20)
    figures.append(figure("stream_64_mib_growth", small / 2**20, "-", "MiB", "python -m benchmarks.streaming"))
    figures.append(figure("stream_256_mib_growth", large / 2**20, "about the same", "MiB", "python -m benchmarks.streaming"))
    store(figures)
    if not options.without_tests:
        store(figures + test_figures())


def store(figures: list[Figure]) -> None:
    """Write them, and the README's table, which a test holds against them."""
    print(f"wrote {write('main_job', figures)}")
    subprocess.run([sys.executable, "-m", "docs.generate_figures"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
