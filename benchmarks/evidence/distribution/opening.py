"""A world of the distribution drawn, laid out and open: what methods may see of it, and the trainings of its truth.

with opened(world_named(name), data, out, folders) as world:
    world.inputs                      # for methods: rows, T, backbone
    truth, seconds = trained(world)   # form -> contributor -> value of each seed; what lies below `out` is found again
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.evidence.distribution.backbones import Folders, backbone_config
from benchmarks.evidence.distribution.catalogue import ListedWorld
from benchmarks.evidence.distribution.designs import design_fields
from benchmarks.evidence.worlds.datasets import Dataset, read_dataset
from benchmarks.evidence.worlds.design import WorldDesign
from benchmarks.evidence.worlds.inputs import inputs_of, measured
from benchmarks.evidence.worlds.world import World, make_world
from benchmarks.evidence.worlds.world_files import world_config, write_world
from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import spec_of
from mixval.config.valuation import ValuationConfig
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.ranking import Truth
from mixval.evidence.truth import TruthJob, read_truth, train_contributor
from mixval.models.load import load_backbone
from mixval.storage.layout import safe_name
from mixval.storage.root import open_location

SEEDS = 2
"""Trainings of each contributor."""
CLASSES_OF_100 = 20
"""Of CIFAR-100: with all hundred, a contributor of sixty rows has none of most."""
STOPPINGS = ("early-stopping", "planned-steps")


@dataclass(frozen=True)
class OpenWorld:
    """One world below its folder."""

    listed: ListedWorld
    world: World
    config: ValuationConfig
    """That values it, as the evidence measures."""
    inputs: Inputs
    jobs: dict[str, list[TruthJob]]
    """Stopping -> a training for each contributor and seed."""


@contextmanager
def opened(listed: ListedWorld, data: Path, out: Path, folders: Folders) -> Iterator[OpenWorld]:
    """The world, laid out below `out`; its backbone is there within this block. Raises as the drawing of worlds does."""
    dataset, folder = narrowed(listed, data), (out / listed.name).resolve()
    world = make_world(designed(listed, dataset), dataset.real, dataset.synthetic, dataset.held_out)
    labels = sorted(set(world.target["label"].to_pylist())) if "label" in world.target.column_names else None
    with backbone_config(listed.backbone, folders, len(labels or ())) as backbone:
        config = measured(_laid_out(world, folder, backbone), listed.kind.budget)
        loaded = load_backbone(backbone, dataset.task, labels)
        inputs = inputs_of(world, loaded, listed.kind.budget, config)
        yield OpenWorld(listed, world, config, inputs, _jobs(listed, world, folder, backbone, labels))


def trained(world: OpenWorld, told: Callable[[int, int], object] = lambda _done, _of: None) -> tuple[dict[str, Truth], float]:
    """Truth by form, and the thread seconds of all trainings. `told` hears how many of how many trainings are done."""
    every = sorted((job for jobs in world.jobs.values() for job in jobs), key=lambda job: job.contributor)  # its rows are kept
    for at, job in enumerate(every, start=1):
        train_contributor(job)
        told(at, len(every))
    found, seconds = dict[str, Truth](), 0.0
    for stopping, jobs in world.jobs.items():
        rows = sorted(read_truth(jobs).to_pylist(), key=lambda row: (row["contributor"], row["seed"]))
        seconds += sum(row["seconds"] for row in rows)
        columns = {"log-likelihood": lambda row: -row["loss"], "accuracy": lambda row: row["metric"]}
        for measure in columns if world.inputs.has_labels else ("log-likelihood",):
            truth: Truth = {}
            for row in rows:
                truth.setdefault(row["contributor"], []).append(float(columns[measure](row)))
            found[f"{measure}/{stopping}"] = truth
    return found, seconds


def designed(listed: ListedWorld, dataset: Dataset) -> WorldDesign:
    """The design of the world, for the groups that its data set has."""
    groups = [_n_groups(rows) for rows in (dataset.real, dataset.synthetic)]
    return WorldDesign(
        task=dataset.task,
        contributors=listed.kind.contributors,
        seed=listed.seed,
        size=listed.kind.size,
        pools="independent",
        **design_fields(listed.design, dataset.task, *groups),
    )


def narrowed(listed: ListedWorld, data: Path) -> Dataset:
    """The world's data set: short rows alone where the backbone is dear, few classes of CIFAR-100, few held-out rows."""
    whole, kind = _read(listed.dataset, data), listed.kind

    def kept(rows: pa.Table) -> pa.Table:
        if listed.dataset == "cifar100":
            rows = rows.filter(pa.array([label < CLASSES_OF_100 for label in rows["label"].to_pylist()]))
        if kind.max_chars is not None and "response" in rows.column_names:
            lengths = [len(row["prompt"] + row["response"]) for row in rows.select(["prompt", "response"]).to_pylist()]
            rows = rows.filter(pa.array([length <= kind.max_chars for length in lengths]))
        return rows

    return Dataset(whole.task, kept(whole.real), kept(whole.synthetic), kept(whole.held_out).slice(0, kind.held_out_rows))


@lru_cache(maxsize=2)
def _read(name: str, data: Path) -> Dataset:
    return read_dataset(name, data, holds_out_more=name != "lm" and not name.startswith("cifar"))


def _n_groups(rows: pa.Table) -> int:
    return len(set(rows["label" if "label" in rows.column_names else "group"].to_pylist()))


def _laid_out(world: World, folder: Path, backbone: BackboneConfig) -> ValuationConfig:
    root = open_location(folder)
    write_world(world, root, backbone)
    return world_config(world, root, backbone, {})


def _jobs(
    listed: ListedWorld, world: World, folder: Path, backbone: BackboneConfig, labels: list[int] | None
) -> dict[str, list[TruthJob]]:
    stopped = listed.kind.recipe
    recipes = dict(zip(STOPPINGS, (stopped, stopped.model_copy(update={"validation_share": 0.0})), strict=True))
    shared: dict[str, Any] = {"test": str(folder / "test"), "output": str(folder / "truth"), "classes": labels}
    assert spec_of(world.design.task).has_labels == (labels is not None)
    return {
        stopping: [
            TruthJob(
                contributor=one.name,
                rows=[str(folder / "contributors" / f"contributor={safe_name(one.name)}")],
                task=world.design.task,
                backbone=backbone,
                recipe=recipe,
                seed=seed,
                **shared,
            )
            for one in world.contributors
            for seed in range(SEEDS)
        ]
        for stopping, recipe in recipes.items()
    }
