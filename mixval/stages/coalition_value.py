"""The value of any coalition of contributors of a stored run: from its committed sufficient statistics; neither rows nor model
are read.

A run commits which statistics its ranked contributors have; `manifest.json` names that artifact.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from mixval.config.base import FrozenModel
from mixval.config.source import StorageConfig
from mixval.config.url_secrets import stripped_url
from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.errors import ConfigError, LostArtifactError, StorageError
from mixval.publish.names import listed
from mixval.publish.stored_run import StoredRun
from mixval.stages.coalitions import CoalitionJob, game_of, job_of_ranked
from mixval.stages.jobs import MeasureJob
from mixval.stages.reducing import Reduced
from mixval.stages.routes import ROUTES, route_of
from mixval.stages.statistics import statistics_ref
from mixval.storage.commit import ArtifactStore
from mixval.storage.layout import Layout
from mixval.storage.root import Location
from mixval.valuation.coalition_errors import known_interval

KIND = "coalition-job"
VERSION = 1
"""Raised whenever the document has another form."""
DOCUMENT = "job.json"


class CoalitionValue(FrozenModel):
    """The value of some contributors' rows together, of the ranking's kind: higher is better."""

    contributors: list[str]
    value: float
    """Of all of them together."""
    low: float | None
    """Lower end of its interval at `value.confidence`; None where it is unknown, as by Eq. 8 and without replicates."""
    high: float | None
    """Upper end."""
    alone: dict[str, float]
    """Contributor -> its value as a coalition of one."""
    alone_low: dict[str, float | None]
    """Contributor -> lower end of the same."""
    alone_high: dict[str, float | None]
    """Contributor -> upper end."""
    n_rows: int
    """Their admitted rows."""


def commit_for_coalitions(
    config: ValuationConfig, jobs: Mapping[str, MeasureJob], target: MeasureJob, reduced: Reduced
) -> list[ArtifactRef]:
    """Commit what `coalition_value` needs of a run's ranked contributors. Empty where the route has no sums that add up."""
    if route_of(config.ntk.method).coalitions is None or reduced.ranking.num_rows == 0:
        return []
    work = job_of_ranked(config, jobs, target, reduced)
    published = work.model_copy(update={"jobs": [_published(job) for job in work.jobs], "target": _published(target)})
    text = published.model_dump_json()
    ref = target.store.ref(KIND, VERSION, job=text)
    target.store.commit(ref, inputs={"contributors": len(work.jobs)}, documents={DOCUMENT: text.encode()})
    return [ref]


def coalition_value(run: StoredRun, contributors: Sequence[str]) -> CoalitionValue:
    """The value of these contributors of a stored run together, and of each alone.

    Raises:
        ConfigError: a name that is not ranked, no name at all, or a run without sufficient statistics.
        StorageError: the run's statistics are no longer below its output, or damaged. The run then no longer counts as up to
            date, and the next one measures them again.
    """
    with stored_job(run) as work:
        by_name = {job.contributor.name: job for job in work.jobs}
        chosen = list(dict.fromkeys(contributors))
        _refuse_unknown(run, chosen, by_name)
        jobs = [by_name[name] for name in chosen]
        require_statistics(jobs, work.target)
        with discarding_others(work):
            return _valued(work.model_copy(update={"jobs": jobs}), chosen)


def require_statistics(jobs: Sequence[MeasureJob], target: MeasureJob) -> None:
    """Raises LostArtifactError where sufficient statistics of these contributors are missing."""
    missing = [one.contributor.name for one in jobs if one.store.committed(statistics_ref(one, target)) is None]
    if missing:
        raise LostArtifactError(f"the sufficient statistics of {listed(missing)} are missing")


