"""What operations promise, as figures: the cost of scale, pages of the documentation, and what faults did.

    python -m benchmarks.operations [--torture SECONDS] [--part plan]

A plan of 1,000 contributors with 1,000 shards each is made of a simulated listing (`benchmarks/plan_size.py`). What faults and
hostile input did is copied from `benchmarks/results/torture.json`, each figure with the command and the commit that measured
it; with `--torture` that is measured again first, for so long. Writes `benchmarks/results/operations.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import RESULTS, Figure, figure, write_by_name

COMMAND = "python -m benchmarks.operations"
ROOT = Path(__file__).parents[1]
PARTS = ("faults", "plan", "pages")
COPIED = {
    "kills/kills": "kills",
    "kills/values_lost": "losses",
    "kills/outputs": "outputs_killed",
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


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torture", type=float, default=0.0, help="seconds; 0 takes what is stored")
    parser.add_argument("--part", action="append", choices=PARTS, help="these alone; repeatable")
    given = parser.parse_args()
    if given.torture:
        subprocess.run([sys.executable, "-m", "benchmarks.torture", "--seconds", str(given.torture)], check=True, cwd=ROOT)
    measured = {
        "faults": lambda _: faults(),
        "plan": lambda _: plan(),
        "pages": pages,
    }
    for part in given.part or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            write_by_name("operations", measured[part](Path(folder)))


if __name__ == "__main__":
    main()
