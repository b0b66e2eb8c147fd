"""The evidence in small: two worlds out of the data of the examples, in a minute of one core.

    python -m benchmarks.evidence.reduced [images reviews] [--out FOLDER] [--page FILE] [--figures]

Twelve contributors each, half of them with most labels wrong, drawn from the rows of `examples/images` and `examples/reviews`
(whose own wrong labels are put right first); tiny backbones at random initialisation; short trainings. The default tests run
the same worlds and hold them against what was planted. `--figures` puts their figures, with names that end in `/reduced`,
next to the full ones in benchmarks/results/evidence.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.evidence.run import figures
from benchmarks.evidence.worlds.design import Factor, WorldDesign
from benchmarks.evidence.worlds.inputs import inputs_of, measured
from benchmarks.evidence.worlds.settings import SMALL_RESNET
from benchmarks.evidence.worlds.world import World, make_world
from benchmarks.evidence.worlds.world_files import write_world
from benchmarks.figures import Figure, write_beside
from mixval.config.backbone import BackboneConfig
from mixval.config.load import load_config
from mixval.config.tasks import Task, spec_of
from mixval.config.valuation import ValuationConfig
from mixval.contracts.parts import PARTS
from mixval.evidence.baselines.inputs import Budget
from mixval.evidence.comparison import compare
from mixval.evidence.fitted import SINGLES, with_fitted
from mixval.evidence.page.render import render_page
from mixval.evidence.ranking import rank, truth_of, world_result
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.results import WorldResult
from mixval.evidence.table import table_text
from mixval.evidence.truth import TruthJob, train_contributor
from mixval.models.load import load_backbone
from mixval.storage.layout import safe_name
from mixval.storage.root import open_location

COMMAND = "python -m benchmarks.evidence.reduced"
EXAMPLES = Path(__file__).parents[2] / "examples"
CONTRIBUTORS = 12
METHODS = ("random", "size", *SINGLES, "eq8-equal-z", "knn", "ntk-regression")


@dataclass(frozen=True)
class Reduced:
    """One small world."""

    task: Task
    design: dict[str, Any]
    """Fields of `WorldDesign` besides task, contributors and pools."""
    recipe: TrainingRecipe
    backbone: dict[str, Any]
    budget: Budget
    n_held_out: int
    """Real rows of the example's contributors that are held out besides its target set."""


def _short(n_steps: int, rate: float) -> TrainingRecipe:
    """So many steps of 32 rows, without rows held back."""
    return TrainingRecipe(learning_rate=rate, batch_rows=32, min_steps=n_steps, max_steps=n_steps, validation_share=0.0)


WORLDS = {
    "images": Reduced(
        "image-classification",
        {"size": (100, 300), "noise": Factor(affected=0.5, low=0.6, high=0.8)},
        _short(50, 1e-2),
        SMALL_RESNET,
        Budget(sketch_features=512, gram_rows=60),
        n_held_out=0,
    ),
    "reviews": Reduced(
        "text-classification",
        {"size": (300, 700), "noise": Factor(affected=0.5, low=0.8, high=0.95)},
        _short(60, 6e-3),
        {
            "random_init": {
                "architecture": "bert",
                "settings": {
                    "hidden_size": 96,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 1,
                    "intermediate_size": 32,
                    "initializer_range": 0.06,  # at BERT's 0.02 a random layer hardly looks at the words
                },
            },
            "tokenizer": str(EXAMPLES / "reviews" / "tokenizer"),
            "max_length": 32,
        },
        Budget(sketch_features=1024, gram_rows=60, parameters=("embedding",)),
        n_held_out=600,
    ),
}


def draw(name: str, **changes: Any) -> World:
    """The world, the same every time; with other fields of its design where `changes` has them."""
    setting = WORLDS[name]
    rows = _mended_rows(EXAMPLES / name / "data")
    real, synthetic = ([row for row in rows if row["origin"] == origin] for origin in PARTS)
    held_out = _read(EXAMPLES / name / "data" / "target") + real[: setting.n_held_out]
    design = WorldDesign(task=setting.task, contributors=CONTRIBUTORS, pools="independent", **(setting.design | changes))
    return make_world(design, *(_table(part, setting.task) for part in (real[setting.n_held_out :], synthetic, held_out)))


