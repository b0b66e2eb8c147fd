"""Truth: what a contributor's rows are good for, measured by training on them alone and testing on rows nobody has seen.

One artifact a contributor and seed, of kind `truth`, named by the content of the rows and of the test set, the backbone, the
recipe and the seed: what was trained once is never trained again, and a folder that is renamed keeps its truth. Truth trains
the model that valuation measures; batch norms keep their weights here, which valuation neutralises.

The seed sets the order of rows and, where the backbone is a random initialisation, its weights; a classifier's checkpoint
keeps its body and gets a fresh head.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field

from mixval.config.backbone import BackboneConfig
from mixval.config.base import FrozenModel
from mixval.config.fingerprint import fingerprint
from mixval.config.source import SourceConfig, StorageConfig
from mixval.config.tasks import Task
from mixval.contracts.labels import NO_NAMES, TargetClasses
from mixval.contracts.parts import REAL
from mixval.contracts.plan import ShardRef
from mixval.contracts.record import ArtifactRef
from mixval.contracts.schemas import table_schema
from mixval.errors import ChangedFileError, ContractError, StorageError
from mixval.evidence.agreement import SeedAgreement, seed_agreement
from mixval.evidence.learners import Learner, make_learner
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.training import evaluate, take, train
from mixval.models.backbone import Batch
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone
from mixval.seeds import derive_seed, generator
from mixval.stages.kept import LastMade
from mixval.storage.commit import ArtifactStore
from mixval.storage.root import open_location
from mixval.storage.shards import list_shards, stream_rows

VERSION = 1
"""Raised whenever the numbers change."""
FEWEST_ROWS = 2
FROZEN_SETS = 2
"""Sets of rows whose pass through a frozen body is kept in the process: the test set, and a contributor over its seeds."""
_FROZEN = LastMade[Batch](FROZEN_SETS)
TRUTH = table_schema(
    "truth",
    [
        pa.field("contributor", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("metric", pa.float64(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
        pa.field("n_steps", pa.int64(), nullable=False),
        pa.field("stop_reason", pa.string(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
    ],
    metric="accuracy, or nats a token negated; higher is better",
    loss="nats",
    seconds="of one thread",
)

Listed = dict[str, list[ShardRef]]
"""URL -> its shards, as they were when a training began."""


class TruthJob(FrozenModel):
    """One contributor, or a coalition of several, and one seed: small enough to travel."""

    contributor: str
    """Name in tables and messages; not part of the fingerprint."""
    rows: list[str] = Field(min_length=1)
    """URLs of folders whose shards are trained on together, in this order."""
    test: str
    """URL of a folder of shards: the test set."""
    output: str
    """URL of the output root."""
    storage: StorageConfig = StorageConfig()
    task: Task
    backbone: BackboneConfig
    classes: list[int] | None = None
    """All labels of the task. None for causal LMs."""
    target_classes: TargetClasses = NO_NAMES
    """What the target calls them."""
    recipe: TrainingRecipe = TrainingRecipe()
    seed: int = Field(default=0, ge=0)
    device: str = "cpu"
    """Not part of the fingerprint."""

    @property
    def store(self) -> ArtifactStore:
        """Where truth is committed."""
        return ArtifactStore(open_location(self.output, self.storage))


def truth_ref(job: TruthJob) -> ArtifactRef:
    """Where the truth is, or will be, committed."""
    return training_ref(job, "truth", VERSION)


def train_contributor(job: TruthJob) -> ArtifactRef:
    """Commit `metric`, `loss` and the course of one training. What is there already is returned as it is."""
    return committed_training(job, "truth", VERSION, lambda listed: Trained(measure(job, listed)))


@dataclass(frozen=True)
class Trained:
    """What one training gives."""

    numbers: dict[str, Any]
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


def training_ref(job: TruthJob, kind: str, version: int, **more: Any) -> ArtifactRef:
    """Where a training of this job is, or will be, committed; `more` is what its numbers depend on besides."""
    return job.store.ref(kind, version, **_inputs(job, listed_of(job)), **more)


def committed_training(job: TruthJob, kind: str, version: int, made: Callable[[Listed], Trained], **more: Any) -> ArtifactRef:
    """The artifact of `training_ref`: found, or made by `made`, which is given the files as they were listed."""
    listed = listed_of(job)
    inputs = _inputs(job, listed) | more
    ref = job.store.ref(kind, version, **inputs)
    if job.store.committed(ref) is not None:
        return ref
    began_wall, began = time.perf_counter(), time.thread_time()
    found = made(listed)
    if _backbone_key(job) != inputs["backbone"]:
        raise ChangedFileError(
            f"contributor {job.contributor!r}: expected the checkpoint that its training began with, found another one at its "
            "end. Nothing is kept of the training. Leave its files alone during a run, and run again."
        )
    numbers, took = {**found.numbers, "thread_seconds": time.thread_time() - began}, time.perf_counter() - began_wall
    return job.store.commit(ref, inputs=inputs, numbers=numbers, tables=found.tables, seconds=took)


def measure(job: TruthJob, listed: Listed) -> dict[str, Any]:
    """Train on the job's rows and test on its test rows, as they were listed. Raises ContractError for fewer than two rows."""
    rows, test = read_rows(job, job.rows, listed), read_rows(job, [job.test], listed)
    if rows.num_rows < FEWEST_ROWS:
        raise ContractError(
            f"contributor {job.contributor!r} must have at least {FEWEST_ROWS} rows to train on, found {rows.num_rows}. "
            "Leave it out of the world."
        )
    seed = derive_seed("truth", job.seed)
    learner = learner_of(job, seed)
    kept, held_back = split(rows, job.recipe, seed)
    encoded = _encode(job, learner, _digests(job.rows, listed), rows)
    validation = take(encoded, held_back) if len(held_back) else None
    course = train(learner, take(encoded, kept), validation, job.recipe, seed)
    score = evaluate(learner, _encode(job, learner, _digests([job.test], listed), test))
    return {
        "metric": score.metric,
        "loss": score.loss,
        "n_steps": course.n_steps,
        "stop_reason": course.stop_reason,
        "validation_loss": course.validation_loss,
        "n_rows": rows.num_rows,
        "n_held_back": len(held_back),
    }


