"""Calibration: which trainings truth takes, and from truth and terms the weights that `value.weights: fitted` reads.

One artifact of kind `calibration` for each fit, named by terms, truth and what they were made from: `weights.json`, the truth
of every training, and the contributors with terms, truth and the score under weights fitted without them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.base import FrozenModel
from mixval.contracts.labels import NO_NAMES, TargetClasses
from mixval.contracts.plan import ContributorPlan, ShardRef, content_digest
from mixval.contracts.record import ArtifactRef
from mixval.contracts.terms import TERMS
from mixval.errors import ConfigError, ContractError
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.calibration_results import CalibrationFigures, contributors_schema
from mixval.evidence.truth import TruthJob, agreement, leave_one_out, read_truth, train_contributor, truth_matrix, truth_ref
from mixval.evidence.weights import FEWEST, CalibratedFit, calibrate_weights
from mixval.evidence.writers.weights import WEIGHTS
from mixval.gate.derive import digest_names
from mixval.gate.profile import TargetProfile
from mixval.models.identity import backbone_identity
from mixval.publish.stored_run import StoredRun
from mixval.stages.gating import gate_ref, open_store, profile, read_digests
from mixval.stages.resident import pick_device
from mixval.storage.listing import Inputs as ListedInputs
from mixval.storage.listing import list_inputs
from mixval.storage.shards import list_target
from mixval.valuation.fitting import write_fit

VERSION = 1
"""Raised whenever the numbers change."""


class Trainings(FrozenModel):
    """All trainings of a calibration, and their test rows."""

    alone: list[TruthJob]
    """A contributor and seed each."""
    coalitions: list[TruthJob]
    """All contributors but one, and seed."""
    classes: list[int] | None
    target_digest: str
    test_digest: str


def plan_trainings(config: CalibrationConfig, contributors: Sequence[str]) -> Trainings:
    """The trainings of these contributors, which a valuation has gated. Raises ConfigError for test rows that others have."""
    valuation = config.valuation
    listed, target = list_inputs(config.source)
    test_source = config.source.model_copy(update={"target": config.test})
    test = list_target(test_source)
    target_ref, of_target = profile(valuation, target)
    _, of_test = profile(valuation.model_copy(update={"source": test_source}), test)
    _refuse_shared(config, "the target", of_target.digests, of_test.digests)
    for name in contributors:
        gated = gate_ref(valuation, _gated(name, listed[name]), target_ref)
        _refuse_shared(config, f"contributor {name!r}", read_digests(valuation, gated), of_test.digests)
    classes = _classes(config, of_target)
    if unknown := _strange_labels(of_test, of_target):
        raise ContractError(
            f"{config.test}: expected labels of the target alone, found also {unknown[:5]}. Leave those rows out."
        )
    by_seed = [
        [training(config, name, listed[name], classes, seed, of_target.classes) for name in contributors]
        for seed in range(config.seeds)
    ]
    coalitions = (
        [coalition for jobs in by_seed for coalition in leave_one_out(jobs)] if config.coalitions == "leave-one-out" else []
    )
    return Trainings(
        alone=[job for jobs in by_seed for job in jobs],
        coalitions=coalitions,
        classes=classes,
        target_digest=content_digest(target),
        test_digest=content_digest(test),
    )


def committed_trainings(config: CalibrationConfig, inputs: ListedInputs) -> tuple[list[TruthJob], list[str]]:
    """The trainings that lie below the output, of contributors that have every seed; and the contributors that lack some.
    Trains nothing.
    """
    listed, target = inputs
    classes = _classes(config, profile(config.valuation, target)[1])
    found, without = list[TruthJob](), list[str]()
    for name, shards in listed.items():
        jobs = [training(config, name, shards, classes, seed) for seed in range(config.seeds)]
        if all(job.store.committed(truth_ref(job)) is not None for job in jobs):
            found += jobs
        else:
            without.append(name)
    return found, without


def train_here(job: TruthJob) -> ArtifactRef:
    """`train_contributor` on the device of the process that it runs in."""
    return train_contributor(job.model_copy(update={"device": pick_device(job.device)}))


def calibrate(
    config: CalibrationConfig, run: StoredRun, trainings: Trainings, failed: Mapping[str, str]
) -> tuple[ArtifactRef, CalibrationFigures]:
    """Commit weights fitted to the truth of contributors of whom every training succeeded."""
    jobs = [job for job in trainings.alone if job.contributor not in failed]
    names = sorted({job.contributor for job in jobs})
    if len(names) < FEWEST:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in failed.items())
        raise ConfigError(
            f"calibration: expected at least {FEWEST} contributors with terms and truth, found {len(names)}. Add contributors, "
            f"or correct those that failed.{reasons}"
        )
    truth = read_truth(jobs)
    rows = {row["contributor"]: row for row in run.ranking.to_pylist()}
    terms = np.array([[rows[name][term] for term in TERMS] for name in names])
    mean_truth = truth_matrix(truth)[1].mean(axis=0)
    provenance = (
        f"fitted to {len(names)} contributors trained with {config.seeds} seeds each; terms of run {run.manifest.run_id}"
    )
    found = calibrate_weights(terms, mean_truth, provenance)
    ref = _commit(config, trainings, jobs, names, terms, mean_truth, found, _coalitions(trainings, failed))
    trust = _trust(config, found, _finite(agreement(truth).mean_pairwise))
    return ref, CalibrationFigures(weights=found.fit.weights.as_dict(), n_contributors=len(names), failed=dict(failed), **trust)


def _trust(config: CalibrationConfig, found: CalibratedFit, seed_agreement: float | None) -> dict[str, Any]:
    return {
        "ridge": found.fit.ridge,
        "n_seeds": config.seeds,
        "spearman": _finite(found.agreement.spearman),
        "spearman_low": _finite(found.agreement.low),
        "spearman_high": _finite(found.agreement.high),
        "confidence": found.agreement.confidence,
        "seed_agreement": seed_agreement,
    }


def _commit(
    config: CalibrationConfig,
    trainings: Trainings,
    jobs: Sequence[TruthJob],
    names: Sequence[str],
    terms: np.ndarray,
    mean_truth: np.ndarray,
    found: CalibratedFit,
    coalitions: pa.Table,
) -> ArtifactRef:
    store, truth = open_store(config.valuation), read_truth(jobs)
    identity = backbone_identity(config.backbone, config.task, trainings.classes)
    inputs: dict[str, Any] = {
        "truth": [truth_ref(job).fingerprint for job in jobs],
        "coalitions": [
            truth_ref(job).fingerprint
            for job in trainings.coalitions
            if job.contributor in coalitions["contributor"].to_pylist()
        ],
        "names": list(names),
        "terms": terms.tolist(),
        "target": trainings.target_digest,
        "backbone": identity,
    }
    ref = store.ref("calibration", VERSION, **inputs)
    evidence = {
        "target": trainings.target_digest,
        "test": trainings.test_digest,
        "recipe": config.recipe.model_dump(mode="json"),
        **_trust(config, found, _finite(agreement(truth).mean_pairwise)),
    }
    table = pa.table(
        {"contributor": list(names)}
        | {term: terms[:, at] for at, term in enumerate(TERMS)}
        | {"truth": mean_truth, "left_out_score": found.left_out},
        schema=contributors_schema(),
    )
    tables = {"truth": truth, "contributors": table} | ({"coalitions": coalitions} if coalitions.num_rows else {})
    document = write_fit(found.fit, config.task, identity, evidence)
    return store.commit(ref, inputs=inputs, tables=tables, documents={WEIGHTS: document})


def _coalitions(trainings: Trainings, failed: Mapping[str, str]) -> pa.Table:
    return read_truth([job for job in trainings.coalitions if job.contributor not in failed])


def training(
    config: CalibrationConfig,
    name: str,
    shards: Sequence[ShardRef],
    classes: list[int] | None,
    seed: int,
    target_classes: TargetClasses = NO_NAMES,
) -> TruthJob:
    """The training on one contributor at one seed."""
    return TruthJob(
        contributor=name,
        rows=sorted({shard.url.removesuffix(f"/{shard.name}") for shard in shards}),
        test=config.test,
        output=config.output,
        storage=config.source.storage,
        task=config.task,
        backbone=config.backbone,
        classes=classes,
        target_classes=target_classes,
        recipe=config.recipe,
        seed=seed,
        device=config.runtime.device,
    )


def _strange_labels(test: TargetProfile, target: TargetProfile) -> list[Any]:
    """Labels of the test rows that the target does not have; by name where labels are names, as each set numbers its own."""
    if target.labels_are_names or test.labels_are_names:
        return sorted(set(test.class_names) - set(target.class_names)) if target.labels_are_names else list(test.class_names)
    return sorted(set(test.labels) - set(target.labels))


def _classes(config: CalibrationConfig, target: TargetProfile) -> list[int] | None:
    return [int(label) for label in target.labels] if config.task_spec.has_labels else None


def _gated(name: str, shards: list[ShardRef]) -> ContributorPlan:
    """As much of a contributor's plan as names its gate artifact."""
    sizes = dict.fromkeys(("n_rows", "n_sampled", "n_gradient_rows", "n_passes", "task_bytes", "seconds"), 0)
    return ContributorPlan.model_validate({"name": name, "shards": shards} | sizes)


def _refuse_shared(config: CalibrationConfig, who: str, theirs: np.ndarray, test: np.ndarray) -> None:
    shared = np.intersect1d(digest_names(theirs), digest_names(test))
    if len(shared):
        raise ConfigError(
            f"test: expected rows that no contributor and not the target has, found {len(shared)} of {config.test} in {who} "
            f"too. Leave them out of one of the two: truth is evaluated on rows used neither for terms nor for training."
        )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