def _mended_rows(data: Path) -> list[dict[str, Any]]:
    """All contributors' rows in the order of their ids, with the labels that they had before some were turned round."""
    facts = json.loads((data / "facts.json").read_text(encoding="utf-8"))["contributors"]
    true = {identity: label for one in facts.values() for identity, label in one["true_labels"].items()}
    rows = [row for name in facts for row in _read(data / "contributors" / f"contributor={name}")]
    return sorted((row | {"label": true.get(row["id"], row["label"])} for row in rows), key=lambda row: str(row["id"]))


def _read(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob("*.parquet")) for row in pq.ParquetFile(file).read().to_pylist()]


def _table(rows: list[dict[str, Any]], task: Task) -> pa.Table:
    content = ("image", pa.binary()) if spec_of(task).is_image else ("text", pa.string())
    schema = pa.schema([("id", pa.string()), ("source", pa.string()), content, ("label", pa.int64())])
    return pa.Table.from_pylist([row | {"source": row["origin"]} for row in rows], schema=schema)


def measure(name: str, folder: Path, methods: Collection[str] = METHODS) -> WorldResult:
    """Lay the world out below `folder`, train its truth, one seed, and rank it."""
    setting, world = WORLDS[name], draw(name)
    config, jobs = laid_out(name, world, folder)
    for job in jobs:
        train_contributor(job)
    truth = truth_of(jobs)
    inputs = inputs_of(world, load_backbone(config.backbone, setting.task, jobs[0].classes), setting.budget, config)
    ranked = list(rank(name, inputs, truth[0], methods))
    return world_result(name, jobs, truth, ranked, f"{COMMAND} {name}")


def laid_out(name: str, world: World, folder: Path) -> tuple[ValuationConfig, list[TruthJob]]:
    """Write the world below `folder`; the configuration that measures it, and a training for each contributor."""
    setting = WORLDS[name]
    backbone = BackboneConfig.model_validate(setting.backbone)
    write_world(world, open_location(folder), backbone)
    jobs = [
        TruthJob(
            contributor=one.name,
            rows=[str(folder / "contributors" / f"contributor={safe_name(one.name)}")],
            test=str(folder / "test"),
            output=str(folder / "truth"),
            task=setting.task,
            backbone=backbone,
            classes=sorted(set(world.target["label"].to_pylist())),
            recipe=setting.recipe,
        )
        for one in world.contributors
    ]
    return measured(load_config(folder / "config.yaml"), setting.budget), jobs


def reduced_figures(results: list[WorldResult]) -> list[Figure]:
    """Those of the full evidence, under names of their own."""
    command = f"{COMMAND} {' '.join(one.world for one in results)}"
    return [Figure(**{**one, "name": f"{one['name']}/reduced"}) for one in figures(compare(results), command)]


def main() -> None:
    """Measure the worlds named on the command line, or both."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help=f"out of {', '.join(WORLDS)}; none: all")
    parser.add_argument("--out", type=Path, help="folder for worlds and truth, where trainings are found again")
    parser.add_argument("--page", type=Path, help="write the evidence page here")
    parser.add_argument("--figures", action="store_true", help="put the figures into benchmarks/results/evidence.json")
    given = parser.parse_args()
    names = given.worlds or list(WORLDS)
    if unknown := sorted(set(names) - set(WORLDS)):
        parser.error(f"expected worlds out of {', '.join(WORLDS)}, found {', '.join(unknown)}")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        out = (given.out or Path(temporary)).resolve()
        results = with_fitted([measure(name, out / name) for name in names])
    print(table_text(compare(results)))
    if given.page is not None:
        given.page.write_text(render_page(results), encoding="utf-8")
    if given.figures:
        write_beside("evidence", reduced_figures(results), COMMAND)


if __name__ == "__main__":
    main()
