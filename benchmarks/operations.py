"""What operations promise, as figures: deployments that a worker really runs, the cost of scale, pages, and what faults did.

    python -m benchmarks.operations [--torture SECONDS] [--tasks 1000]

A Prefect server is started; the valuation of a tiny world and a gate with a delivery are registered, and a process worker runs
both. A plan of 1,000 contributors with 1,000 shards each is made of a simulated listing (`benchmarks/plan_size.py`), and so
many tasks that do nothing go through Prefect and Dask as a run's do. What faults and hostile input did is copied from
`benchmarks/results/torture.json`, each figure with the command and the commit that measured it; with `--torture` that is
measured again first, for so long. Writes `benchmarks/results/operations.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.figures import RESULTS, Figure, figure, write
from benchmarks.torture.world import config_of, lay_out
from mixval.config.ingestion import IngestionConfig
from mixval.config.load import load_config_as
from mixval.publish.run_manifest import resolved_config

COMMAND = "python -m benchmarks.operations"
ROOT = Path(__file__).parents[1]
COPIED = {
    "kills/kills": "kills",
    "kills/values_lost": "losses",
    "kills/outputs": "outputs_with_identical_rankings",
    "kills/orphans": "processes_left",
    "signals/seconds_to_stop": "seconds_to_stop",
    "mutated/mutated_files": "hostile/mutated_files",
    "mutated/escapes": "hostile/escapes",
    "strangers/hostile": "hostile/folders",
    "strangers/wrong": "hostile/folders_that_escape",
    "bombs/bombs": "hostile/bombs",
    "bombs/wrong": "hostile/bombs_that_escape",
}
"""Name in torture.json -> name here."""


def faults() -> list[Figure]:
    """What the torture found, by the names of this file."""
    held: list[Figure] = json.loads((RESULTS / "torture.json").read_text(encoding="utf-8"))
    found = {one["name"]: one for one in held}
    return [Figure(**{**found[old], "name": new}) for old, new in COPIED.items()]  # type: ignore[typeddict-item]


def pages(folder: Path) -> list[Figure]:
    """Pages of the documentation's site, whose warnings are errors."""
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=True)
    built = len([page for page in folder.rglob("*.html") if page.name != "404.html"])
    return [figure("pages_built", built, ">= 20", "pages", COMMAND)]


def plan() -> list[Figure]:
    """Of a thousand contributors with a thousand shards each."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.plan_size"], check=True, capture_output=True, text=True, cwd=ROOT)
    parts = {line["part"]: line for line in map(json.loads, done.stdout.splitlines())}
    seconds = parts["plan"]["fingerprint_seconds"] + parts["plan"]["plan_seconds"]
    carried = parts["tasks/exact"]["carried"]["seconds"]
    return [
        figure("plan_of_a_million_shards", seconds, "<= 30", "CPU s", COMMAND),
        figure("carried_by_a_task_of_a_thousand_shards", 1_000 * carried, "-", "CPU ms", COMMAND),
    ]


def nothing(_number: int) -> None:
    """What a task of the simulation does."""


def tasks(n: int) -> list[Figure]:
    """CPU of so many tasks through Prefect and Dask, beyond start-up; of this process, its server and its workers."""
    from prefect import flow

    from mixval.config.runtime import RuntimeConfig
    from mixval_flows.api import ApiStart
    from mixval_flows.runner import LazyCluster
    from mixval_flows.valuation import WAITING
    from mixval_tasks.base import house_task
    from mixval_tasks.cluster import on_cluster, use_cluster

    @house_task("simulated")
    def simulated(number: int) -> None:
        on_cluster(nothing, number, label="simulated")

    @flow(name="simulation", task_runner=WAITING)  # type: ignore[arg-type]  # generics of Prefect
    def simulation(count: int) -> None:
        for future in [simulated.submit(number) for number in range(count)]:
            future.result()

    api, cluster = ApiStart(), LazyCluster(RuntimeConfig(workers=2))
    try:
        with api.ready(), use_cluster(cluster):
            simulation(20)
            before = _cpu_seconds()
            simulation(n)
            spent = _cpu_seconds() - before
    finally:
        cluster.close()
        api.close()
    return [figure(f"overhead_a_task/{n}", 1_000 * spent / n, "<= 100", "CPU ms", COMMAND)]


def _cpu_seconds() -> float:
    import psutil

    own = resource.getrusage(resource.RUSAGE_SELF)
    below = [one.cpu_times() for one in psutil.Process().children(recursive=True)]
    return own.ru_utime + own.ru_stime + sum(one.user + one.system for one in below)


def deployments(folder: Path) -> list[Figure]:
    """How many of those that are registered a process worker runs to their end."""
    from mixval_flows.server import TemporaryServer

    configs = _configurations(folder)
    server = TemporaryServer()
    server.start(timeout=900)
    try:
        told = os.environ | {"PREFECT_API_URL": server.api_url}
        _run(["-m", "prefect", "work-pool", "create", "operations", "--type", "process"], told, folder)
        for flow, file in configs.items():
            register = ["-m", "mixval_deployments.register", flow, str(file), "--name", "operations", "--pool", "operations"]
            _run(register, told, folder)
            _run(["-m", "prefect", "deployment", "run", f"{flow}/operations"], told, folder)
        _run(["-m", "prefect", "worker", "start", "--pool", "operations", "--type", "process", "--run-once"], told, folder)
        states = _run(["-m", "prefect", "flow-run", "ls", "--state", "COMPLETED", "--output", "json"], told, folder)
    finally:
        server.stop()
    return [figure("deployments_really_run", len(json.loads(states)), f"{len(configs)}", "deployments", COMMAND)]


def _configurations(folder: Path) -> dict[str, Path]:
    """A valuation of a tiny world, and a gate in front of an empty table with one delivery of the reviews example."""
    lay_out(folder / "world")
    example = ROOT / "examples" / "reviews"
    places = {name: str(folder / "gate" / name) for name in ("inbox", "table", "state")}
    gate = load_config_as(IngestionConfig, example / "gate.yaml").model_copy(update=places)
    name = sorted(path.name for path in (example / "data" / "contributors").iterdir())[0]
    shutil.copytree(example / "data" / "contributors" / name, Path(places["inbox"]) / name)
    made: dict[str, Any] = {
        "valuation": config_of(folder / "world", folder / "out", "exact", runtime={"workers": 1}),
        "ingestion": gate,
    }
    for flow, config in made.items():
        (folder / f"{flow}.yaml").write_text(yaml.safe_dump(resolved_config(config)), encoding="utf-8")
    return {flow: folder / f"{flow}.yaml" for flow in made}


def _run(arguments: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(
            f"expected `{' '.join(arguments)}` to end with 0, found {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torture", type=float, default=0.0, help="seconds; 0 takes what is stored")
    parser.add_argument("--tasks", type=int, default=1_000, help="of the simulation")
    given = parser.parse_args()
    if given.torture:
        subprocess.run([sys.executable, "-m", "benchmarks.torture", "--seconds", str(given.torture)], check=True, cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        measured = [*deployments(Path(folder)), *plan(), *tasks(given.tasks), *pages(Path(folder) / "site")]
    write("operations", [*faults(), *measured])


if __name__ == "__main__":
    main()
