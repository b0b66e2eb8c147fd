"""Entry points for the command line and for Python: a session with its own API and cluster, started in parallel."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from mixval import stopping
from mixval.config.base import FrozenModel
from mixval.config.generators import TransformersGeneratorConfig
from mixval.config.ingestion import IngestionConfig
from mixval.config.runtime import RuntimeConfig
from mixval.config.synthesis import SynthesisConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.gate_run import GateRunSummary
from mixval.contracts.run import RunSummary
from mixval.progress import Progress, Silence, current, shown_by
from mixval.stages.preparing import PreparedRun, prepare_run, run_fingerprint, stash_prepared
from mixval.storage.listing import Inputs, list_inputs
from mixval.storage.root import open_location
from mixval.telemetry.observing import observed
from mixval_flows.credentials import load_credentials
from mixval_flows.quiet import quiet

if TYPE_CHECKING:
    from mixval.experiments.config import ExperimentConfig
    from mixval.experiments.planning import ExperimentPlan
    from mixval.experiments.results import ExperimentSummary
    from mixval.experiments.running import C, F, Kind, P, S
    from mixval.experiments.study.config import StudyConfig
    from mixval.experiments.study.planning import StudyPlan
    from mixval.experiments.study.results import StudySummary
    from mixval.synthesis.estimating import Estimate
    from mixval.synthesis.publishing import SynthesisSummary
    from mixval_flows.api import ApiStart
    from mixval_flows.runner import LazyCluster

VALUATION = "mixval_flows.valuation:valuation"
INGESTION = "mixval_flows.ingestion:ingestion"
SYNTHESIS = "mixval_flows.synthesis:synthesis"
EXPERIMENT = "mixval_flows.experiment:experiment"
STUDY_FLOW = "mixval_flows.experiment:study"


def run_valuation(config: ValuationConfig, progress: Progress | None = None) -> RunSummary:
    """Run the valuation flow once; an up-to-date run is returned at once."""
    with run_session(config.runtime) as value:
        return value(config, progress)


def run_flow(flow: str, config: FrozenModel, progress: Progress | None = None, needs_workers: bool = True) -> FrozenModel:
    """Run the flow at the import path `flow` once, under a session's own API and cluster; returns its summary.

    `config` is the flow's own and has a field `runtime` (cluster and workers). Local workers are started early where it
    `needs_workers`.
    """
    quiet()
    session = Session(config.runtime)  # type: ignore[attr-defined]  # of every flow's configuration
    try:
        return session.run(flow, config, progress, needs_workers)
    finally:
        session.close()


def run_ingestion(config: IngestionConfig, progress: Progress | None = None) -> GateRunSummary:
    """Run the gate once; where nothing is to be valued, at once and without API and cluster."""
    from mixval.stages.gate_publishing import publish_gate
    from mixval.stages.ingesting import GateRun, idle_run, seen_before

    if config.storage.credentials_block is not None:  # no inbox can be read before the API is there
        return cast("GateRunSummary", run_flow(INGESTION, config, progress))
    stopping.begin()
    with (
        shown_by(progress or Silence()),
        observed("ingestion", open_location(config.state, config.storage), config.runtime.telling),
    ):
        if isinstance(found := idle_run(config), GateRun):
            return publish_gate(found)
        with seen_before(config, found):
            return cast("GateRunSummary", run_flow(INGESTION, config, current()))


def run_synthesis(config: SynthesisConfig, progress: Progress | None = None) -> SynthesisSummary:
    """Make synthetic rows once; an up-to-date run is returned at once. A server is asked without a cluster."""
    from mixval.synthesis.whole import begin, unchanged

    stopping.begin()
    needs_workers = isinstance(config.generator, TransformersGeneratorConfig)
    if config.source.storage.credentials_block is not None:  # no document can be read before the API is there
        return cast("SynthesisSummary", run_flow(SYNTHESIS, config, progress, needs_workers))
    with (
        shown_by(progress or Silence()),
        observed("synthesis", open_location(config.output, config.source.storage), config.runtime.telling),
    ):
        if (found := unchanged(begin(config))) is not None:
            return found
        return cast("SynthesisSummary", run_flow(SYNTHESIS, config, current(), needs_workers))


def estimate_synthesis(config: SynthesisConfig) -> Estimate:
    """Requests, tokens, cost and hours of a run. Nothing is written, no server is contacted, no cluster started."""
    from mixval.synthesis.estimating import estimated
    from mixval_flows.runner import default_workers

    load_credentials(config.source.storage.credentials_block)
    return estimated(config, default_workers(config.runtime))


def run_experiment(config: ExperimentConfig, progress: Progress | None = None) -> ExperimentSummary:
    """The experiment on three phases."""
    from mixval.experiments.whole import PHASES

    return _run_trainings(PHASES, EXPERIMENT, config, progress)


def plan_experiment(config: ExperimentConfig) -> ExperimentPlan:
    """Trainings, operations and hours of a run, from a few steps on this machine. Nothing is written."""
    from mixval.experiments.planning import plan
    from mixval.experiments.preparing import prepare
    from mixval_flows.runner import default_workers

    load_credentials(config.storage.credentials_block)
    return plan(prepare(config), default_workers(config.runtime))


def run_study(config: StudyConfig, progress: Progress | None = None) -> StudySummary:
    """The study of mixtures."""
    from mixval.experiments.study.whole import STUDY

    return _run_trainings(STUDY, STUDY_FLOW, config, progress)


def plan_study(config: StudyConfig) -> StudyPlan:
    """Trainings, operations and hours of a run. Nothing is written."""
    from mixval.experiments.study.planning import plan
    from mixval_flows.runner import default_workers

    load_credentials(config.storage.credentials_block)
    return plan(config, default_workers(config.runtime))


def _run_trainings(kind: Kind[C, P, F, S], flow: str, config: C, progress: Progress | None) -> S:
    """Train what is missing and publish it; an up-to-date run is returned at once."""
    from mixval.experiments.running import up_to_date

    stopping.begin()
    if config.storage.credentials_block is not None:  # no row can be read before the API is there
        return cast("S", run_flow(flow, config, progress))
    with (
        shown_by(progress or Silence()),
        observed(kind.flow, open_location(config.output, config.storage), config.runtime.telling),
    ):
        if (found := up_to_date(kind, config)) is not None:
            return found
        return cast("S", run_flow(flow, config, current()))


def plan_valuation(config: ValuationConfig) -> PreparedRun:
    """What a run would do, for the cluster that the configuration names, with seconds from a trial on a few rows of T.

    No cluster and no API is started, and nothing is written: what a plan is made from is held in memory.
    """
    from mixval.stages.pacing import paced

    load_credentials(config.source.storage.credentials_block)
    held = open_location(f"memory://mixval-plan-{uuid4().hex}")
    try:
        in_memory = config.model_copy(update={"output": held.url})
        prepared = _prepare(in_memory, list_inputs(config.source))
        return replace(prepared, plan=paced(in_memory, prepared))
    finally:
        for file in held.files() if held.exists() else ():
            file.delete()


@contextmanager
def run_session(runtime: RuntimeConfig) -> Iterator[Session]:
    """Called with one configuration after the other, it values them on one API and one cluster; other flows run on them too.

    Local workers import and the API starts while the first plan is made; any other cluster is requested when the plan is
    ready. An up-to-date run starts nothing.
    """
    quiet()
    session = Session(runtime)
    try:
        yield session
    finally:
        session.close()


class Session:
    """One API and one cluster, each imported and started when it is first needed."""

    def __init__(self, runtime: RuntimeConfig) -> None:
        """Nothing starts yet."""
        self._runtime = runtime
        self._cluster: LazyCluster | None = None
        self._api: ApiStart | None = None
        self._beside = ThreadPoolExecutor(max_workers=2, thread_name_prefix="api")  # it may be stopped while it starts

    def __call__(self, config: ValuationConfig, progress: Progress | None = None) -> RunSummary:
        """Value one configuration."""
        from mixval.stages.publishing import up_to_date_run

        stopping.begin()
        of_run = observed("valuation", open_location(config.output, config.source.storage), config.runtime.telling)
        with shown_by(progress or Silence()), of_run:
            shown = current()
            if config.source.storage.credentials_block is not None:
                return self._value(config)  # the block is in the API, so no data can be read before
            shown.begin("start", 0)
            inputs = list_inputs(config.source)
            if (up_to_date := up_to_date_run(config, run_fingerprint(config, inputs))) is not None:
                shown.end("start", "nothing has changed")
                return up_to_date
            cluster = self._lazy_cluster()
            if cluster.is_local:
                cluster.warm()  # first, as it imports on the other cores; nothing is sent before the plan is ready
            started = self._beside.submit(self._lazy_api().begin)
            prepared = _prepare(config, inputs)
            cluster.warm()
            started.result()
            shown.end("start", "")
            with stash_prepared(config, prepared):
                return self._value(config)

    def run(self, flow: str, config: FrozenModel, progress: Progress | None = None, needs_workers: bool = True) -> FrozenModel:
        """Run any flow on one configuration."""
        with shown_by(progress or Silence()):
            cluster = self._lazy_cluster()
            if cluster.is_local and needs_workers:
                cluster.warm()
            self._lazy_api().begin()
            return self._run(flow, config)

    def close(self) -> None:
        """Stop what was started."""
        if self._api is not None:
            self._beside.submit(self._api.close)
        if self._cluster is not None:
            self._cluster.close()
        self._beside.shutdown()

    def _value(self, config: ValuationConfig) -> RunSummary:
        return cast("RunSummary", self._run(VALUATION, config))

    def _run(self, flow: str, config: FrozenModel) -> FrozenModel:
        from mixval_flows.outcome import run_to_publication
        from mixval_tasks.cluster import use_cluster

        with use_cluster(self._lazy_cluster()), self._lazy_api().ready():
            return run_to_publication(resolve_name(flow), config)

    def _lazy_cluster(self) -> LazyCluster:
        from mixval_flows.runner import LazyCluster

        if self._cluster is not None and not self._cluster.is_usable:
            self._cluster.close()
            self._cluster = None
        self._cluster = self._cluster or LazyCluster(self._runtime)
        return self._cluster

    def _lazy_api(self) -> ApiStart:
        from mixval_flows.api import ApiStart

        self._api = self._api or ApiStart()
        return self._api


def _prepare(config: ValuationConfig, inputs: Inputs) -> PreparedRun:
    from mixval_flows.runner import default_workers, worker_memory_bytes

    return prepare_run(config, default_workers(config.runtime), worker_memory_bytes(config.runtime), inputs)
