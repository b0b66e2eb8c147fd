"""What each switch does to the ranking of worlds whose truth is known: Eq. 8 and NTK-regression taken apart.

    python -m benchmarks.evidence.studies.ablation cifar10 sentiment --out FOLDER [--results DIR] [--of ntk-regression]
        [--gradient-rows 150] [--one-pass] [--figures]

FOLDER/WORLD is a world with its truth, as `measure.py` or `run.py` leaves it; it is only read. Writes DIR/WORLD/ablation.json,
below FOLDER unless DIR is given; an ablation of the other method that is there is kept. What is computed lies in a scratch
folder that goes when the world is done.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.evidence.studies import ablation_eq8, ablation_ntk_regression
from benchmarks.evidence.studies.results import Ablation, AblationResult, ablate, read_ablations, write_study
from benchmarks.evidence.worlds.world_folder import WorldFolder, read_world, recorded_truth
from benchmarks.figures import Figure, figure, write_beside
from mixval.evidence.table import p_words, spread
from mixval.storage.root import open_location

COMMAND = "python -m benchmarks.evidence.studies.ablation"
METHODS = (ablation_ntk_regression.METHOD, ablation_eq8.METHOD)
GRADIENT_BYTES = 2**28
"""Of gradients that a stage holds at a time."""


def study(world: WorldFolder, given: argparse.Namespace) -> AblationResult:
    """The methods that are asked for, taken apart in one world."""
    truth, command = recorded_truth(world), command_of(world.name, given)
    made: dict[str, Ablation] = {one.method: one for held in stored(world.name, given) for one in held.ablations}
    if (method := ablation_ntk_regression.METHOD) in given.of:
        base, candidates, skipped = ablation_ntk_regression.regression_variants(world, given.one_pass)
        made[method] = ablate(world.name, method, base, candidates, truth, {}, skipped, command)
    if (method := ablation_eq8.METHOD) in given.of:
        settings = eq8_settings(given)
        with tempfile.TemporaryDirectory() as scratch:
            base, candidates, skipped = ablation_eq8.eq8_variants(world, Path(scratch), settings)
        made[method] = ablate(world.name, method, base, candidates, truth, settings, skipped, command)
    ablations = [made[method] for method in METHODS if method in made]
    return AblationResult(world=world.name, task=world.config.task, truth=truth, ablations=ablations)


def stored(world: str, given: argparse.Namespace) -> list[AblationResult]:
    """What an earlier command has found in this world, none or one."""
    results = given.results or given.out
    return [one for one in read_ablations(open_location(results)) if one.world == world] if results.is_dir() else []


def eq8_settings(given: argparse.Namespace) -> dict[str, Any]:
    """Laid over the world's configuration for every variant."""
    settings: dict[str, Any] = {
        "runtime": {"gradient_bytes": GRADIENT_BYTES},
        "value": {"method": "eq8", "weights": "equal-z"},
    }
    if given.gradient_rows is not None:
        settings["ntk"] = {"sample": {"count": given.gradient_rows}}
    return settings


def command_of(world: str, given: argparse.Namespace) -> str:
    """What measures the world again, but for folders."""
    rows = "" if given.gradient_rows is None else f" --gradient-rows {given.gradient_rows}"
    return f"{COMMAND} {world} --of {' '.join(given.of)}{rows}{' --one-pass' if given.one_pass else ''}"


def figures(result: AblationResult) -> list[Figure]:
    """Spearman of each base, and what each variant gains on it with its interval."""
    found: list[Figure] = []
    for ablation in result.ablations:
        head = f"ablation/{result.world}/{ablation.method}"
        claims = [(f"{head}/spearman", ablation.spearman.value)]
        for one in ablation.variants:
            name = f"{head}/{one.name}"
            claims += [(f"{name}/gain", one.gain.value), (f"{name}/low", one.gain.low), (f"{name}/high", one.gain.high)]
        found += [figure(name, value, "-", "1", ablation.command) for name, value in claims]
    return found


def table_text(result: AblationResult) -> str:
    """Every variant of a world, a line each."""
    lines = []
    for ablation in result.ablations:
        lines.append(f"{result.world}: {ablation.method} {spread(ablation.spearman)}")
        width = max((len(one.name) for one in ablation.variants), default=0)
        lines += [
            f"  {one.name.ljust(width)}  {spread(one.spearman)}  {spread(one.gain)}  p (Holm) {p_words(one.p_holm)}"
            for one in ablation.variants
        ]
        lines += [f"  {one.method}: {one.reason}" for one in ablation.skipped]
    return "\n".join(lines)


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments; refuses worlds that do not exist."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Takes rankings apart in worlds whose truth is known.")
    parser.add_argument("worlds", nargs="+", metavar="WORLD", help="folders below --out")
    parser.add_argument("--out", type=Path, required=True, help="folder of the worlds")
    parser.add_argument("--results", type=Path, help="folder for WORLD/ablation.json; --out unless given")
    parser.add_argument("--of", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--gradient-rows", type=int, help="ntk.sample.count of every variant of Eq. 8")
    parser.add_argument("--one-pass", action="store_true", help="of NTK-regression, what one pass over the gradients gives")
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/evidence.json")
    given = parser.parse_args(words)
    if missing := [name for name in given.worlds if not (given.out / name / "truth").is_dir()]:
        parser.error(f"{given.out}: expected worlds with truth, found none in {', '.join(missing)}. Measure them first")
    return given


def main() -> None:
    """Take the worlds named on the command line apart."""
    given = parsed()
    torch.set_num_threads(1)
    for name in given.worlds:
        result = study(read_world(given.out / name), given)
        print(table_text(result))
        print(write_study(result, open_location(given.results or given.out)).url, file=sys.stderr)
        if given.figures:
            write_beside("evidence", figures(result), f"{COMMAND} {name}")


if __name__ == "__main__":
    main()