@contextmanager
def stored_job(run: StoredRun) -> Iterator[CoalitionJob]:
    """The ranked contributors of a stored run, best first, and its target, for what is computed from its statistics.

    Raises ConfigError for a run without sufficient statistics, StorageError where what is read of them inside is no longer
    whole: the run then no longer counts as up to date.
    """
    output, ref = Layout.output_of(run.folder), _job_ref(run)
    try:
        yield _job(ref, output)
    except LostArtifactError as error:
        ArtifactStore(output).discard(ref)
        raise StorageError(
            f"{run.folder.url}: expected what the run has stored of its contributors below {output.url}/artifacts, found that "
            f"it is not whole ({error}). Value the contributors again: `mixval value CONFIG`."
        ) from error


@contextmanager
def discarding_others(work: CoalitionJob) -> Iterator[None]:
    """Where one artifact is damaged, others may be: all are compared then, so that the next run makes each of them again."""
    try:
        yield
    except LostArtifactError:
        for one in work.jobs:
            one.store.whole(statistics_ref(one, work.target))
        raise


def _valued(work: CoalitionJob, chosen: list[str]) -> CoalitionValue:
    """The value of all contributors of the job, whose names are `chosen`."""
    game, n = game_of(work), len(work.jobs)
    ones, everybody = dict(zip(chosen, np.eye(n, dtype=np.bool_), strict=True)), np.ones(n, dtype=np.bool_)
    confidence = work.target.value.confidence
    low, high = known_interval(game, everybody, confidence)
    ends = {name: known_interval(game, one, confidence) for name, one in ones.items()}
    return CoalitionValue(
        contributors=chosen,
        value=float(game.value(everybody)),
        low=low,
        high=high,
        alone={name: float(game.value(one)) for name, one in ones.items()},
        alone_low={name: low for name, (low, _) in ends.items()},
        alone_high={name: high for name, (_, high) in ends.items()},
        n_rows=sum(job.n_real + job.n_synthetic for job in work.jobs),
    )


def _job_ref(run: StoredRun) -> ArtifactRef:
    """The artifact of the job, below the output at which the run is found now."""
    found = [ref for ref in run.manifest.artifacts if ref.kind == KIND]
    if not found:
        method = run.manifest.config.get("ntk", {}).get("method")
        keeps = method in ROUTES and route_of(method).coalitions is not None
        raise ConfigError(
            f"{run.folder.url}: expected a run that names the sufficient statistics of its contributors, found one with "
            f"`ntk.method: {method}` that does not. "
            + (
                "Run `mixval value CONFIG` again."
                if keeps
                else "Set `ntk.method: sketched`, and run `mixval value CONFIG` again."
            )
        )
    return found[-1].model_copy(update={"root": Layout.output_of(run.folder).url})


def _job(ref: ArtifactRef, output: Location) -> CoalitionJob:
    """The committed job, with everything below this output."""
    work = ArtifactStore(output).read_model(ref, DOCUMENT, CoalitionJob)
    return work.model_copy(update={"jobs": [_at(job, output) for job in work.jobs], "target": _at(work.target, output)})


def _at(job: MeasureJob, output: Location) -> MeasureJob:
    changes: dict[str, Any] = {"output": output.url, "source": job.source.model_copy(update={"storage": output.options})}
    if job.bad_rows is not None:
        changes["bad_rows"] = job.bad_rows.model_copy(update={"root": output.url})
    return job.model_copy(update=changes)


def _published(job: MeasureJob) -> MeasureJob:
    """The job without what opens its URLs, and with URLs as manifests have them."""
    shards = [replace(shard, url=stripped_url(shard.url)) for shard in job.contributor.shards]
    plan = job.contributor.model_copy(update={"shards": shards, "most_seconds": None})  # which is of that run alone
    return job.model_copy(update={"contributor": plan, "source": job.source.model_copy(update={"storage": StorageConfig()})})


def _refuse_unknown(run: StoredRun, chosen: Sequence[str], known: Mapping[str, MeasureJob]) -> None:
    if not chosen:
        raise ConfigError(f"{run.folder.url}: expected names of contributors, found none. Ranked are {listed(list(known))}.")
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Ranked are {listed(list(known))}."
            raise ConfigError(f"{run.folder.url}: expected contributors that are ranked, found {name!r}. {hint}")
