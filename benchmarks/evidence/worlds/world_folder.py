"""A world as `write_world` laid it out, with the truth that was trained in it: what the studies start from. It is only read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRecord
from mixval.errors import ContractError
from mixval.evidence.baselines.inputs import Contributor
from mixval.models.backbone import Backbone
from mixval.models.load import load_backbone
from mixval.storage.layout import safe_name
from mixval.storage.root import Location, open_location
from mixval.storage.tables import decode_table


@dataclass(frozen=True)
class WorldFolder:
    """The world's configuration, and its rows without the test set."""

    name: str
    config: ValuationConfig
    """Of `config.yaml`: where contributors and T lie, and the backbone."""
    contributors: list[Contributor]
    """By name."""
    target: pa.Table
    root: Location

    @property
    def classes(self) -> list[int] | None:
        """T's labels. None where rows have none."""
        return sorted(set(self.target["label"].to_pylist())) if "label" in self.target.column_names else None

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone that is valued."""
        return load_backbone(self.config.backbone, self.config.task, self.classes)

    @property
    def tables(self) -> list[pa.Table]:
        """The contributors' rows, and T's last."""
        return [*(one.table for one in self.contributors), self.target]


def read_world(folder: Path) -> WorldFolder:
    """The world below `folder`, named as the folder is. Raises as the readers of its files do."""
    root = open_location(folder.resolve())
    names = sorted(json.loads(root.child("facts.json").read_bytes())["contributors"])
    return WorldFolder(
        folder.resolve().name,
        load_config(folder / "config.yaml"),
        [Contributor(name, _table(_rows_of(root, name))) for name in names],
        _table(root.child("target", "part-000.parquet")),
        root,
    )


def recorded_truth(world: WorldFolder) -> dict[str, list[float]]:
    """Contributor -> metric of each seed, of the trainings on its rows alone that were tested on the world's test set.

    Raises ContractError where a contributor lacks a seed that another has, or was trained by two recipes.
    """
    test = world.root.child("test", "part-000.parquet").content_digest()
    names = {_rows_of(world.root, one.name).content_digest(): one.name for one in world.contributors}
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for record in _records(world.root.child("truth", "artifacts", "truth")):
        inputs = record.inputs
        if inputs["test"] != [test] or len(inputs["rows"]) != 1 or (name := names.get("".join(inputs["rows"][0]))) is None:
            continue
        if inputs["seed"] in found[name]:
            raise ContractError(
                f"{world.root.url}: contributor {name!r} must have one training of seed {inputs['seed']}, found two, of unlike "
                "settings. Measure truth into a folder of its own."
            )
        found[name][inputs["seed"]] = float(str(record.numbers["metric"]))
    seeds = sorted({seed for own in found.values() for seed in own})
    if lacking := [one.name for one in world.contributors if sorted(found[one.name]) != seeds or not seeds]:
        raise ContractError(
            f"{world.root.url}: expected truth of seeds {seeds or 'at least 0'} for every contributor, {lacking[:5]} lack "
            "some. Run `python -m benchmarks.evidence.measure` on the world to its end."
        )
    return {one.name: [found[one.name][seed] for seed in seeds] for one in world.contributors}


def _records(folder: Location) -> Iterable[ArtifactRecord]:
    for file in folder.files("record.json"):
        yield ArtifactRecord.model_validate_json(file.read_bytes())


def _table(file: Location) -> pa.Table:
    return decode_table(file, file.read_bytes())


def _rows_of(root: Location, name: str) -> Location:
    return root.child("contributors", f"contributor={safe_name(name)}", "part-000.parquet")