def split(rows: pa.Table, recipe: TrainingRecipe, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (ascending) to train on, and those held back: none where they would be under `min_validation_rows`.

    Held-back rows are a share of every label's. Repeats of a row, by `id`, stay on one side, lest a copy vouch for itself.
    """
    labels = rows["label"].to_numpy() if "label" in rows.column_names else np.zeros(rows.num_rows, dtype=np.int64)
    names = rows["id"].to_pylist() if "id" in rows.column_names else list(range(rows.num_rows))
    first = {name: at for at, name in reversed(list(enumerate(names)))}
    owners = np.array([first[name] for name in names], dtype=np.int64)  # position of a row's first copy
    random, chosen = generator("truth", "validation", seed), set[int]()
    for label in np.unique(labels):
        candidates = [at for at in np.flatnonzero(labels == label).tolist() if owners[at] == at]
        order = random.permutation(len(candidates))
        chosen.update(candidates[at] for at in order[: round(recipe.validation_share * len(candidates))])
    is_held = np.array([owner in chosen for owner in owners], dtype=bool)
    if is_held.sum() < recipe.min_validation_rows or (~is_held).sum() < FEWEST_ROWS:
        is_held[:] = False
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def leave_one_out(jobs: Sequence[TruthJob]) -> list[TruthJob]:
    """For each job, the same training on the rows of all others; its name is `without NAME`."""
    if len(jobs) < 2:
        raise ContractError(f"a coalition without a contributor needs two contributors, found {len(jobs)}. Add some.")
    return [
        job.model_copy(
            update={
                "contributor": f"without {job.contributor}",
                "rows": [url for other in jobs if other is not job for url in other.rows],
            }
        )
        for job in jobs
    ]


def read_truth(jobs: Sequence[TruthJob]) -> pa.Table:
    """The committed truth of these jobs under `TRUTH`, in their order. Raises StorageError where one is not committed."""
    return pa.Table.from_pylist([_row(job) for job in jobs], schema=TRUTH)


def truth_matrix(truth: pa.Table) -> tuple[list[str], np.ndarray]:
    """Sorted names (K,) and metrics (S, K), seeds ascending. Raises ContractError where a seed lacks a contributor."""
    rows = truth.select(["contributor", "seed", "metric"]).to_pylist()
    names, seeds = sorted({row["contributor"] for row in rows}), sorted({row["seed"] for row in rows})
    found = {(row["seed"], row["contributor"]): row["metric"] for row in rows}
    missing = [(seed, name) for seed in seeds for name in names if (seed, name) not in found]
    if missing:
        raise ContractError(f"every seed must have every contributor; missing (seed, contributor) {missing[:3]}. Train them.")
    return names, np.array([[found[seed, name] for name in names] for seed in seeds])


def agreement(truth: pa.Table) -> SeedAgreement:
    """How far the seeds of a table of truth agree."""
    return seed_agreement(truth_matrix(truth)[1])


def _row(job: TruthJob) -> dict[str, Any]:
    record = job.store.committed(truth_ref(job))
    if record is None:
        raise StorageError(
            f"{job.output}: expected the truth of {job.contributor!r} at seed {job.seed}, found none. "
            "Run train_contributor on it."
        )
    numbers = record.numbers
    kept = {name: numbers[name] for name in ("metric", "loss", "n_steps", "stop_reason")}
    return {"contributor": job.contributor, "seed": job.seed, **kept, "seconds": numbers["thread_seconds"]}


def learner_of(job: TruthJob, seed: int) -> Learner:
    """The backbone before any training, as the job trains it: initialised by the job's own seed where it is at random."""
    config, init = _as_trained(job.backbone), job.backbone.random_init
    if init is not None:
        fresh = init.model_copy(update={"seed": derive_seed("truth", "initialisation", init.seed, job.seed)})
        config = config.model_copy(update={"random_init": fresh})
    backbone = load_backbone(config, job.task, job.classes, job.device)
    return make_learner(backbone, job.recipe, seed, has_fresh_head=init is None)


def _encode(job: TruthJob, learner: Learner, digests: list[list[str]], rows: pa.Table) -> Batch:
    """Encoded rows; what a frozen checkpoint makes of them does not depend on the seed and is kept."""
    if job.recipe.trainable != "head" or job.backbone.random_init is not None:
        return learner.encode(rows)
    name = fingerprint("frozen", VERSION, backbone=_backbone_key(job), rows=digests, device=job.device)
    return _FROZEN.get(name, lambda: learner.encode(rows))


def _as_trained(backbone: BackboneConfig) -> BackboneConfig:
    return backbone.model_copy(update={"batch_norm": "eval"})


def _backbone_key(job: TruthJob) -> dict[str, Any]:
    return backbone_identity(_as_trained(job.backbone), job.task, job.classes)


def _inputs(job: TruthJob, listed: Listed) -> dict[str, Any]:
    return {
        "rows": _digests(job.rows, listed),
        "test": _digests([job.test], listed)[0],
        "task": job.task,
        "backbone": _backbone_key(job),
        "classes": job.classes,
        **({"class_names": list(job.target_classes.names)} if job.target_classes.names else {}),
        "recipe": job.recipe.model_dump(mode="json"),
        "seed": job.seed,
        "libraries": {"torch": torch.__version__.partition("+")[0]},
    }


def listed_of(job: TruthJob) -> Listed:
    """The job's folders as they lie there now. Raises StorageError for one without data files."""
    return {url: _shards(job, url) for url in (*job.rows, job.test)}


def _digests(urls: Sequence[str], listed: Listed) -> list[list[str]]:
    return [[shard.digest for shard in listed[url]] for url in urls]


def _shards(job: TruthJob, url: str) -> list[ShardRef]:
    shards = list_shards(open_location(url, job.storage))
    if not shards:
        raise StorageError(f"{url}: expected data files, found none. Name a folder with a contributor's rows.")
    return shards


def read_rows(job: TruthJob, urls: Sequence[str], listed: Listed, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of folders in contract columns, as they were listed. Training takes no notice of origins."""
    source = SourceConfig(contributors=urls[0], target=job.test, origin=REAL, storage=job.storage)
    shards = [shard for url in urls for shard in listed[url]]
    tables = [batch.table for batch in stream_rows(shards, source, job.task, columns=columns, classes=job.target_classes)]
    if not tables:
        raise ContractError(f"contributor {job.contributor!r} must have rows, found none in {', '.join(urls)}. Leave it out.")
    return pa.concat_tables(tables, promote_options="default")
