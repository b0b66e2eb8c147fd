"""Worlds in which strangers' spoiled shards stand beside an honest contributor, and runs of them in processes of their own."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import re
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.torture.seeds import HONEST, config_of, lay_out
from benchmarks.torture.world import measured_figures
from mixval.config.tasks import Task
from mixval.config.valuation import ValuationConfig
from mixval.errors import MixvalError
from mixval.stages.in_process import gate_prepared, prepare_here, value_gated
from mixval.stages.runs import ValuedRun
from mixval.storage.listing import list_contributors

CPU_SECONDS = 60
"""A run takes about four of them."""
STANDSTILL_SECONDS = 900.0
FOREIGN = re.compile(r"^\w*(Error|Exception|Warning|Interrupt|Exit)\b: ")
"""How a reason begins that an error of no known kind gave, see `mixval.errors.reason_of`."""
SAID = "said"
TARGETS_OWN = ("footprint", "target-profile")
"""Kinds of artifacts that do not depend on contributors."""
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["mixval_flows.preload", "benchmarks.torture.scenes"])

Stages = Callable[[Path, ValuationConfig, IO[str]], ValuedRun]
"""A run of a folder's world by a configuration, which writes down where it is."""


@dataclass(frozen=True)
class Ended:
    """How a run beside spoiled contributors ended."""

    escapes: list[str]
    """What must not have come, in words."""
    verdicts: dict[str, str]
    peak_bytes: int
    """Memory of its process."""


class Scene:
    """A task's world, and what an honest contributor's run gives in it."""

    def __init__(self, folder: Path, task: Task, stages: Stages | None = None) -> None:
        """Lay out the world and run it undisturbed. `stages` take the place of a run's own."""
        self._folder, self._task, self._stages, self._n_runs = folder, task, stages or run_stages, 0
        lay_out(folder, task)
        alone = self._run({})
        if not isinstance(alone, dict):
            raise SystemExit(f"{task}: expected an undisturbed run to end, found: {alone}")
        self.honest, self.peak_bytes = alone["honest"], alone["peak_bytes"]

    def beside(self, shards: Mapping[str, bytes]) -> Ended:
        """A run with these spoiled contributors beside the honest one."""
        found = self._run(shards)
        if not isinstance(found, dict):
            return Ended([found], {}, 0)
        verdicts: dict[str, list[Any]] = found["verdicts"]
        escapes = [f"{name} fails by '{why}'" for name, (_, why) in verdicts.items() if FOREIGN.match(why or "")]
        escapes += [f"{name} has no verdict" for name in {*shards, HONEST} - set(verdicts)]
        if found["honest"] != self.honest:
            escapes.append(f"the honest contributor has other figures: {found['honest']} instead of {self.honest}")
        return Ended(escapes, {name: verdict for name, (verdict, _) in verdicts.items()}, found["peak_bytes"])

    def _run(self, shards: Mapping[str, bytes]) -> dict[str, Any] | str:
        """What a run found, or how its process ended without."""
        self._n_runs += 1
        folder = self._folder / f"run-{self._n_runs}"
        for name in ("source", "target", "out"):  # the first run leaves here what all others find
            if (self._folder / name).exists():
                shutil.copytree(self._folder / name, folder / name)
        for name, data in shards.items():
            file = folder / "source" / f"contributor={name}" / "part-0.parquet"
            file.parent.mkdir()
            file.write_bytes(data)
        process = PROCESSES.Process(target=_run_here, args=(folder, self._task, self._stages))
        process.start()
        process.join(STANDSTILL_SECONDS)
        is_standing = process.exitcode is None
        if is_standing:
            process.kill()
            process.join()
        try:
            if process.exitcode == 0:
                found: dict[str, Any] = json.loads((folder / "found.json").read_text())
                for kind in TARGETS_OWN if self._n_runs == 1 else ():
                    shutil.copytree(folder / "out/artifacts" / kind, self._folder / "out/artifacts" / kind)
                return found
            why = (
                "a standstill"
                if is_standing
                else signal.Signals(-process.exitcode).name
                if process.exitcode < 0
                else "an error"
            )
            return f"the process ended with {why}: {_last(folder / SAID)}"
        finally:
            shutil.rmtree(folder)


def _run_here(folder: Path, task: Task, stages: Stages) -> None:
    """The stages of a run in this process, with what they found in `found.json`."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with (folder / SAID).open("w") as said:
        faulthandler.enable(said)
        try:
            run = stages(folder, config_of(folder, task), said)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=said)
            sys.exit(1)
        finally:
            faulthandler.disable()
    honest = run.outcomes[HONEST].model_dump(mode="json", exclude={"near_copies"})
    found = {
        "verdicts": {name: (one.verdict, one.reason) for name, one in run.outcomes.items()},
        "honest": [honest, measured_figures(run)[HONEST]],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    (folder / "found.json").write_text(json.dumps(found))


def run_stages(folder: Path, config: ValuationConfig, said: IO[str]) -> ValuedRun:
    """Plan, gate and measure. The listing by a column comes before: it is the flow's own process that reads there."""
    for file in sorted((folder / "source").glob("*/*.parquet")):
        print(f"list {file.parent.name} by column", file=said, flush=True)
        changes = {"contributors": str(file), "layout": "column", "contributor_column": "origin"}
        with suppress(MixvalError):  # which ends the plan, in words
            list_contributors(config.source.model_copy(update=changes))
    print("plan", file=said, flush=True)
    prepared = prepare_here(config)
    print("gate", file=said, flush=True)
    gated = gate_prepared(config, prepared)
    print("measure", file=said, flush=True)
    return value_gated(gated)


def _last(said: Path) -> str:
    """What a process said last: where it was, and the innermost lines of ours that were running."""
    lines = said.read_text().splitlines() if said.exists() else []
    frames = [line.strip() for line in lines if "mixval" in line and line.lstrip().startswith("File ")]
    return "; ".join([*[line for line in lines if not line.startswith((" ", "Ext", "Cur", "Thr"))][-2:], *frames[:2]])
