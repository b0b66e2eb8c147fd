"""Measures one world of the distribution: truth in every form, and scores of the methods that are cheap.

What is stored of the same world, truth as well as scores, is used again; a new method's scores are added to it.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from benchmarks.evidence.distribution.backbones import Folders
from benchmarks.evidence.distribution.catalogue import ListedWorld
from benchmarks.evidence.distribution.opening import OpenWorld, opened, trained
from benchmarks.evidence.distribution.results import DistributionResult, facts_of, read, result_file, write
from mixval.config.fingerprint import fingerprint
from mixval.config.tasks import Task
from mixval.evidence.baselines.method import Method
from mixval.evidence.baselines.registry import METHODS, methods_for
from mixval.evidence.ranking import Truth, rank, row_digests, rows_digest
from mixval.evidence.results import SkippedMethod
from mixval.evidence.stored_scores import StoredScores, scores_key
from mixval.models.identity import backbone_identity
from mixval.stages.preparing import run_fingerprint
from mixval.storage.commit import ArtifactStore
from mixval.storage.listing import list_inputs
from mixval.storage.root import open_location

DEAR = frozenset({"deviation", "optimal-transport"})
"""Cheap by what they need, dear by how: they solve over all rows together."""


@dataclass(frozen=True)
class Places:
    """Where things lie."""

    data: Path
    """The data sets."""
    out: Path
    """Worlds, their truth and scores: large, and used again where it is there."""
    results: Path
    """Results, a file a world."""
    folders: Folders


def cheap_methods(task: Task) -> list[Method]:
    """Methods that apply and train nothing on all rows, nor take gradients of their own."""
    return [
        one
        for one in methods_for(task)
        if "checkpoints" not in one.needs and one.name not in DEAR and ("gradients" not in one.needs or one.is_product)
    ]


def measure(
    listed: ListedWorld, places: Places, wanted: Collection[str] | None = None, skipped: Collection[str] = ()
) -> DistributionResult:
    """The world's result, stored. `wanted` methods are scored now, or the cheap ones without scores of this revision.

    Those in `skipped` are left for another time.
    """
    file = result_file(places.results, listed)
    with opened(listed, places.data, places.out, places.folders) as world:
        held = read(file) if file.is_file() else None
        training, rows = _training(world), _digests(world)
        if held is not None and (held.training, held.rows) != (training, rows):
            print(f"{listed.name}: what is stored is of other rows or trainings, and is measured anew", file=sys.stderr)
            held = None
        if held is None:
            truth, seconds = trained(world, lambda done, of: _progress(f"{listed.name}: training {done} of {of}"))
            held = _without_scores(world, truth, seconds)
            write(held, file)
        result = _with_scores(held, world, places.out / listed.name, wanted, skipped)
    write(result, file)
    return result


def _training(world: OpenWorld) -> str:
    jobs = [jobs[0] for jobs in world.jobs.values()]
    return fingerprint(
        "distribution-training",
        1,
        test=rows_digest([open_location(jobs[0].test)]),
        backbone=backbone_identity(jobs[0].backbone, jobs[0].task, jobs[0].classes),
        recipes=[job.recipe.model_dump(mode="json") for job in jobs],
        seeds=sorted({job.seed for jobs in world.jobs.values() for job in jobs}),
    )


def _digests(world: OpenWorld) -> list[str]:
    found = row_digests(next(iter(world.jobs.values())))
    return [found[one.name] for one in world.world.contributors]


def _without_scores(world: OpenWorld, truth: dict[str, Truth], seconds: float) -> DistributionResult:
    listed, contributors = world.listed, world.world.contributors
    names = [one.name for one in contributors]
    return DistributionResult(
        world=listed.name,
        dataset=listed.dataset,
        backbone=listed.backbone,
        design=listed.design,
        role=listed.role,
        seed=listed.seed,
        is_pretrained=listed.kind.is_pretrained,
        task=world.inputs.task,
        cluster=listed.cluster,
        names=names,
        rows=_digests(world),
        training=_training(world),
        truth={form: [[own[name][at] for name in names] for at in range(len(own[names[0]]))] for form, own in truth.items()},
        truth_seconds=seconds,
        facts=facts_of([one.facts for one in contributors]),
        scores={},
        revisions={},
        seconds={},
    )


def _with_scores(
    held: DistributionResult, world: OpenWorld, folder: Path, wanted: Collection[str] | None, left: Collection[str]
) -> DistributionResult:
    kept = {name for name, revision in held.revisions.items() if name in METHODS and METHODS[name].revision == revision}
    chosen = {one.name for one in cheap_methods(world.inputs.task)} - kept if wanted is None else set(wanted)
    chosen -= set(left)
    store = _store(world, folder)
    truth: Truth = {name: [0.0, float(at)] for at, name in enumerate(held.names)}  # `rank` compares with one; none is used
    scores, seconds, skipped = dict(held.scores), dict(held.seconds), dict(held.skipped)
    revisions = dict(held.revisions)
    for one in rank(held.world, world.inputs, truth, chosen, store.found_or_scored) if chosen else ():
        skipped.pop(one.method, None)
        if isinstance(one, SkippedMethod):
            skipped[one.method] = one.reason
            print(f"{held.world}: {one.method} has no scores: {one.reason}", file=sys.stderr)
            continue
        scores[one.method] = [one.scores[name] for name in held.names]
        seconds[one.method], revisions[one.method] = one.seconds, METHODS[one.method].revision
        _progress(f"{held.world}: {one.method}, {one.seconds:.1f} s")
    return held.model_copy(update={"scores": scores, "seconds": seconds, "skipped": skipped, "revisions": revisions})


def _store(world: OpenWorld, folder: Path) -> StoredScores:
    job, root = next(iter(world.jobs.values()))[0], open_location(folder.resolve())
    identity = backbone_identity(job.backbone, job.task, job.classes)
    digests = row_digests(next(iter(world.jobs.values())))
    key = scores_key(digests, rows_digest([root.child("target")]), identity, world.inputs.budget)
    return StoredScores(ArtifactStore(root), key, run_fingerprint(world.config, list_inputs(world.config.source)))


def _progress(said: str) -> None:
    print(f"\r{said:<90}", end="", file=sys.stderr, flush=True)
