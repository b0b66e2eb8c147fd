"""The first evening: does a first configuration tell clean rows from spoilt ones, and how long until it says so?

    python -m benchmarks.first_evening [pairs] [pretrained] [answers] [install] [--pairs 6]

`pairs`: planted pairs (`planted_pairs.py`) under the configuration that `mixval init --offline` writes, by task. `pretrained`:
the same under the pretrained weights of `examples/pretrained`, where their packages are installed. `answers`: under the
pretrained language model, the same few prompts with their answers, with each other's and with shuffled words. `install`: from
`pip install` of this checkout into a fresh environment to the first ranking of own data, by README's commands. All by default.
What other commands have stored in `benchmarks/results/first_evening.json` under other names is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

import mixval
from benchmarks.figures import Figure, figure, write_by_name
from benchmarks.planted_pairs import first_configuration, planted_pairs, spoilt_answers, told_apart
from mixval.config.tasks import EVERY_TASK, Task, spec_of

COMMAND = "python -m benchmarks.first_evening"
PARTS = ("pairs", "pretrained", "answers", "install")
ROWS = {True: 200, False: 150}
"""Of each contributor, where rows have labels and where not."""
TARGET_ROWS = 150
PRETRAINED_ROWS = {True: 100, False: 40}
PRETRAINED_TARGET_ROWS = 60
ANSWERS_ROWS = 24
"""Short ones, of each contributor and of the target."""


def told_by_seed(n_pairs: int, tasks: list[Task]) -> list[Figure]:
    """Pairs told apart without a hub."""
    figures: list[Figure] = []
    for task in tasks:
        pairs = planted_pairs(task, n_pairs, ROWS[spec_of(task).has_labels], TARGET_ROWS)
        result = mixval.value(dict(pairs.contributors), pairs.target, **first_configuration(task, is_offline=True))
        figures += _figures(f"{task}/offline", told_apart(pairs, result), f"{COMMAND} pairs")
    return figures


def told_by_pretrained(n_pairs: int, tasks: list[Task], weights: Path) -> list[Figure]:
    """Pairs told apart under pretrained weights."""
    from examples.pretrained.backbones import pretrained_configuration
    from examples.pretrained.unpack import unpack

    figures: list[Figure] = []
    unpack(weights)
    for task in tasks:
        has_labels = spec_of(task).has_labels
        few = n_pairs if has_labels else max(1, n_pairs // 3)
        pairs = planted_pairs(task, few, PRETRAINED_ROWS[has_labels], PRETRAINED_TARGET_ROWS)
        n_classes = pc.count_distinct(pairs.target["label"]).as_py() if has_labels else 0
        sections = pretrained_configuration(task, weights, n_classes)
        result = mixval.value(dict(pairs.contributors), pairs.target, **sections)
        figures += _figures(f"{task}/pretrained", told_apart(pairs, result), f"{COMMAND} pretrained")
    return figures


def told_by_answers(weights: Path) -> list[Figure]:
    """Values of the same prompts with right, mismatched and shuffled answers, by the pretrained language model."""
    from examples.pretrained.backbones import pretrained_configuration
    from examples.pretrained.unpack import unpack

    unpack(weights)
    contributors, target = spoilt_answers(ANSWERS_ROWS, ANSWERS_ROWS)
    result = mixval.value(dict(contributors), target, **pretrained_configuration("instruction", weights, 0))
    found = result.ranking.set_index("contributor")
    figures = [
        figure(f"answers/{name}", float(row["value"]), "-", "nats", f"{COMMAND} answers") for name, row in found.iterrows()
    ]
    best = found.loc["right"]
    for name in ("mismatched", "shuffled"):
        is_below = found.loc[name, "value"] < best["value"] and found.loc[name, "tie_group"] != best["tie_group"]
        figures.append(figure(f"answers/{name} told from right", float(is_below), "-", "0 or 1", f"{COMMAND} answers"))
    return figures


def install_to_ranking() -> list[Figure]:
    """Seconds from `pip install` into a fresh environment to the first ranking, with the commands that README shows."""
    checkout = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "environment", with_pip=True)
        programs = folder / "environment" / "bin"
        outside = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PREFECT_API_URL")}
        environment = outside | {"PREFECT_HOME": str(folder / "prefect")}
        pins = folder / "pins.txt"  # without digests: pip would ask for one of the checkout, too
        pins.write_text(re.sub(r" \\\n\s+--hash=\S+", "", (checkout / "constraints.txt").read_text()))
        began = time.perf_counter()
        _run([programs / "python", "-m", "pip", "install", "-q", "-c", pins, checkout], environment, folder)
        installed = time.perf_counter()
        _run([programs / "mixval", "init", "my-run", "--task", "text-classification"], environment, folder)
        _own_data(folder / "my-run")
        _run([programs / "mixval", "value", "my-run/mixval.yaml"], environment, folder)
        ranked = time.perf_counter()
    command = f"{COMMAND} install"
    return [
        figure("seconds_of_pip_install", installed - began, "-", "seconds", command),
        figure("seconds_from_pip_install_to_ranking", ranked - began, "-", "seconds", command),
    ]


def _own_data(folder: Path) -> None:
    pairs = planted_pairs("text-classification", 2, ROWS[True], TARGET_ROWS)
    tables = {f"contributors/{name}": rows for name, rows in pairs.contributors.items()} | {"target": pairs.target}
    for place, rows in tables.items():
        (folder / place).mkdir(parents=True)
        pq.write_table(rows, folder / place / "part-0.parquet")


def _run(command: list[Path | str], environment: dict[str, str], folder: Path) -> None:
    subprocess.run([str(part) for part in command], env=environment, cwd=folder, check=True)


def _figures(name: str, told: list[bool], command: str) -> list[Figure]:
    return [
        figure(f"pairs_told_apart/{name}", sum(told) / len(told), "-", "share", command),
        figure(f"pairs/{name}", len(told), "-", "pairs", command),
    ]


def main(arguments: list[str]) -> None:
    """Measure what is named, and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="any of pairs, pretrained, answers, install; all by default")
    parser.add_argument("--pairs", type=int, default=6, help="pairs by task; a third of them under a pretrained causal model")
    parser.add_argument("--task", action="append", choices=EVERY_TASK, help="only this task; repeatable")
    parser.add_argument("--weights", type=Path, default=Path(__file__).parents[1] / "examples/pretrained/out/weights")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"expected any of {', '.join(PARTS)}, found {', '.join(unknown)}")
    parts, tasks = given.parts or list(PARTS), list(given.task or EVERY_TASK)
    if "pairs" in parts:
        write_by_name("first_evening", told_by_seed(given.pairs, tasks))
    if "pretrained" in parts:
        write_by_name("first_evening", told_by_pretrained(given.pairs, tasks, given.weights))
    if "answers" in parts:
        write_by_name("first_evening", told_by_answers(given.weights))
    if "install" in parts:
        write_by_name("first_evening", install_to_ranking())


if __name__ == "__main__":
    main(sys.argv[1:])
