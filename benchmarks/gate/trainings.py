"""Whether a batch that a gate says adds something does, when a model is trained on the table with it.

    python -m benchmarks.gate trainings

A table of film reviews by `amber`, and thirty batches of a hundred reviews, each valued against that very table: eleven other
contributors as they are, the same with a share of their labels turned round, and eight of which a share are the table's rows.
Truth is the fall of the loss on the test set, in nats, from a model trained on the table's rows to one trained on these and the
batch's, over the same seeds, which set the first weights and the order of rows. Model: `ngrams`.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy.stats import spearmanr

from benchmarks.figures import Figure, figure
from benchmarks.gate.overhead import config_at
from examples.gate import ROWS, rows_of
from mixval.config.ingestion import IngestionConfig
from mixval.contracts.ingestion import Quantity
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.truth import TruthJob, train_contributor
from mixval.stages.account import Account
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import run_gate

COMMAND = "OPENBLAS_NUM_THREADS=1 python -m benchmarks.gate trainings"
HOLDER, HELD_ROWS, BATCH_ROWS = "amber", 200, 100
SEEDS = 4
TURNED = (0.2, 0.5, 1.0)
"""Shares of labels that are turned round."""
COPIED = (0.3, 0.6, 0.9, 1.0)
"""Shares of rows that are the table's own."""
RECIPE = TrainingRecipe(batch_rows=32, min_steps=150, max_steps=250, trainable="head")
"""The head is all that the model has; so its features are made once."""
TEST = ROWS.parent / "test"
RESAMPLES = 2_000
ALL_WAIT = [{"name": "all wait", "quantity": "rows", "above": 0, "then": "quarantine"}]


def batches() -> dict[str, pa.Table]:
    """The batches by name, which says what was done to them."""
    others = sorted({folder.name.partition("=")[2] for folder in ROWS.iterdir()} - {HOLDER})
    held, draw, found = rows_of(HOLDER).slice(0, HELD_ROWS), np.random.default_rng(0), dict[str, pa.Table]()
    for at, name in enumerate(others):
        own, turned, copied = rows_of(name).slice(0, BATCH_ROWS), TURNED[at % len(TURNED)], COPIED[at % len(COPIED)]
        labels = np.array(own["label"].to_pylist())
        chosen = draw.permutation(len(labels)) < round(turned * len(labels))
        place = own.schema.get_field_index("label")
        found[name] = own
        found[f"{name} turned {turned:g}"] = own.set_column(place, "label", pa.array(np.where(chosen, 1 - labels, labels)))
        if at < 2 * len(COPIED):
            n_copied = round(copied * BATCH_ROWS)
            again = held.take(draw.choice(HELD_ROWS, n_copied, replace=False))
            found[f"{name} copied {copied:g}"] = pa.concat_tables([again, own.slice(0, BATCH_ROWS - n_copied)])
    return found


def valued(root: Path, given: dict[str, pa.Table]) -> dict[str, Quantity]:
    """What each batch adds to the table, by the gate: none of them enters."""
    config = config_at(root, "ngrams")
    put(root / "inbox" / HOLDER / "held.parquet", rows_of(HOLDER).slice(0, HELD_ROWS))
    run_gate(config, InProcess(), Account())
    for at, rows in enumerate(given.values()):
        put(root / "inbox" / f"batch-{at}" / "batch.parquet", rows)
    waiting = IngestionConfig.model_validate(config.model_dump(mode="json") | {"policy": {"rules": ALL_WAIT}})
    outcomes = run_gate(waiting, InProcess(), Account()).outcomes.values()
    by_folder = {one.decision.contributor: one.decision.measured.quantities.get("marginal-value") for one in outcomes}
    told = {name: by_folder.get(f"batch-{at}") for at, name in enumerate(given)}
    return {name: one for name, one in told.items() if one is not None and one.value is not None}


def trained(root: Path, given: dict[str, pa.Table]) -> dict[str, np.ndarray]:
    """By batch, the fall of the loss on the test set that it brings, (S,) by seed."""
    backbone = config_at(root, "ngrams").backbone
    held = root / "inbox" / HOLDER
    for at, rows in enumerate(given.values()):
        put(root / "batches" / str(at) / "batch.parquet", rows)

    def losses(name: str, folders: list[Path]) -> np.ndarray:
        found = list[float]()
        for seed in range(SEEDS):
            job = TruthJob(
                contributor=name, rows=[str(one) for one in folders], test=str(TEST), output=str(root / "truth"),
                task="text-classification", backbone=backbone, classes=[0, 1], recipe=RECIPE, seed=seed,
            )  # fmt: skip
            record = job.store.committed(train_contributor(job))
            if record is None:
                raise RuntimeError(f"expected the training on {name} to be stored, found none")
            found.append(float(record.numbers["loss"]))
        return np.array(found)

    before = losses(HOLDER, [held])
    return {name: before - losses(name, [held, root / "batches" / str(at)]) for at, name in enumerate(given)}


def put(file: Path, rows: pa.Table) -> None:
    """Rows as a Parquet file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, file)


def figures() -> list[Figure]:
    """Agreement of marginal values with trainings, and of trainings with each other."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        given = batches()
        values = valued(Path(folder), given)
        truths = trained(Path(folder), {name: given[name] for name in values})
    names = list(values)
    said = np.array([values[name].value for name in names], dtype=np.float64)
    truth = np.array([truths[name] for name in names])  # (B, S)
    mean = truth.mean(axis=1)
    for name, value, one in zip(names, values.values(), truth, strict=True):
        print(f"{name:<24} {value.value:+.4f} ({value.low} to {value.high})  trained {one.mean():+.4f} +- {one.std():.4f}")
    is_told = np.array([not (one.low or 0) <= 0 <= (one.high or 0) for one in values.values()])
    draws = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    spread = [spearmanr(said[one], mean[one]).statistic for one in draws]
    low, high = np.nanquantile(spread, [0.025, 0.975])
    halves = spearmanr(truth[:, ::2].mean(axis=1), truth[:, 1::2].mean(axis=1)).statistic
    make = partial(figure, command=COMMAND)
    return [
        make("marginal_batches", len(names), ">= 30", "batches"),
        make("marginal_spearman", spearmanr(said, mean).statistic, "-", ""),
        make("marginal_spearman/low", low, "-", ""),
        make("marginal_spearman/high", high, "-", ""),
        make("marginal_spearman/halves_of_seeds", halves, "-", ""),
        make("marginal_told", int(is_told.sum()), "-", "batches"),
        make(
            "marginal_told_right", float((np.sign(said) == np.sign(mean))[is_told].mean()) if is_told.any() else None, "-", ""
        ),
        make("marginal_right", float((np.sign(said) == np.sign(mean)).mean()), "-", ""),
    ]
