"""A run of trainings, whatever is trained: what is there already, the trainings, what they say, and its publication."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from mixval.config.base import FrozenModel
from mixval.config.fingerprint import fingerprint
from mixval.contracts.schemas import SCHEMAS, versions_of
from mixval.experiments.grid import Trainings
from mixval.experiments.grid_config import GridConfig
from mixval.progress import current
from mixval.publish.publication import Writer, publish_run, run_name, whole_manifest
from mixval.publish.run_manifest import package_versions, resolved_config
from mixval.stages.steps import Step
from mixval.stages.whole_run import Maker
from mixval.storage.layout import Layout
from mixval.storage.pointer import Latest, standing_latest
from mixval.storage.root import Location, open_location
from mixval.telemetry.facts import DataUsed, Facts
from mixval.telemetry.observing import tell


class Summary(FrozenModel):
    """What a run did, and where it lies."""

    run_id: str
    url: str
    """The run's folder, with `report.html`."""
    n_trained: int
    n_found: int
    """Trainings that were there already."""


class Prepared(Protocol):
    """What a configuration comes to, before anything is trained."""

    @property
    def steps(self) -> Sequence[Step]:
        """The trainings."""

    @property
    def used(self) -> list[DataUsed]:
        """What is read."""


class Concluded(Protocol):
    """What all trainings together say."""

    @property
    def figures(self) -> FrozenModel:
        """What of it the summary has."""


C = TypeVar("C", bound=GridConfig)
P = TypeVar("P", bound=Prepared)
F = TypeVar("F", bound=Concluded)
S = TypeVar("S", bound=Summary)


@dataclass(frozen=True)
class Kind(Generic[C, P, F, S]):
    """One kind of experiment: what it trains, and what it makes of it."""

    flow: str
    """Its name; that of its manifest's schema is `FLOW-manifest`."""
    version: int
    """Raised whenever the same trainings would be published otherwise."""
    prepare: Callable[[C], P]
    """Trains nothing. Raises for a configuration that cannot be trained."""
    train: Callable[[P, Maker], Trainings]
    """Makes the trainings that are missing. Raises where one failed."""
    conclude: Callable[[P], F]
    """What all trainings together say."""
    summary: type[Any]
    """The class of its summary: a `Summary` with what was found as `figures`."""
    manifest: type[Any]
    """The class of its manifest: a `RunManifest` with a field `summary`."""
    results: Callable[[Any, F], Any]
    """What its writers are given."""
    writers: Sequence[Writer[Any]]
    headline: Callable[[S], str]


@dataclass(frozen=True)
class Trained(Generic[C, P, F, S]):
    """A run whose trainings are all there."""

    kind: Kind[C, P, F, S]
    config: C
    prepared: P
    trainings: Trainings
    started: datetime
    expected: Latest | None
    """What `latest.json` named when the run began."""
    found: F | S
    """What the trainings say; or the summary of the latest run, where it has published the same."""


def up_to_date(kind: Kind[C, P, F, S], config: C) -> S | None:
    """The latest run's summary where it is of the same trainings and whole."""
    latest = standing_latest(_root(config))
    if latest is None or (found := _published(kind, config, prepared := kind.prepare(config), latest)) is None:
        return None
    tell(lambda: _facts(kind, found, prepared))
    return found


def run_kind(kind: Kind[C, P, F, S], config: C, maker: Maker) -> Trained[C, P, F, S]:
    """Train what is missing, and say what it shows. Raises as `prepare`, `train` and `conclude` do."""
    started, expected = datetime.now(UTC), standing_latest(_root(config))
    prepared = kind.prepare(config)
    trainings = kind.train(prepared, maker)
    found = None if expected is None else _published(kind, config, prepared, expected)
    told = kind.conclude(prepared) if found is None else _with(found, trainings)
    return Trained(kind, config, prepared, trainings, started, expected, told)


def publish(run: Trained[C, P, F, S]) -> S:
    """Write the page and the tables; the latest run's summary where it has published the same.

    Raises ConflictError where another run was published meanwhile.
    """
    kind, config, root = run.kind, run.config, _root(run.config)
    if isinstance(run.found, Summary):
        return run.found
    current().begin("publish", 1)
    name = _fingerprint(kind, config, run.prepared)
    run_id = run_name(run.started, name)
    summary: S = kind.summary(
        run_id=run_id,
        url=Layout(root).run(run_id).url,
        n_trained=run.trainings.n_trained,
        n_found=run.trainings.n_found,
        figures=run.found.figures,
    )
    manifest = kind.manifest(
        run_id=run_id,
        schema_version=SCHEMAS[_schema(kind)].version,
        fingerprint=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
        config=resolved_config(config),
        summary=summary,
    )
    publish_run(root, kind.results(manifest, run.found), kind.writers, run.expected)
    tell(lambda: _facts(kind, summary, run.prepared))
    current().end("publish", "")
    return summary


def _published(kind: Kind[C, P, F, S], config: C, prepared: P, latest: Latest) -> S | None:
    if latest.fingerprint != _fingerprint(kind, config, prepared):
        return None
    folder = Layout(_root(config)).run(latest.run_id)
    found = whole_manifest(folder, kind.manifest, _schema(kind))
    return None if found is None else _with(found.summary, Trainings(0, len(prepared.steps)))


def _with(summary: S, trainings: Trainings) -> S:
    return summary.model_copy(update={"n_trained": trainings.n_trained, "n_found": trainings.n_found})


def _fingerprint(kind: Kind[C, P, F, S], config: C, prepared: P) -> str:
    refs = [step.ref.fingerprint for step in prepared.steps]
    made_by = SCHEMAS[_schema(kind)].made_by
    return fingerprint(f"{kind.flow}-run", kind.version, published=versions_of(made_by), trainings=refs, seed=config.seed)


def _schema(kind: Kind[C, P, F, S]) -> str:
    return f"{kind.flow}-manifest"


def _root(config: GridConfig) -> Location:
    return open_location(config.output, config.storage)


def _facts(kind: Kind[C, P, F, S], summary: S, prepared: P) -> Facts:
    """What was read as input, the run's folder as output, trainings as numbers."""
    states = {"run": summary.n_trained, "reused": summary.n_found}
    return Facts(
        run_id=summary.run_id,
        is_new=summary.n_trained > 0,
        headline=kind.headline(summary),
        inputs=prepared.used,
        outputs=[DataUsed(summary.url, summary.run_id, "results")],
        samples={"mixval_trainings": [({"state": state}, float(n)) for state, n in states.items()]},
    )
