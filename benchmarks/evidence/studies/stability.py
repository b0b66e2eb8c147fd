"""How few rows give the same ranking, and how it moves with seeds and settings: by NTK-regression and by Eq. 8.

    python -m benchmarks.evidence.studies.stability large --data DIR --out FOLDER [--subset-seeds 3] [--seeds 2] [--figures]

Writes FOLDER/WORLD/stability.json. `large` is laid out when FOLDER/large is not there: twelve contributors of 1,000 to 8,000
CIFAR-10 rows (several draw the same rows, 18,000 there are), the ResNet of `settings.py`. Any world that `measure.py` or
`run.py` has laid out below FOLDER serves as well; where truth was trained in it, rankings are held against that too.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.evidence.studies.ablation_ntk_regression import Reading, RegressionWorld
from benchmarks.evidence.studies.ntk_kernels import FEATURES, Gradients, folded, kernels_of, sketches
from benchmarks.evidence.studies.results import StabilityResult, SubsetAgreement, SwitchAgreement, agreements, write_study
from benchmarks.evidence.studies.subsets import READ, Eq8Subsets, RegressionSubsets, all_rows, first_rows
from benchmarks.evidence.worlds.datasets import read_dataset
from benchmarks.evidence.worlds.design import WorldDesign
from benchmarks.evidence.worlds.settings import FAULTS, RESNET
from benchmarks.evidence.worlds.world import make_world
from benchmarks.evidence.worlds.world_files import write_world
from benchmarks.evidence.worlds.world_folder import WorldFolder, read_world, recorded_truth
from benchmarks.figures import Figure, figure, write_beside
from mixval.config.backbone import BackboneConfig
from mixval.config.load import parse_config
from mixval.config.valuation import merge
from mixval.evidence.comparison_statistics import of_world
from mixval.storage.root import open_location
from mixval.terms.arrays import Floats

COMMAND = "python -m benchmarks.evidence.studies.stability"
LARGE = "large"
SIZES = (100, 400, 1000, 4000)
COUNTS_OF_ALL = "counts-of-all"
"""Eq. 8 from a subset, but for its composition term, which needs no measuring."""
SWITCH_ROWS = 1000
"""Rows a contributor on which seeds and settings are varied."""
DAMPINGS = (0.003, 0.01, 0.03, 0.1, 1.0)
WIDTHS = (512, 1024)


def lay_out(folder: Path, data: Path) -> None:
    """Write the large world below `folder`."""
    dataset = read_dataset("cifar10", data)
    design = WorldDesign(
        task=dataset.task,
        contributors=12,
        size=(1000, 8000),
        real_share=(0.4, 1.0),  # generated rows are 8,000 of ten classes
        synthetic_groups=(6, 10),
        pools="independent",
        **FAULTS,
    )
    world = make_world(design, dataset.real, dataset.synthetic, dataset.held_out)
    write_world(world, open_location(folder), BackboneConfig.model_validate(RESNET))


def regression_agreements(
    world: WorldFolder, sizes: Sequence[int], n_seeds: int, truth: Floats | None
) -> list[SubsetAgreement]:
    """NTK regression from subsets, by the rows that its values are estimates for, against its ranking from all rows."""
    side = RegressionSubsets(world)
    nested = {n: [side.nested(n, seed) for seed in range(n_seeds)] for n in sizes}
    found: list[SubsetAgreement] = []
    for form in next(iter(nested.values()))[0]:
        rankings = {n: np.array([one[form] for one in own]) for n, own in nested.items()}
        found += agreements(side.method, form, rankings, side.whole, truth)
    return found


def eq8_agreements(world: WorldFolder, sizes: Sequence[int], n_seeds: int, truth: Floats | None) -> list[SubsetAgreement]:
    """Eq. 8 from subsets, its composition term with the counts of all rows or of the subset's."""
    side = Eq8Subsets(world)
    whole = side.scores(None, n_seeds)  # the sample of gradient rows is one of its own
    found: list[SubsetAgreement] = []
    for form, counts_all in ((COUNTS_OF_ALL, True), ("counts-of-subset", False)):
        rankings = {n: np.array([side.scores(n, seed, counts_all) for seed in range(n_seeds)]) for n in sizes}
        found += agreements(side.method, form, rankings, whole, truth)
    return found


def switch_agreements(world: WorldFolder, n_seeds: int) -> list[SwitchAgreement]:
    """NTK-regression from the same rows under other lambdas, sketches, mixes and initialisations; of seeds, the mean tau."""
    cut = first_rows(world, SWITCH_ROWS, 0)
    side, rows = RegressionWorld(cut), sketches(cut, Gradients(), FEATURES)
    base = kernels_of(rows)
    first = _values(side.scores(base, Reading()))
    rankings = [("lambda", f"{damping:g}", [side.scores(base, Reading(damping))]) for damping in DAMPINGS]
    rankings += [("q", str(q), [side.scores(kernels_of(folded(rows, q)), Reading())]) for q in WIDTHS]
    for kind, others in _reseeded(cut, n_seeds).items():
        scored = [side.scores(kernels_of(sketches(one, wanted, FEATURES)), Reading()) for one, wanted in others]
        rankings.append((kind, f"{n_seeds} other seeds", scored))
    return [
        SwitchAgreement(switch=kind, setting=setting, kendall=_mean_kendall(scored, first))
        for kind, setting, scored in rankings
    ]


