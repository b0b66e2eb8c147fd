"""Draws one world, lays it out, measures its truth, and prints facts against truth with what it cost.

    python -m benchmarks.evidence.measure cifar10 --data DIR --out FOLDER [--contributors 12] [--seeds 2] [--checkpoint DIR]

Truth is resumable: what lies under FOLDER already is not trained again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pyarrow.compute as pc
import torch

from benchmarks.evidence.worlds.datasets import read_dataset
from benchmarks.evidence.worlds.settings import WORLDS
from benchmarks.evidence.worlds.world import World, make_world
from benchmarks.evidence.worlds.world_files import write_world
from mixval.evidence.truth import TruthJob, agreement, read_truth, train_contributor, truth_matrix
from mixval.storage.layout import safe_name
from mixval.storage.root import open_location


def lay_out(name: str, data: Path, out: Path, contributors: int, seed: int, checkpoint: Path | None) -> World:
    """Draw the world and write it below `out`."""
    setting, dataset = WORLDS[name], read_dataset(WORLDS[name].dataset, data, holds_out_more=WORLDS[name].holds_out_more)
    design = setting.world_design(dataset.task, contributors, seed)
    world = make_world(design, dataset.real, dataset.synthetic, dataset.held_out.slice(0, setting.held_out_rows))
    write_world(world, open_location(out), setting.backbone_config(checkpoint))
    return world


def truth_jobs(name: str, world: World, out: Path, seeds: int, checkpoint: Path | None) -> list[TruthJob]:
    """Contributor by contributor, seed by seed."""
    setting = WORLDS[name]
    has_labels = "label" in world.test.column_names
    labels = sorted(set(world.target["label"].to_pylist()) | set(world.test["label"].to_pylist())) if has_labels else None
    return [
        TruthJob(
            contributor=contributor.name,
            rows=[str(out / "contributors" / f"contributor={safe_name(contributor.name)}")],
            test=str(out / "test"),
            output=str(out / "truth"),
            task=world.design.task,
            backbone=setting.backbone_config(checkpoint),
            classes=labels,
            recipe=setting.recipe,
            seed=seed,
        )
        for contributor in world.contributors
        for seed in range(seeds)
    ]


def print_truth(world: World, jobs: list[TruthJob]) -> None:
    """Facts and truth of every contributor, best first, and how far the seeds agree."""
    truth = read_truth(jobs)
    names, metrics = truth_matrix(truth)
    facts = {contributor.name: contributor.facts for contributor in world.contributors}
    mean = dict(zip(names, metrics.mean(0), strict=True))
    print("name   rows  real  syn.groups  noise  copies shared  shift                truth by seed      mean  steps  thread s")
    for name in sorted(names, key=lambda one: -mean[one]):
        fact, plan = facts[name], facts[name]["planting"]
        own = truth.filter(pc.field("contributor") == name)
        shift = f"{plan['shift_kind']} {plan['shift']:.2f}" if plan["shift"] else "-"
        print(
            f"{name} {fact['n_rows']:5d} {fact['real_share']:5.2f} {plan['n_synthetic_groups'] or '-':>10}  "
            f"{plan['noise']:5.2f}  {fact['n_copy']:5d} {fact['n_shared']:6d}  {shift:18s} "
            f"{' '.join(f'{value:7.4f}' for value in metrics[:, names.index(name)])}  {mean[name]:7.4f}  "
            f"{pc.mean(own['n_steps']).as_py():5.0f} {pc.mean(own['seconds']).as_py():6.1f}"
        )
    found = agreement(truth)
    print(
        f"seeds agree at {found.mean_pairwise:.3f}; reliability of the mean of {found.n_seeds} {found.reliability:.3f}, "
        f"ceiling {found.ceiling:.3f}; {pc.sum(truth['seconds']).as_py():.0f} thread s in all, "
        f"{pc.mean(truth['seconds']).as_py():.1f} a training, {pc.max(truth['seconds']).as_py():.1f} at most"
    )


def main() -> None:
    """Measure the world named on the command line."""
    parser = argparse.ArgumentParser(description="Measures the truth of one world.")
    parser.add_argument("world", choices=sorted(WORLDS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for the world and its truth")
    parser.add_argument("--contributors", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--checkpoint", type=Path, help="backbone of a text world")
    given = parser.parse_args()
    if WORLDS[given.world].backbone is None and given.checkpoint is None:
        parser.error(f"the world {given.world!r} needs --checkpoint, a folder that pretrain.py or sentence_encoder.py has made")
    torch.set_num_threads(1)
    out = given.out.resolve()
    world = lay_out(given.world, given.data, out, given.contributors, given.seed, given.checkpoint)
    jobs = truth_jobs(given.world, world, out, given.seeds, given.checkpoint)
    began = time.perf_counter()
    for job in jobs:
        train_contributor(job)
    print_truth(world, jobs)
    print(f"{time.perf_counter() - began:.0f} s of wall time")


if __name__ == "__main__":
    main()
