"""A copy of a case's folder: made by its own script, valued, and what came of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.load import load_config
from mixval.errors import MixvalError
from mixval.publish.stored_run import open_run
from mixval.stages.whole_run import run_here

CONFIG = "mixval.yaml"
REPOSITORY = Path(__file__).parents[2]
SECONDS = 900
"""After which a command that hangs is ended."""


@dataclass(frozen=True)
class Ran:
    """One valuation."""

    code: int
    words: str
    """All that was printed, and the reasons of those who were refused, in lines of one blank."""
    values: dict[str, float]
    """Of those who were measured, by name, in nats; empty where nothing was published."""
    rows: dict[str, int]
    """How many of their rows were read."""
    reasons: dict[str, str]
    """Of those who were not measured."""
    warned: dict[str, str]
    """By contributor, all warnings that name it."""

    @classmethod
    def nothing(cls) -> Ran:
        """Of a case that is started by its check alone."""
        return cls(0, "", {}, {}, {}, {})

    @property
    def end(self) -> str:
        """The last words, where an error stands."""
        return self.words[-400:]

    def says(self, *words: str) -> bool:
        """Whether all of these words were printed, in any case of letters."""
        return all(word.lower() in self.words.lower() for word in words)

    def told(self, name: str, *words: str) -> bool:
        """Whether this contributor was refused, or warned of, with these words."""
        told = f"{self.reasons.get(name, '')} {self.warned.get(name, '')}".lower()
        return all(word.lower() in told for word in words)


@dataclass(frozen=True)
class Case:
    """A copy of a case's folder, beside what its script imports."""

    folder: Path
    is_here: bool
    """Value in this process, which starts in a tenth of the time; else by the command line."""

    def valued(self, config: str = CONFIG, **environment: str) -> Ran:
        """What a run makes of it; one with an environment of its own is always one of the command line."""
        if self.is_here and not environment:
            return _valued_here(self.folder / config)
        command = [sys.executable, "-c", "from mixval.cli.entry import main; main()", "value", config, "--json"]
        done = self.started(command, environment)
        printed = f"{done.stdout} {done.stderr}"
        if done.returncode:
            return Ran(done.returncode, " ".join(printed.split()), {}, {}, {}, {})
        return _published(json.loads(done.stdout)["url"], printed)

    def started(self, command: list[str], environment: dict[str, str], check: bool = False) -> subprocess.CompletedProcess[str]:
        """The finished process, which has the case's helpers and this checkout to import from, and asks no hub."""
        places = (self.folder.parent, REPOSITORY, *(REPOSITORY / name for name in ("flows", "tasks", "deployments")))
        own = {"PYTHONPATH": os.pathsep.join(map(str, places)), "HF_HUB_OFFLINE": "1"}
        given = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"} | own | environment
        return subprocess.run(command, cwd=self.folder, env=given, capture_output=True, text=True, timeout=SECONDS, check=check)


def made(source: Path, folder: Path, is_here: bool) -> Case:
    """A copy of a case in `folder`, with its contributors, target and configuration."""
    case = Case(folder / source.name, is_here)
    case.folder.mkdir(parents=True)
    for file in (*source.parent.glob("*.py"), *source.glob("make.py")):
        shutil.copyfile(file, folder / file.relative_to(source.parent))
    if (case.folder / "make.py").exists():
        case.started([sys.executable, "make.py"], {}, check=True)
    return case


def values_of_twin(case: Case, change: Callable[[pa.Table], pa.Table]) -> dict[str, float]:
    """Values of the same rows with their tables written in another way; in this process."""
    twin = case.folder.parent / f"{case.folder.name}-twin"
    shutil.rmtree(twin, ignore_errors=True)
    shutil.copytree(case.folder, twin, ignore=shutil.ignore_patterns("out"))
    for file in sorted(twin.rglob("*.parquet")):
        pq.write_table(change(pq.ParquetFile(file).read()), file)
    return _valued_here(twin / CONFIG).values


def _valued_here(config: Path) -> Ran:
    try:
        return _published(run_here(load_config(config)).url, "")
    except MixvalError as error:
        return Ran(error.exit_code, f"{type(error).__name__}: {error}", {}, {}, {}, {})
    except Exception:
        return Ran(1, traceback.format_exc(), {}, {}, {}, {})


def _published(url: str, printed: str) -> Ran:
    run = open_run(url)
    ranking, reasons, warned = run.ranking.to_pylist(), {}, {}
    for row in run.rejected.to_pylist():
        reasons[row["contributor"]] = f"{reasons.get(row['contributor'], '')} {row['reason']}"
    for warning in run.manifest.warnings:
        for name in warning.contributors:
            warned[name] = f"{warned.get(name, '')} {warning.words}"
    words = [*printed.split(), *(warning.words for warning in run.manifest.warnings), *reasons.values()]
    return Ran(
        0,
        " ".join(words),
        {row["contributor"]: row["value"] for row in ranking},
        {row["contributor"]: row["n_rows"] for row in ranking},
        reasons,
        warned,
    )
