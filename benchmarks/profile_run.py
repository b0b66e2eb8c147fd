"""Where a run's CPU goes, by kind of work: the images example, exact and sketched, computed anew; and of a usual size.

    python -m benchmarks.profile_run [exact sketched sketched-224] [--set PATH=VALUE ...]

The example's images are 32 pixels wide; `-224` scales them to 224 in front of a ResNet-18 with its usual stem, which is what
photographs cost. `--set` changes a field of the configuration, such as `sample.count=20`.

Twice a mode. The real flow, two workers and a Prefect API of its own, gives the CPU of all processes. Then the library calls
that it makes run in one process (`benchmarks/plain_stages.py`) under a sampler: every few milliseconds of CPU, what passed
since the last look counts for the innermost frame that has a kind, so that a decoder called by `mixval/models/images.py` is
decoding. What the flow takes beyond the plain calls is orchestration: Prefect, Dask, its workers' start. Prints one JSON line
a mode: CPU seconds by kind, and the share of each in the flow's sum.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import yaml

from benchmarks.overhead import Seconds, cpu_seconds, with_method
from benchmarks.plain_stages import EXAMPLE, run_plainly
from flows.front import run_session
from mixval.config.load import anchor_paths, parse_config
from mixval.config.valuation import ValuationConfig

EVERY_SECONDS = 0.002
KINDS = {
    "<frozen importlib": "imports",
    "mixval/models/images.py": "decoding",
    "mixval/models/tokenise.py": "decoding",
    "mixval/models/": "model compute",
    "mixval/terms/ntk/statistics.py": "terms",
    "mixval/terms/ntk/kept_rows.py": "terms",
    "mixval/terms/ntk/quadratic.py": "terms",
    "mixval/terms/ntk/damped.py": "terms",
    "mixval/terms/ntk/cholesky.py": "terms",
    "mixval/terms/ntk/iterative.py": "terms",
    "mixval/terms/ntk/nystroem.py": "terms",
    "mixval/terms/ntk/extrapolate.py": "terms",
    "mixval/terms/ntk/residual.py": "terms",
    "mixval/terms/ntk/sketched": "terms",
    "mixval/terms/ntk/": "model compute",
    "mixval/terms/": "terms",
    "mixval/valuation/coalitions.py": "unions",
    "mixval/valuation/shapley": "unions",
    "mixval/valuation/union": "unions",
    "mixval/valuation/risk_unions.py": "unions",
    "mixval/stages/coalitions.py": "unions",
    "mixval/stages/risk_unions.py": "unions",
    "mixval/valuation/": "terms",
    "mixval/gate/": "gate",
    "mixval/storage/sample.py": "decoding",
    "mixval/contracts/digests.py": "decoding",
    "mixval/storage/": "storage",
    "mixval/contracts/": "storage",
    "mixval/config/": "storage",
    "mixval/publish/": "publication",
    "mixval/stages/gating.py": "gate",
    "mixval/stages/sharing.py": "gate",
    "mixval/stages/publishing.py": "publication",
    "mixval/stages/rows.py": "decoding",
    "mixval/stages/jobs.py": "storage",
    "mixval/stages/forward.py": "model compute",
    "mixval/stages/gradients.py": "model compute",
    "mixval/stages/one_pass.py": "model compute",
    "mixval/stages/resident.py": "model compute",
    "mixval/stages/": "terms",
}
"""By what a file's name holds; the first that fits counts. Row keys and draws count as decoding: they read the rows. What
`mixval/terms/ntk/` does with gradients, sketching and products, is model compute; its sums, solves and bounds are terms."""


def kind_of(frame: FrameType | None) -> str:
    """The kind of the innermost frame that has one. A module that is being imported counts as such, whosever it is."""
    while frame is not None:
        file = frame.f_code.co_filename
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") != "__main__":
            return "imports"
        for part, kind in KINDS.items():
            if part in file:
                return kind
        frame = frame.f_back
    return "other"


@contextmanager
def sampled() -> Iterator[Seconds]:
    """CPU seconds of this process by kind, within the block. A signal waits for a long call to end; then it takes it all."""
    found: Seconds = defaultdict(float)
    last = time.process_time()

    def look(_signal: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.process_time()
        found[kind_of(frame)] += now - last
        last = now

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def configured(mode: str, output: str, changes: Sequence[str] = ()) -> ValuationConfig:
    """The images example, writing below `output`."""
    method, _, size = mode.partition("-")
    given = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    wide = [f"backbone.image_size={size}", "backbone.stem=original"] if size else []
    for change in (*wide, *changes):
        path, _, value = change.partition("=")
        *sections, field = path.split(".")
        inner = given
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[field] = yaml.safe_load(value)
    config = parse_config(anchor_paths(given, EXAMPLE.parent)).model_copy(update={"output": output})
    return with_method(config, method) if method != "exact" else config


def in_one_process(mode: str, changes: Sequence[str]) -> Seconds:
    """CPU seconds by kind of the plain calls, this process's start and imports included."""
    before = time.process_time()
    with tempfile.TemporaryDirectory() as output, sampled() as found:
        run_plainly(configured(mode, output, changes))
    return found | {"imports": found["imports"] + before}


def with_flow(mode: str, changes: Sequence[str]) -> Seconds:
    """CPU seconds of the flow's process, its API and its workers, from their start."""
    with tempfile.TemporaryDirectory() as output:
        config = configured(mode, output, changes)
        with run_session(config.runtime) as value:
            value(config, None)
            return cpu_seconds()


def run_here(mode: str, what: str, changes: Sequence[str]) -> Seconds:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.profile_run", mode, "--here", what]
    command += [word for change in changes for word in ("--set", change)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Seconds = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modes", nargs="*", default=["exact", "sketched", "sketched-224"])
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="changes", help="a field's value")
    parser.add_argument("--here", choices=("flow", "plain"), help="one measurement in this process")
    given = parser.parse_args()
    if given.here:
        measure = with_flow if given.here == "flow" else in_one_process
        print(json.dumps(measure(given.modes[0], given.changes)), flush=True)
        return
    for mode in given.modes:
        flow, kinds = (run_here(mode, what, given.changes) for what in ("flow", "plain"))
        total = sum(flow.values())
        kinds["orchestration"] = total - sum(kinds.values())
        kinds = dict(sorted(kinds.items(), key=lambda one: -one[1]))
        seconds = {kind: round(x, 3) for kind, x in kinds.items()}
        shares = {kind: round(x / total, 4) for kind, x in kinds.items()}
        print(json.dumps({"mode": mode, "shares": shares, "seconds": seconds, "processes": flow}), flush=True)


if __name__ == "__main__":
    main()
