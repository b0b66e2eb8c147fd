"""Inputs that change within a run: between plan, gate and measure, and while it measures.

    python -m benchmarks.torture.changed_inputs [--seconds 600] [--route sketched]

Some contributors' files are rewritten, changed in place with their size and time kept, exchanged, cut or removed, at a random
moment. Those contributors must fail by name, or be measured as they were listed, where they had been read before; all others'
values must be those of an undisturbed run. Then the files are put back, and the run repeated on the same store must give what
an undisturbed one gives. The figures `inputs_changed` and `wrong_published` go to `benchmarks/results/torture.json`.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.figures import figure
from benchmarks.torture import told
from benchmarks.torture.world import CONTRIBUTORS, ROUTES, config_of, lay_out, measured_figures
from mixval.config.valuation import ValuationConfig
from mixval.errors import NobodyAdmittedError
from mixval.progress import Silence, shown_by
from mixval.stages.in_process import gate_prepared, prepare_here, value_gated
from mixval.stages.runs import ValuedRun

COMMAND = "python -m benchmarks.torture.changed_inputs"
MOMENTS = ("after the plan", "in the gate", "after the gate", "in the measuring")


def rewritten(files: Sequence[Path]) -> None:
    """Other rows, in a new file."""
    for file in files:
        other = file.with_name("other.tmp")
        other.write_bytes(_other(file))
        other.replace(file)


def kept_in_size_and_time(files: Sequence[Path]) -> None:
    """Other rows written into the same file, whose size and time of writing are then as before."""
    for file in files:
        before, data = file.stat(), _other(file)
        with file.open("r+b") as opened:
            opened.write(data)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(files: Sequence[Path]) -> None:
    """The end is gone."""
    for file in files:
        os.truncate(file, file.stat().st_size // 2)


def removed(files: Sequence[Path]) -> None:
    """The file is gone."""
    for file in files:
        file.unlink()


def exchanged(files: Sequence[Path]) -> None:
    """The two shards have changed places."""
    contents = [file.read_bytes() for file in files]
    for file, data in zip(files, reversed(contents), strict=True):
        file.write_bytes(data)


CHANGES: dict[str, Callable[[Sequence[Path]], None]] = {
    one.__name__: one for one in (rewritten, kept_in_size_and_time, cut, removed, exchanged)
}


def _other(file: Path) -> bytes:
    """The file with another letter in some of its words, at the same length."""
    data = file.read_bytes()
    changed = data.replace(b"e", b"a").replace(b"o", b"u")
    # What Parquet says of itself lies at the end, and stays.
    return changed[: len(data) // 2] + data[len(data) // 2 :]


class Scene:
    """A world and what an undisturbed run makes of it by a route."""

    def __init__(self, folder: Path, route: str) -> None:
        """Lay out the world and value it once."""
        lay_out(folder)
        self._folder, self._route = folder, route
        self.shards = {name: sorted((folder / "source" / f"contributor={name}").iterdir()) for name in CONTRIBUTORS}
        self.expected = measured_figures(self._run(self._config("undisturbed"), "", lambda: None))

    def disturbed(self, moment: str, changes: Mapping[str, str]) -> tuple[set[str], list[str]]:
        """Who failed when `changes` (contributor -> one of `CHANGES`) came at a moment, and what was wrong, if anything."""
        config, whole = self._config("disturbed"), self._folder / "whole"
        shutil.rmtree(Path(config.output), ignore_errors=True)
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(self._folder / "source", whole)

        def change() -> None:
            for name, how in changes.items():
                CHANGES[how](self.shards[name])

        try:
            run = self._run(config, moment, change)
            found = measured_figures(run)
            failed = {name: one.reason or "" for name, one in run.outcomes.items() if one.verdict == "failed"}
        except NobodyAdmittedError as error:
            found, failed = {}, dict.fromkeys(CONTRIBUTORS, str(error))
        wrong = [f"{name} has another value" for name, one in found.items() if one != self.expected[name]]
        wrong += [f"{name} failed unnamed: {reason}" for name, reason in failed.items() if "as it was listed" not in reason]
        wrong += [f"{name} failed, undisturbed" for name in failed if name not in changes and found]
        wrong += [f"{name} is lost" for name in CONTRIBUTORS if name not in found and name not in failed]
        shutil.rmtree(self._folder / "source")
        shutil.copytree(whole, self._folder / "source")
        again = measured_figures(self._run(config, "", lambda: None))
        return set(failed), wrong + [f"{name} has another value again" for name in again if again[name] != self.expected[name]]

    def _config(self, output: str) -> ValuationConfig:
        return config_of(self._folder, self._folder / output, self._route)

    def _run(self, config: ValuationConfig, moment: str, change: Callable[[], None]) -> ValuedRun:
        """A run in this process, disturbed at a moment."""
        pending = [change]

        def disturb(now: str) -> None:
            if now == moment and pending:
                pending.pop()()

        class Disturbs(Silence):
            def step(self, stage: str, words: str) -> None:  # noqa: ARG002  whose step it is does not matter
                disturb({"gate": "in the gate", "measure": "in the measuring"}[stage])

        with shown_by(Disturbs()):
            prepared = prepare_here(config)
            disturb("after the plan")
            gated = gate_prepared(config, prepared)
            disturb("after the gate")
            return value_gated(gated)


def main() -> None:
    """Disturb and count."""
    parser = told.parser("Changed inputs.", 600.0)
    parser.add_argument("--route", choices=list(ROUTES), action="append")
    given = parser.parse_args()
    routes, draw = given.route or list(ROUTES), random.Random(given.seed)
    n_changed = n_wrong = n_failed = 0
    for route in routes:
        with tempfile.TemporaryDirectory() as folder:
            scene, until = Scene(Path(folder), route), time.monotonic() + given.seconds / len(routes)
            while time.monotonic() < until:
                moment = draw.choice(MOMENTS)
                changes = {name: draw.choice(list(CHANGES)) for name in draw.sample(list(CONTRIBUTORS), draw.randint(1, 3))}
                failed, wrong = scene.disturbed(moment, changes)
                n_changed, n_failed, n_wrong = n_changed + len(changes), n_failed + len(failed), n_wrong + bool(wrong)
                if wrong:
                    print(f"{route}, {moment}, {changes}: {'; '.join(wrong)}", flush=True)
    rows = [("inputs_changed", n_changed, ">= 6"), ("failed_by_name", n_failed, "-"), ("wrong_published", n_wrong, "0")]
    figures = [figure(f"inputs/{name}", n, target, "", COMMAND) for name, n, target in rows]
    told.tell(figures, COMMAND, not given.no_figures)


if __name__ == "__main__":
    main()
