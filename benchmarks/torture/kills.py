"""Is anything lost when processes of a run are killed at random times, as often as it takes?

    python -m benchmarks.torture.kills [--seconds 900] [--at-once 2]

A run is started, its worker, fork server, Prefect server or main process are killed without warning, some of them one after
another, and where the main process was, it is started again, on the same output, until one ends. The values must be those of an
undisturbed run, bit by bit, and every contributor that was planned be admitted, rejected or failed. After each end no process
and at the last no temporary file may be left, and whenever one looks, `latest.json` names a run that is whole, or nothing. The
figures `kills/...` go to `benchmarks/results/torture.json`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure, figure
from benchmarks.torture import told
from benchmarks.torture.processes import gone, of_role
from benchmarks.torture.runs import Run, ranked, whole_run
from benchmarks.torture.signals import RUN_LIMIT_SECONDS, STOP_SECONDS
from benchmarks.torture.world import CONTRIBUTORS, lay_out, sentences, write
from mixval.errors import MixvalError
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location

COMMAND = "python -m benchmarks.torture.kills"
RECEIVERS = ("worker", "worker", "fork server", "server", "main", "main")
"""Of a kill, drawn from these."""
MOST_STARTS = 5
"""The last of them is left alone."""
MOST_KILLS = 3
"""Of one start."""
LOOK_SECONDS = 0.05
LASTING = ("global.lock", "purge.lock")
"""Files that Dask keeps in its folder of temporary ones, for whoever comes next."""
REFUSED = "tiny"
"""A contributor that the gate rejects."""
PLANNED = {*CONTRIBUTORS, REFUSED}


@dataclass
class Seen:
    """What came of one output."""

    n_starts: int = 0
    n_kills: int = 0
    hung: int = 0
    orphans: int = 0
    wrong_codes: int = 0
    lost: int = 0
    unaccounted: int = 0
    invalid_looks: int = 0
    temporary: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        """Whether anything came that must not."""
        counts = (self.hung, self.orphans, self.wrong_codes, self.lost, self.unaccounted, self.invalid_looks)
        return any(counts) or bool(self.temporary)


class Scene:
    """A world, and what an undisturbed run makes of it."""

    def __init__(self, folder: Path) -> None:
        """Lay it out and run."""
        self.folder, self.world = folder, folder / "world"
        lay_out(self.world)
        write(self.world / "source" / f"contributor={REFUSED}" / "part-0.parquet", sentences(3, 0.0, [7, 7]))
        began = time.monotonic()
        code = Run.begin(self.world, folder / "whole").ended(RUN_LIMIT_SECONDS)
        self.seconds = time.monotonic() - began
        self.expected = ranked(whole_run(folder / "whole"))
        if code != 0 or set(self.expected) != set(CONTRIBUTORS):
            raise SystemExit(f"expected an undisturbed run to end with 0, found {code} and {sorted(self.expected)}")

    def tried(self, number: int, given: int) -> Seen:
        """One output: starts and kills until a run has ended."""
        draw, seen, folder = random.Random(f"{given} {number}"), Seen(), self.folder / str(number)
        output, temporary = folder / "out", folder / "tmp"
        temporary.mkdir(parents=True)
        with _looks(output, seen):
            code: int | None = None
            while code != 0 and seen.n_starts < MOST_STARTS and not seen.hung:
                code = self._start(output, temporary, draw, seen)
        self._compare(output, seen)
        held = [*output.rglob(".*.tmp"), *(one for one in temporary.rglob("*") if one.is_file() or one.is_socket())]
        seen.temporary = sorted(str(one.relative_to(folder)) for one in held if one.name not in LASTING)
        shutil.rmtree(folder)
        return seen

    def _start(self, output: Path, temporary: Path, draw: random.Random, seen: Seen) -> int | None:
        """The exit code of one start, disturbed unless it is the last."""
        seen.n_starts += 1
        run = Run.begin(self.world, output, temporary)
        n_kills = draw.randint(1, MOST_KILLS) if seen.n_starts < MOST_STARTS else 0
        sent = list(_kills(run, sorted(draw.uniform(0, self.seconds) for _ in range(n_kills)), draw))
        code = run.ended(STOP_SECONDS if "main" in sent else RUN_LIMIT_SECONDS)
        _, left = gone(run.mark, STOP_SECONDS)
        seen.n_kills += len(sent)
        seen.hung += code is None
        seen.orphans += 0 if code is None else len(left)
        wrong = code not in ((0, 128 + signal.SIGKILL) if "main" in sent else (0,))
        seen.wrong_codes += wrong
        seen.words.append(f"killed {', '.join(sent) or 'nobody'}: exit {code}, left {left}")
        if wrong:
            seen.words += run.said[-15:]
        return code

    def _compare(self, output: Path, seen: Seen) -> None:
        try:
            run = whole_run(output)
        except MixvalError as error:
            seen.lost, seen.unaccounted = len(self.expected), len(PLANNED)
            seen.words.append(str(error))
            return
        found, outcomes = ranked(run), {one.contributor: one.verdict for one in run.manifest.outcomes}
        seen.lost = sum(found.get(name) != row for name, row in self.expected.items())
        seen.unaccounted = len(PLANNED ^ set(outcomes)) + abs(len(run.manifest.outcomes) - len(PLANNED))
        if seen.lost:
            seen.words += [f"{one.contributor} {one.verdict}: {one.reason}" for one in run.manifest.outcomes]


def _kills(run: Run, times: Sequence[float], draw: random.Random) -> Iterator[str]:
    """Kill at these seconds after now; what was killed."""
    began = time.monotonic()
    for at in times:
        while time.monotonic() - began < at and run.process.poll() is None:
            time.sleep(LOOK_SECONDS)
        receiver = draw.choice(RECEIVERS)
        held = [run.process.pid] if receiver == "main" else of_role(run.mark, receiver)
        if held and run.process.poll() is None:
            try:
                os.kill(draw.choice(held), signal.SIGKILL)
            except ProcessLookupError:  # it has just ended
                continue
            yield receiver
        if receiver == "main":
            return


@contextmanager
def _looks(output: Path, seen: Seen) -> Iterator[None]:
    """Within this block somebody looks at the pointer, again and again."""
    over = threading.Event()

    def look() -> None:
        whole = ""
        while not over.wait(LOOK_SECONDS):
            try:
                latest = read_latest(open_location(str(output)))
                if latest is not None and latest.nonce != whole:
                    whole_run(output)
                    whole = latest.nonce
            except MixvalError as error:
                seen.invalid_looks += 1
                seen.words.append(f"seen: {error}")

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def figures(done: Sequence[Seen]) -> list[Figure]:
    """What is stored."""
    rows = [
        ("kills", sum(one.n_kills for one in done), "-", "kills"),
        ("starts", sum(one.n_starts for one in done), "-", "runs"),
        ("outputs", len(done), "-", "outputs"),
        ("values_lost", sum(one.lost for one in done), "0", "values"),
        ("unaccounted", sum(one.unaccounted for one in done), "0", "contributors"),
        ("hung", sum(one.hung for one in done), "0", "runs"),
        ("orphans", sum(one.orphans for one in done), "0", "processes"),
        ("exit_codes_wrong", sum(one.wrong_codes for one in done), "0", "runs"),
        ("pointer_invalid", sum(one.invalid_looks for one in done), "0", "looks"),
        ("temporary_files", sum(len(one.temporary) for one in done), "0", "files"),
    ]
    return [figure(f"kills/{name}", value, target, unit, COMMAND) for name, value, target, unit in rows]


def main() -> None:
    """Kill for so long, and write the figures."""
    parser = told.parser("Random kills.", 900.0)
    parser.add_argument("--at-once", type=int, default=1, help="outputs beside each other, which loads the machine")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored here would be ignored in the runs
    until = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        print(f"undisturbed: {scene.seconds:.0f} s", flush=True)

        def tried(number: int) -> Seen | None:
            if time.monotonic() > until:
                return None
            seen = scene.tried(number, given.seed)
            print(number, "BAD" if seen.is_bad else "good", seen if seen.is_bad else "; ".join(seen.words), flush=True)
            return seen

        with ThreadPoolExecutor(given.at_once) as threads:
            done = [seen for seen in threads.map(tried, range(10_000)) if seen is not None]
    told.tell(figures(done), COMMAND, not given.no_figures)


if __name__ == "__main__":
    main()
