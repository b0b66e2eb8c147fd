"""The way in for the command line and for Python: a session that brings its own API and cluster, started side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from flows.credentials import load_credentials
from flows.quiet import quiet
from mixval.config.runtime import RuntimeConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval.progress import Progress, Silence, shown_by
from mixval.stages.preparing import PreparedRun

Run = Callable[[ValuationConfig, Progress | None], RunSummary]


def run_valuation(config: ValuationConfig, progress: Progress | None = None) -> RunSummary:
    """Run the valuation flow once; a run that still stands is returned at once."""
    with run_session(config.runtime) as value:
        return value(config, progress)


@contextmanager
def run_session(runtime: RuntimeConfig) -> Iterator[Run]:
    """A function that values one configuration after another on one API and one cluster.

    The API, the workers' imports and the first plan each take seconds, so they are taken together. What cannot be run
    as configured raises before a cluster is up, and a run that still stands starts nothing.
    """
    quiet()
    from flows.api import ApiStart
    from flows.runner import LazyCluster
    from tasks.cluster import use_cluster

    cluster, api = LazyCluster(runtime), ApiStart()
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="start") as beside:

        def value(config: ValuationConfig, progress: Progress | None = None) -> RunSummary:
            from mixval.stages.publishing import standing_run

            with shown_by(progress or Silence()) as shown, use_cluster(cluster):
                shown.begin("start", 0)
                if config.source.storage.credentials_block is None:
                    prepared = plan_valuation(config)
                    if (standing := standing_run(config, prepared.fingerprint)) is not None:
                        shown.end("start", "nothing has changed")
                        return standing
                    beside.submit(cluster.warm)
                with api.ready():
                    shown.end("start", "")
                    from flows.valuation import valuation

                    return valuation(config)

        try:
            yield value
        finally:
            cluster.close()
            api.close()


def plan_valuation(config: ValuationConfig) -> PreparedRun:
    """What a run would do, for the cluster that the configuration names. No cluster and no API is started."""
    from flows.runner import default_workers, worker_memory_bytes
    from mixval.stages.preparing import prepare_run

    load_credentials(config.source.storage)
    return prepare_run(config, default_workers(config.runtime), worker_memory_bytes(config.runtime))
