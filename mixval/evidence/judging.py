"""Evidence on one's own data: contributors whose truth a calibration has trained, ranked by every method.

Methods see the rows that truth was trained on, all of them at once, and the target; nothing of the test set. Scores are
artifacts of kind `scores`, one a method: what was scored before is found, and a run that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from mixval.contracts.plan import ShardRef, content_digest
from mixval.errors import ConfigError
from mixval.evidence.baselines.inputs import Budget, Contributor, Inputs
from mixval.evidence.baselines.method import Method, Scores
from mixval.evidence.calibrating import committed_trainings
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.ranking import chosen_methods, rank, row_digests, truth_of
from mixval.evidence.results import MethodResult, SkippedMethod, WorldResult, write_result
from mixval.evidence.truth import TruthJob
from mixval.evidence.weights import FEWEST
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone
from mixval.progress import current
from mixval.publish.numerals import seconds as duration
from mixval.stages.gating import open_store
from mixval.stages.planning import Inputs as ListedInputs
from mixval.stages.planning import list_inputs
from mixval.stages.resident import pick_device
from mixval.storage.commit import ArtifactStore
from mixval.storage.root import Location
from mixval.storage.shards import stream_rows

VERSION = 1
"""Raised whenever the scores of a method change."""
FOLDER = "evidence"
SCORES = pa.schema([pa.field("contributor", pa.string(), nullable=False), pa.field("score", pa.float64(), nullable=False)])


def evidence_folder(root: Location) -> Location:
    """Where results lie below an output root; `root` itself where it is no such root."""
    below = root.child(FOLDER)
    return below if below.exists() else root


def measure_evidence(config: CalibrationConfig, world: str, wanted: Collection[str] | None, command: str) -> Location:
    """Rank the contributors that have truth, with the wanted methods or all, and return the folder of the results.

    Raises ConfigError for an unknown method, and where less than six contributors have truth.
    """
    methods = chosen_methods(config.task, wanted)
    current().begin("start", 0)
    inputs = list_inputs(config.valuation)
    jobs, without = committed_trainings(config, inputs)
    _refuse_without_truth(config, len(jobs) // config.seeds, without)
    truth, truth_seconds = truth_of(jobs)
    current().end("start", f"{len(truth)} contributors with truth")
    current().begin("ranking", len(methods))
    ranked = list[MethodResult | SkippedMethod]()
    score = partial(_found_or_scored, open_store(config.valuation), _key(config, inputs, jobs))
    for one in rank(world, _rows(config, inputs, jobs), truth, wanted, score):
        ranked.append(one)
        current().step("ranking", _words(one))
    skipped = [one for one in ranked if isinstance(one, SkippedMethod)]
    current().end("ranking", f"{len(ranked) - len(skipped)} methods, {len(skipped)} could not run")
    result = WorldResult(
        world=world,
        task=config.task,
        truth=truth,
        truth_seconds=truth_seconds,
        methods=[one for one in ranked if isinstance(one, MethodResult)],
        skipped=skipped,
        without_truth=without,
        rows=row_digests(jobs),
        command=command,
    )
    return write_result(result, open_store(config.valuation).output.child(FOLDER))


def _refuse_without_truth(config: CalibrationConfig, n_found: int, without: list[str]) -> None:
    if n_found < FEWEST:
        raise ConfigError(
            f"{config.output}: expected the truth of at least {FEWEST} contributors at {config.seeds} seed(s), found it for "
            f"{n_found} of {n_found + len(without)}. Run `mixval calibrate` on this configuration first: it trains what is "
            "missing."
        )


def _rows(config: CalibrationConfig, inputs: ListedInputs, jobs: list[TruthJob]) -> Inputs:
    listed, target = inputs
    backbone = load_backbone(config.backbone, config.task, jobs[0].classes, pick_device(config.runtime.device))
    contributors = [Contributor(name, _table(config, listed[name])) for name in sorted({job.contributor for job in jobs})]
    return Inputs(config.task, contributors, _table(config, target), backbone, budget_of(config))


def _table(config: CalibrationConfig, shards: list[ShardRef]) -> pa.Table:
    batches = stream_rows(shards, config.source, config.task)
    return pa.concat_tables([batch.table for batch in batches], promote_options="default")


def budget_of(config: CalibrationConfig) -> Budget:
    """What methods share, sized as the valuation is; checkpoints are trained as truth is, but never by the head alone."""
    given: dict[str, Any] = {
        "batch_rows": config.runtime.batch_rows,
        "sketch_features": config.ntk.sketch_features,
        "parameters": tuple(config.ntk.parameters),
        "gram_rows": config.ntk.sample.count,
        "gram_bytes": config.runtime.gradient_bytes,
        "recipe": None if config.recipe.trainable == "head" else config.recipe,
    }
    return Budget.model_validate({name: value for name, value in given.items() if value is not None})


def _key(config: CalibrationConfig, inputs: ListedInputs, jobs: list[TruthJob]) -> dict[str, Any]:
    """What scores depend on, but for the method."""
    listed, target = inputs
    return {
        "rows": {name: content_digest(listed[name]) for name in sorted({job.contributor for job in jobs})},
        "target": content_digest(target),
        "origin": config.source.origin,
        "backbone": backbone_identity(config.backbone, config.task, jobs[0].classes),
        "budget": budget_of(config).model_dump(mode="json"),
        "libraries": {"torch": torch.__version__.partition("+")[0]},
    }


def _found_or_scored(store: ArtifactStore, key: dict[str, Any], method: Method, inputs: Inputs) -> Scores:
    names = [one.name for one in inputs.contributors]
    ref = store.ref("scores", VERSION, method=method.name, **key)
    record = store.committed(ref)
    if record is not None:
        held = store.read_table(ref, "scores", SCORES)
        values = dict(zip(held["contributor"].to_pylist(), held["score"].to_pylist(), strict=True))
        return Scores(np.array([values[name] for name in names]), record.seconds, record.peak_bytes, method.needs)
    scores = method.rank(inputs)
    table = pa.table({"contributor": names, "score": scores.values}, schema=SCORES)
    store.commit(
        ref,
        inputs={"method": method.name, **key},
        tables={"scores": table},
        seconds=scores.seconds,
        peak_bytes=scores.peak_bytes,
    )
    return scores


def _words(one: MethodResult | SkippedMethod) -> str:
    if isinstance(one, SkippedMethod):
        return f"{one.method}: {one.reason}"
    return f"{one.method}: Spearman {one.statistics['spearman'].value:.2f}, {duration(one.seconds)}"
