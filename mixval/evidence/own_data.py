"""Evidence on one's own data: contributors whose truth a calibration has trained, ranked by every method.

Methods are given all the rows that truth was trained on, and the target, but not the test set. Scores are
artifacts (`stored_scores.py`), so that a run that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa

from mixval.config.source import SourceConfig
from mixval.contracts.labels import TargetClasses
from mixval.contracts.plan import ShardRef, content_digest
from mixval.errors import ConfigError
from mixval.evidence.baselines.inputs import Budget, Contributor, Inputs
from mixval.evidence.baselines.product import ProductValues, product_values
from mixval.evidence.calibrating import committed_trainings
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.ranking import chosen_methods, outcome_words, rank, truth_of, world_result
from mixval.evidence.results import MethodResult, SkippedMethod, write_result
from mixval.evidence.stored_scores import StoredScores, scores_key
from mixval.evidence.truth import TruthJob
from mixval.evidence.weights import FEWEST
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone
from mixval.progress import current
from mixval.stages.gating import open_store
from mixval.stages.resident import pick_device
from mixval.storage.listing import Inputs as ListedInputs
from mixval.storage.listing import list_inputs
from mixval.storage.root import Location
from mixval.storage.shards import named_classes, source_of_target, stream_rows

FOLDER = "evidence"


def evidence_folder(root: Location) -> Location:
    """Where results lie below an output root; `root` itself where it is no such root."""
    below = root.child(FOLDER)
    return below if below.exists() else root


def measure_evidence(config: CalibrationConfig, world: str, wanted: Collection[str] | None, command: str) -> Location:
    """Rank the contributors that have truth, with the wanted methods or all, and return the folder of the results.

    Raises ConfigError for an unknown method, and where less than six contributors have truth and a value. A contributor with
    truth but no value is left out of all rankings, by name.
    """
    methods = chosen_methods(config.task, wanted)
    current().begin("start", 0)
    inputs = list_inputs(config.source)
    jobs, without = committed_trainings(config, inputs)
    _refuse_without_truth(config, len(jobs) // config.seeds, without)
    current().end("start", f"{len({job.contributor for job in jobs})} contributors with truth")
    valued = _valued(config) if any(method.is_product for method in methods) else None
    jobs, without_value = _with_value(config, jobs, valued)
    truth = truth_of(jobs)
    current().begin("ranking", len(methods))
    ranked = list[MethodResult | SkippedMethod]()
    fingerprint = "" if valued is None else valued.fingerprint
    stored = StoredScores(open_store(config.valuation), _key(config, inputs, jobs), fingerprint)
    for one in rank(world, _rows(config, inputs, jobs, valued), truth[0], wanted, stored.found_or_scored):
        ranked.append(one)
        current().step("ranking", f"{one.method}: {outcome_words(one)}")
    n_skipped = sum(isinstance(one, SkippedMethod) for one in ranked)
    current().end("ranking", f"{len(ranked) - n_skipped} methods, {n_skipped} could not run")
    result = world_result(world, jobs, truth, ranked, command, without, without_value)
    return write_result(result, open_store(config.valuation).output.child(FOLDER))


def _valued(config: CalibrationConfig) -> ProductValues:
    """What `mixval value` publishes of all contributors that the configuration lists, with or without truth."""
    current().begin("valuing", 0)
    valued = product_values(config.regression)
    current().end("valuing", f"{len(valued.values)} contributors with a value")
    return valued


def _with_value(
    config: CalibrationConfig, jobs: list[TruthJob], valued: ProductValues | None
) -> tuple[list[TruthJob], dict[str, str]]:
    """The trainings of contributors that have a value too, and why the others have none. Raises ConfigError for too few."""
    if valued is None:
        return jobs, {}
    kept = [job for job in jobs if job.contributor in valued.values]
    reasons = {job.contributor: valued.without[job.contributor] for job in jobs if job.contributor not in valued.values}
    if len(kept) // config.seeds < FEWEST:
        told = "".join(f"\n  {name}: {reason}" for name, reason in reasons.items())
        raise ConfigError(
            f"{config.output}: expected at least {FEWEST} contributors with truth and a value, found "
            f"{len(kept) // config.seeds}. Change the gate's limits, or correct those without a value.{told}"
        )
    return kept, reasons


def _refuse_without_truth(config: CalibrationConfig, n_found: int, without: list[str]) -> None:
    if n_found < FEWEST:
        raise ConfigError(
            f"{config.output}: expected the truth of at least {FEWEST} contributors at {config.seeds} seed(s), found it for "
            f"{n_found} of {n_found + len(without)}. Run `mixval calibrate` on this configuration first: it trains what is "
            "missing."
        )


def _rows(config: CalibrationConfig, inputs: ListedInputs, jobs: list[TruthJob], valued: ProductValues | None) -> Inputs:
    listed, target = inputs
    backbone = load_backbone(config.backbone, config.task, jobs[0].classes, pick_device(config.runtime.device))
    classes = named_classes(target, config.source, config.task)
    named = sorted({job.contributor for job in jobs})
    contributors = [Contributor(name, _table(config, config.source, listed[name], classes)) for name in named]
    valuation = None if valued is None else lambda: valued
    of_target = _table(config, source_of_target(target, config.source), target, classes)
    return Inputs(config.task, contributors, of_target, backbone, budget_of(config), valuation)


def _table(config: CalibrationConfig, source: SourceConfig, shards: list[ShardRef], classes: TargetClasses) -> pa.Table:
    batches = stream_rows(shards, source, config.task, classes=classes)
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
    listed, target = inputs
    rows = {name: content_digest(listed[name]) for name in sorted({job.contributor for job in jobs})}
    backbone = backbone_identity(config.backbone, config.task, jobs[0].classes)
    return scores_key(rows, content_digest(target), backbone, budget_of(config)) | {"origin": config.source.origin}
