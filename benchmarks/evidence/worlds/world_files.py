"""A world on disk: Hive folders and a configuration that `mixval value` takes, the test set, and what is known.

contributors/contributor=NAME/part-000.parquet
target/part-000.parquet          T
test/part-000.parquet            for truth alone: the configuration does not name it
ledger/NAME.parquet              row by row, what was done to it
facts.json                       design and facts of every contributor
config.yaml
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from benchmarks.evidence.worlds.world import World
from mixval.config.backbone import BackboneConfig
from mixval.config.load import parse_config
from mixval.config.valuation import ValuationConfig, merge
from mixval.storage.layout import safe_name
from mixval.storage.root import Location
from mixval.storage.tables import write_table

ADMIT_ALL: dict[str, Any] = {
    "min_rows_per_part": 2,
    "min_classes": 1,
    "max_bad_row_share": 1.0,
    "max_duplicate_share": 1.0,
    "max_target_overlap_share": 1.0,
    "max_shared_share": 1.0,
    "data_docs": False,
}
"""Gate limits under which planted faults reject no contributor: the point is to value them. Repeats are still dropped."""


def write_world(world: World, root: Location, backbone: BackboneConfig, settings: dict[str, Any] | None = None) -> Location:
    """Lays the world out below `root` and returns the location of `config.yaml`, which is written last.

    `settings` are entries of the configuration laid over the defaults, e.g. `{"ntk": {"sample": {"count": 100}}}`. Raises
    ConfigError when they do not make a valid configuration; nothing is written then.
    """
    config = world_config(world, root, backbone, settings or {})
    for contributor in world.contributors:
        name = safe_name(contributor.name)
        write_table(root.child("contributors", f"contributor={name}", "part-000.parquet"), contributor.table)
        write_table(root.child("ledger", f"{name}.parquet"), contributor.ledger)
    write_table(root.child("target", "part-000.parquet"), world.target)
    write_table(root.child("test", "part-000.parquet"), world.test)
    facts = {
        "design": world.design.model_dump(mode="json"),
        "contributors": {contributor.name: contributor.facts for contributor in world.contributors},
    }
    root.child("facts.json").write_bytes((json.dumps(facts, indent=1) + "\n").encode())
    file = root.child("config.yaml")
    file.write_bytes(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False).encode())
    return file


def world_config(world: World, root: Location, backbone: BackboneConfig, settings: dict[str, Any]) -> ValuationConfig:
    """The configuration that values the world where `write_world` lays it out."""
    folder = str(path) if (path := root.local_path()) else root.url
    base = {
        "task": world.design.task,
        "source": {"contributors": f"{folder}/contributors", "target": f"{folder}/target"},
        "output": f"{folder}/out",
        "backbone": backbone.model_dump(mode="json", exclude_unset=True),
        "gate": ADMIT_ALL,
        "ntk": {"method": "exact"},
        "seed": world.design.seed,
    }
    return parse_config(merge(base, settings), where="world configuration")
