"""Runs of `mixval value` in processes of their own, whose progress tells the stage that they are in."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import yaml

from benchmarks.torture.processes import MARK
from benchmarks.torture.world import config_of
from mixval.errors import MixvalError
from mixval.publish.publication import damaged_files
from mixval.publish.run_manifest import resolved_config
from mixval.publish.stored_run import StoredRun, open_run
from mixval.storage.layout import Layout
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location

STAGES = {
    "start": "starting up ...",
    "gate": "checking 1/",
    "measure": "measuring ...",
    "reduce": "computing values ...",
    "publish": "publishing ...",
    "after publish": "publishing done",
}
"""What a run has written on standard error when a stage has begun."""
HELD = {"start": (), "gate": (), "measure": ("footprint", "gate", "bad-rows", "target-profile")}
"""Kinds of artifacts that a run finds, so that it comes to a stage soon; all of them for the stages that are not named."""


def give_artifacts(whole: Path, output: Path, stage: str) -> None:
    """Copy into a new output what a run finds that is to come to this stage soon. Records keep their times."""
    kinds = HELD.get(stage, tuple(path.name for path in (whole / "artifacts").iterdir()))
    for kind in kinds:
        if (whole / "artifacts" / kind).exists():
            shutil.copytree(whole / "artifacts" / kind, output / "artifacts" / kind)


@dataclass
class Run:
    """One `mixval value` in a session of its own, with its mark."""

    process: subprocess.Popen[str]
    mark: str
    said: list[str] = field(default_factory=list)
    _lines: queue.Queue[str | None] = field(default_factory=queue.Queue)

    @classmethod
    def begin(cls, world: Path, output: Path, temporary: Path | None = None, **changes: Any) -> Run:
        """Start it, with two workers, on the world that `lay_out` wrote: with a folder of its own for temporary files, and
        changes of the configuration."""
        output.mkdir(parents=True, exist_ok=True)
        file = output / "mixval.yaml"
        config = config_of(world, output, "exact", runtime={"workers": 2}, **changes)
        file.write_text(yaml.safe_dump(resolved_config(config)))
        mark = uuid4().hex
        code = "import sys; from mixval.cli.entry import main; sys.argv = ['mixval', *sys.argv[1:]]; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "value", str(file)],
            env=os.environ | {MARK: mark} | ({} if temporary is None else {"TMPDIR": str(temporary)}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        run = cls(process, mark)
        threading.Thread(target=run._read, daemon=True).start()
        return run

    def wait_for(self, stage: str) -> bool:
        """Whether it has come to this stage; False when it ends before."""
        return self._heard(lambda line: STAGES[stage] in line)

    def ended(self, limit_seconds: float) -> int | None:
        """Its exit code, with 128 plus the number for a signal; None, and it is killed, when it takes longer."""
        try:
            code = self.process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            return None
        return code if code >= 0 else 128 - code

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.said.append(line.rstrip())
            self._lines.put(line)
        self._lines.put(None)

    def _heard(self, is_it: Callable[[str], bool]) -> bool:
        while (line := self._lines.get()) is not None:
            if is_it(line):
                return True
        return False


def run_to_its_end(world: Path, output: Path, limit_seconds: float) -> tuple[int | None, float]:
    """Exit code and seconds of an undisturbed run."""
    began = time.monotonic()
    return Run.begin(world, output).ended(limit_seconds), time.monotonic() - began


def values(output: Path) -> dict[str, float] | None:
    """The published values by contributor; None where nothing is published. Raises where what is published is not whole."""
    pointer = output / "latest.json"
    if not pointer.exists():
        return None
    ranking = pq.read_table(output / "runs" / json.loads(pointer.read_text())["run_id"] / "ranking.parquet")
    return dict(zip(ranking["contributor"].to_pylist(), ranking["value"].to_pylist(), strict=True))


def records(output: Path) -> dict[Path, int]:
    """The records of the artifacts that are there, with their times: a record that is made again has another."""
    return {path: path.stat().st_mtime_ns for path in (output / "artifacts").glob("*/*/*/record.json")}


def whole_run(output: Path) -> StoredRun:
    """The run that the pointer names, whole. Raises `MixvalError` for another one."""
    root = open_location(str(output))
    latest = read_latest(root)
    if latest is None:
        raise MixvalError(f"{root.url}: expected a pointer to a run, found none.")
    folder = Layout(root).run(latest.run_id)
    run = open_run(folder.url)
    if damaged := damaged_files(folder, run.manifest):
        raise MixvalError(f"{folder.url}: expected what the run wrote, found {', '.join(damaged)} to be something else.")
    return run


def ranked(run: StoredRun) -> dict[str, dict[str, Any]]:
    """Rows of the ranking, by contributor."""
    return {row["contributor"]: row for row in run.ranking.to_pylist()}