def _reseeded(world: WorldFolder, n_seeds: int) -> dict[str, list[tuple[WorldFolder, Gradients]]]:
    """What has a seed -> the world and its gradients under each other seed."""
    seeds = range(1, n_seeds + 1)
    found = {"sketch": [(world, Gradients(sketch=seed)) for seed in seeds]}
    if not world.backbone.is_causal:
        found["mix of logits"] = [(world, Gradients(mix=seed)) for seed in seeds]
    if (init := world.config.backbone.random_init) is not None:
        configs = [
            merge(
                world.config.model_dump(mode="json", exclude_unset=True),
                {"backbone": {"random_init": {"seed": init.seed + seed}}},
            )
            for seed in seeds
        ]
        worlds = [dataclasses.replace(world, config=parse_config(one)) for one in configs]
        found["initialisation"] = [(one, Gradients()) for one in worlds]
    return found


def _mean_kendall(scored: Sequence[dict[str, float]], base: Floats) -> float:
    return float(np.mean([of_world("kendall", _values(one), base) for one in scored]))


def _values(scores: dict[str, float]) -> Floats:
    return np.array([scores[name] for name in sorted(scores)])


def study(world: WorldFolder, given: argparse.Namespace) -> StabilityResult:
    """All of it, for one world."""
    sizes = [n for n in SIZES if (all_rows(world) > n).any()]
    truth = None
    if world.root.child("truth").exists():
        by_name = recorded_truth(world)
        truth = np.array([np.mean(by_name[one.name]) for one in world.contributors])
    subsets = regression_agreements(world, sizes, given.subset_seeds, truth)
    if not given.one_pass:
        subsets += eq8_agreements(world, sizes, given.subset_seeds, truth)
    return StabilityResult(
        world=world.name,
        task=world.config.task,
        n_rows={one.name: one.n_rows for one in world.contributors},
        target_rows=world.target.num_rows,
        subsets=subsets,
        switches=[] if given.one_pass else switch_agreements(world, given.seeds),
        command=f"{COMMAND} {world.name} --subset-seeds {given.subset_seeds}"
        + (" --one-pass" if given.one_pass else f" --seeds {given.seeds}"),
    )


def figures(result: StabilityResult) -> list[Figure]:
    """Mean Kendall correlations over subset seeds with the ranking from all rows, and those of seeds and settings."""
    claims: list[tuple[str, float, str]] = []
    for one in result.subsets:
        is_plain, is_ours = one.form in (READ, COUNTS_OF_ALL), one.method == RegressionSubsets.method
        name = f"kendall_{one.n_rows}" + ("" if is_ours else f"/{one.method}") + ("" if is_plain else f"/{one.form}")
        target = ">= 0.9" if is_ours and is_plain and one.n_rows >= 400 else "-"
        claims += [(name, float(np.mean(one.against_all)), target)]
        claims += [(f"{name}/next", float(np.mean(one.against_next)), "-")]
        claims += [(f"{name}/spearman", float(np.mean(one.spearman)), "-")] if one.spearman else []
    claims += [(f"kendall_switch/{one.switch}/{one.setting}", one.kendall, "-") for one in result.switches]
    prefix = "" if result.world == LARGE else f"{result.world}/"
    return [figure(f"{prefix}{name}", value, target, "1", result.command) for name, value, target in claims]


def table_text(result: StabilityResult) -> str:
    """Every agreement, a line each."""
    lines = [f"{result.world}: {len(result.n_rows)} contributors of {min(result.n_rows.values())} rows and more"]
    for one in result.subsets:
        spearman = f"  with truth {np.mean(one.spearman):.3f}" if one.spearman else ""
        lines.append(
            f"{one.method:<20} {one.form:<17} {one.n_rows:>5} rows: all {np.mean(one.against_all):.2f} "
            f"(least {min(one.against_all):.2f}), next {np.mean(one.against_next):.2f}{spearman}"
        )
    return "\n".join(lines + [f"{one.switch} {one.setting}: {one.kendall:.2f}" for one in result.switches])


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Measures how stable rankings are.")
    parser.add_argument("world", help=f"a folder below --out with a world; {LARGE} is laid out where it is missing")
    parser.add_argument("--data", type=Path, help="folder of the data sets, to lay the large world out")
    parser.add_argument("--out", type=Path, required=True, help="folder of the world's folder")
    parser.add_argument("--results", type=Path, help="folder for WORLD/stability.json; --out unless given")
    parser.add_argument("--subset-seeds", type=int, default=3, help="draws of rows")
    parser.add_argument("--seeds", type=int, default=2, help="other seeds of sketch, mix and initialisation")
    parser.add_argument("--one-pass", action="store_true", help="only what one gradient a row gives: no Eq. 8, no other seeds")
    parser.add_argument("--figures", action="store_true", help=f"write {LARGE}'s into benchmarks/results/evidence.json")
    given = parser.parse_args(words)
    if not (given.out / given.world).is_dir() and (given.world != LARGE or given.data is None):
        parser.error(f"{given.out / given.world}: expected a world's folder. Lay one out first, or name {LARGE} with --data")
    return given


def main() -> None:
    """Study the world named on the command line."""
    given = parsed()
    torch.set_num_threads(1)
    folder = given.out / given.world
    if not folder.is_dir():
        lay_out(folder, given.data)
    result = study(read_world(folder), given)
    print(table_text(result))
    print(write_study(result, open_location(given.results or given.out)).url, file=sys.stderr)
    if given.figures:
        write_beside("evidence", figures(result), f"{COMMAND} {result.world}")


if __name__ == "__main__":
    main()
