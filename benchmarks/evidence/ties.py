"""How often pairs that a run tells apart are in the order of training, and how often a run tells noise apart.

    python -m benchmarks.evidence.ties images reviews [--noise 4] [--figures]
    python -m benchmarks.evidence.ties cifar10 cifar100 --data DIR [--encoder DIR] [--noise 4] [--figures]

Worlds are the small ones of `reduced.py`, whose contributors are trained here, or those of the evidence with their stored
truth. They are valued as `mixval value` does, with 200 replicates. Of all pairs of contributors of one world: those with
different letters (tie groups), those whose intervals do not overlap, and all. Noise are the small worlds with every label drawn
at random, so that no contributor is better than another or than no rows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.evidence import reduced
from benchmarks.evidence.measure import lay_out, truth_jobs
from benchmarks.evidence.run import checkpoint_of, known_result
from benchmarks.evidence.worlds.design import Factor
from benchmarks.evidence.worlds.inputs import measured
from benchmarks.evidence.worlds.settings import WORLDS
from benchmarks.figures import RESULTS, Figure, figure, write_beside
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig, merge
from mixval.contracts.results import CANNOT_SAY
from mixval.evidence.ranking import truth_of
from mixval.evidence.truth import train_contributor
from mixval.publish.verdict_words import is_ordered
from mixval.stages.in_process import gate_prepared, prepare_here, value_gated

COMMAND = "python -m benchmarks.evidence.ties"
DRAWN: dict[str, Any] = {"contributors": 30, "seeds": 3, "seed": 0, "truth": RESULTS / "evidence", "language_model": None}
"""How the stored truth was made, and where it lies."""
RANDOM = {"images": 0.9, "reviews": 0.5}
"""Share of rows that get one of the other labels, at which labels say nothing: (C - 1) / C."""

Told = dict[str, list[bool]]
"""`letters`, `intervals`, `values` -> for each pair that differs by it, whether it is in the order of training."""


def told(ranking: pa.Table, truth: Mapping[str, float]) -> Told:
    """Pairs of one world; those that training does not tell apart count as half right, once each way."""
    found: Told = {"letters": [], "intervals": [], "values": []}
    rows = sorted(ranking.to_pylist(), key=lambda row: -row["value"])
    for better, worse in combinations(rows, 2):
        gain = truth[better["contributor"]] - truth[worse["contributor"]]
        right = [True, False] if gain == 0 else [gain > 0] * 2
        found["values"] += right
        groups = (better["tie_group"], worse["tie_group"])
        if None not in groups and groups[0] != groups[1]:
            found["letters"] += right
        if better["value_low"] is not None and worse["value_high"] is not None and better["value_low"] > worse["value_high"]:
            found["intervals"] += right
    return found


def ranking_of(config: ValuationConfig) -> pa.Table:
    """The ranking of a run with intervals."""
    settings: dict[str, Any] = {"value": {"replicates": 200}}
    given = ValuationConfig.model_validate(merge(config.model_dump(mode="json", exclude_unset=True), settings))
    return value_gated(gate_prepared(given, prepare_here(given))).reduced.ranking


def of_training(name: str, given: argparse.Namespace, folder: Path) -> Told:
    """Pairs of one world. Raises ContractError where no truth of the same rows is stored of a world of the evidence."""
    if name in reduced.WORLDS:
        config, jobs = reduced.laid_out(name, reduced.draw(name), folder)
        for job in jobs:
            train_contributor(job)
        return told(ranking_of(config), {one: float(np.mean(seeds)) for one, seeds in truth_of(jobs)[0].items()})
    checkpoint = checkpoint_of(name, given)
    world = lay_out(name, given.data, folder, given.contributors, given.seed, checkpoint)
    known = known_result(name, truth_jobs(name, world, folder, given.seeds, checkpoint), given)
    config = measured(load_config(folder / "config.yaml"), WORLDS[name].budget)
    return told(ranking_of(config), {one: float(np.mean(seeds)) for one, seeds in known.truth.items()})


def of_noise(draws: int, root: Path) -> tuple[list[bool], list[bool]]:
    """Whether each world of noise was ranked, and whether each of its contributors got a verdict."""
    ranked, decided = [], []
    for name, share in RANDOM.items():
        for seed in range(draws):
            world = reduced.draw(name, seed=seed, noise=Factor(affected=1.0, low=share, high=share))
            ranking = ranking_of(reduced.laid_out(name, world, root / f"noise-{name}-{seed}")[0])
            ranked.append(is_ordered(ranking))
            decided += [verdict != CANNOT_SAY for verdict in ranking["verdict"].to_pylist()]
            print("noise", name, seed, ranked[-1], sum(decided[-ranking.num_rows :]), "verdicts", flush=True)
    return ranked, decided


def figures(found: Told, ranked: list[bool], decided: list[bool], command: str) -> list[Figure]:
    """Shares, and of how many pairs, worlds or contributors."""
    shown = []
    for by, right in ((by, right) for by, right in found.items() if right):
        shown.append(figure(f"ties/in order of training, by {by}", float(np.mean(right)), "-", "1", command))
        shown.append(figure(f"ties/pairs, by {by}", len(right) // 2, "-", "pairs", command))
    shown.append(figure("noise/runs with an order", float(np.mean(ranked)), "<= 0.1", "1", command))
    shown.append(figure("noise/runs", len(ranked), "-", "runs", command))
    shown.append(figure("noise/contributors with take or leave", float(np.mean(decided)), "<= 0.05", "1", command))
    return shown


def main() -> None:
    """Measure, print, and with `--figures` record."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help="images, reviews, or worlds of the evidence")
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--encoder", type=Path, help="backbone of `sentiment`, from sentence_encoder.py")
    parser.add_argument("--noise", type=int, default=4, help="worlds of each kind with labels at random")
    parser.add_argument("--figures", action="store_true", help="put the figures into benchmarks/results/first_evening.json")
    given = argparse.Namespace(**DRAWN, **vars(parser.parse_args()))
    if unknown := sorted({*given.worlds} - {*reduced.WORLDS, *WORLDS}):
        parser.error(f"expected worlds out of {', '.join([*reduced.WORLDS, *WORLDS])}, found {', '.join(unknown)}")
    torch.set_num_threads(1)
    found: Told = {"letters": [], "intervals": [], "values": []}
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.worlds:
            own = of_training(name, given, Path(temporary) / name)
            print(name, {by: (len(right) // 2, f"{np.mean(right):.3f}") for by, right in own.items() if right}, flush=True)
            found = {by: found[by] + own[by] for by in found}
        ranked, decided = of_noise(given.noise, Path(temporary))
    made = figures(found, ranked, decided, f"{COMMAND} {' '.join([*given.worlds, '--noise', str(given.noise)])}")
    if given.figures:
        write_beside("first_evening", made, COMMAND)
    else:
        for one in made:
            print(f"{one['name']:<46} {one['figure']}")


if __name__ == "__main__":
    main()
