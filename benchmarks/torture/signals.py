"""Does a run stop when it is told to, and go on when it is not? By signal, receiver and stage, at random moments.

    python -m benchmarks.torture.signals [--tries 60] [--seconds 900] [--at-once 2] [--signal TERM] [--stage gate]

INT, TERM and HUP to the run's process or its group: every process is gone within 30 s, the exit code is 128 plus the signal's
number (0 where the result was published), and what was finished is kept: another run ends with the values of an undisturbed
one. KILL: the same, and the rest of the processes end by themselves. Any signal to the Prefect server, the fork server or a
worker: the run ends with 0 and the same values. The figures go to `benchmarks/results/torture.json`.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, figure
from benchmarks.torture import told
from benchmarks.torture.processes import gone, marked, of_role
from benchmarks.torture.runs import STAGES, Run, give_artifacts, records, run_to_its_end, values
from benchmarks.torture.world import lay_out

COMMAND = "python -m benchmarks.torture.signals"
SIGNALS = {name: getattr(signal, f"SIG{name}") for name in ("INT", "TERM", "HUP", "KILL")}
RECEIVERS = ("main", "group", "server", "fork server", "worker")
STOP_SECONDS = 30.0
RUN_LIMIT_SECONDS = 1_200.0
"""A run that takes longer than this has hung: undisturbed it takes minutes where other work has the cores."""
LATEST_SECONDS = 1.5
"""After a stage has begun."""


@dataclass(frozen=True)
class Try:
    """One signal to one receiver in one stage, so long after the stage began."""

    name: str
    receiver: str
    stage: str
    after_seconds: float

    @property
    def is_to_stop(self) -> bool:
        """Whether the run itself is told to stop."""
        return self.receiver in ("main", "group")


@dataclass
class Seen:
    """What came of a try."""

    is_hung: bool = False
    orphans: int = 0
    stop_seconds: float | None = None
    lost: int = 0
    wrong_code: int = 0
    was_sent: bool = True
    words: str = ""


def attempt(one: Try, world: Path, whole: Path, expected: dict[str, float], folder: Path) -> Seen:
    """Run, send, and look."""
    output = folder / "out"
    give_artifacts(whole, output, one.stage)
    run = Run.begin(world, output)
    is_there = run.wait_for(one.stage)
    time.sleep(one.after_seconds)
    seen = Seen(was_sent=is_there and _send(one, run))
    sent = time.monotonic()
    code = run.ended(STOP_SECONDS if one.is_to_stop and seen.was_sent else RUN_LIMIT_SECONDS)
    stopped, left = gone(run.mark, STOP_SECONDS)
    seen.is_hung, seen.orphans = code is None, 0 if code is None else len(left)
    if one.is_to_stop and seen.was_sent:
        seen.stop_seconds = time.monotonic() - sent
    found = values(output)
    right = {0} if found is not None else {128 + SIGNALS[one.name]}
    if one.name == "KILL" and one.is_to_stop:
        right = {128 + SIGNALS["KILL"], 0}
    if not (one.is_to_stop and seen.was_sent):
        right = {0}
    seen.wrong_code = int(code not in right)
    if found is None and one.is_to_stop:
        kept = records(output)
        again, _ = run_to_its_end(world, output, RUN_LIMIT_SECONDS)
        seen.wrong_code += int(again != 0)
        found = values(output)
        seen.lost += sum(path not in (now := records(output)) or now[path] != made for path, made in kept.items())
    seen.lost += sum((found or {}).get(name) != value for name, value in expected.items())
    seen.words = f"exit {code}, processes gone {stopped:.1f} s later, left {left}"
    if seen.is_hung or seen.orphans or seen.lost or seen.wrong_code:
        seen.words += "\n  " + "\n  ".join(run.said[-25:])
    return seen


def _send(one: Try, run: Run) -> bool:
    number = SIGNALS[one.name]
    try:
        if one.receiver == "main":
            os.kill(run.process.pid, number)
        elif one.receiver == "group":
            os.killpg(run.process.pid, number)
        else:
            while not (found := of_role(run.mark, one.receiver)):
                if run.process.poll() is not None or not marked(run.mark):
                    return False
                time.sleep(0.05)
            os.kill(found[0], number)
    except ProcessLookupError:  # it had ended
        return False
    return run.process.poll() is None


def main(arguments: list[str]) -> None:
    """Try for so long, in an order that a seed draws, and write the figures."""
    parser = told.parser(str(__doc__), 1_800.0)
    parser.add_argument("--tries", type=int, default=1_000, help="at most so many")
    parser.add_argument("--at-once", type=int, default=1, help="tries beside each other, which loads the machine")
    parser.add_argument("--signal", action="append", choices=SIGNALS)
    parser.add_argument("--receiver", action="append", choices=RECEIVERS)
    parser.add_argument("--stage", action="append", choices=STAGES)
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored here would be ignored in the runs
    every = list(itertools.product(given.signal or SIGNALS, given.receiver or RECEIVERS, given.stage or STAGES))
    random.Random(given.seed).shuffle(every)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        world, whole = Path(name) / "world", Path(name) / "whole"
        lay_out(world)
        code, seconds = run_to_its_end(world, whole, RUN_LIMIT_SECONDS)
        expected = values(whole)
        if code != 0 or expected is None:
            raise SystemExit(f"expected an undisturbed run to end with 0, found {code} after {seconds:.0f} s")
        print(f"undisturbed: {seconds:.0f} s", flush=True)

        def tried(i: int) -> tuple[Try, Seen] | None:
            if time.monotonic() - began > given.seconds:
                return None
            one = Try(*every[i % len(every)], after_seconds=random.Random(f"{given.seed} {i}").uniform(0, LATEST_SECONDS))
            folder = Path(name) / str(i)
            seen = attempt(one, world, whole, expected, folder)
            shutil.rmtree(folder)
            print(f"{i} {one.name} {one.receiver} {one.stage} +{one.after_seconds:.2f} s: {seen}", flush=True)
            return one, seen

        with ThreadPoolExecutor(given.at_once) as threads:
            done = [both for both in threads.map(tried, range(given.tries)) if both is not None]
    told.tell(_figures(done), COMMAND, not given.no_figures)


def _figures(done: list[tuple[Try, Seen]]) -> list[Figure]:
    sent = [(one, seen) for one, seen in done if seen.was_sent]
    stops = [seen.stop_seconds for _, seen in sent if seen.stop_seconds is not None]
    rows = [
        ("sent", len(sent), "-", "signals"),
        ("kills", sum(one.name == "KILL" for one, _ in sent), "-", "signals"),
        ("hung", sum(seen.is_hung for _, seen in sent), "0", "runs"),
        ("orphans", sum(seen.orphans for _, seen in sent), "0", "processes"),
        ("exit_codes_wrong", sum(seen.wrong_code for _, seen in sent), "0", "runs"),
        ("values_lost", sum(seen.lost for _, seen in sent), "0", "values"),
        ("seconds_to_stop", max(stops, default=None), "<= 30", "seconds"),
        ("seconds_to_stop_median", statistics.median(stops) if stops else None, "-", "seconds"),
    ]
    return [figure(f"signals/{name}", value, target, unit, COMMAND) for name, value, target, unit in rows]


if __name__ == "__main__":
    main(sys.argv[1:])
