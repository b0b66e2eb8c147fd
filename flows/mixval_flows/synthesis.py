"""Make synthetic rows from documents with a generator, filter them, and publish them as a contributor."""

# No `from __future__ import annotations`: a served flow's parameters are validated where Prefect cannot resolve them as text.

from collections.abc import Iterable, Iterator
from functools import partial

from prefect import flow
from prefect.futures import as_completed

from mixval.config.synthesis import SynthesisConfig
from mixval.errors import ChangedFileError, ConfigError, ModelError
from mixval.stopping import check, uninterrupted
from mixval.synthesis.local import Batch
from mixval.synthesis.publishing import Draft, SynthesisSummary
from mixval.synthesis.requests import Answer, Failure
from mixval.synthesis.whole import begin, drafted, publish_told
from mixval_flows.announce import ShownProgress, announce_synthesis, watched
from mixval_flows.credentials import load_credentials
from mixval_flows.outcome import published
from mixval_flows.runner import cluster_for
from mixval_flows.valuation import WAITING
from mixval_tasks.base import opaque
from mixval_tasks.cluster import current_client, ensure_goes_on
from mixval_tasks.generate import generate_batch

_OF_THE_GENERATOR = (ConfigError, ModelError, ChangedFileError)
"""Errors that any other batch would meet, too: they end the run."""


@flow(name="synthesis", task_runner=WAITING, persist_result=False)  # type: ignore[arg-type]  # generics of Prefect
def synthesis(config: SynthesisConfig) -> SynthesisSummary:
    """Rows from documents: what the journal has is reused, what fails is asked again by the next run."""
    load_credentials(config.source.storage.credentials_block)
    run = begin(config)
    shown = ShownProgress("mixval-synthesis-progress", "requests", run.n_requests)
    with watched(synthesis.name, run.output, config.runtime.telling):
        with cluster_for(config.runtime):
            draft = drafted(run, partial(_on_workers, most_seconds=config.runtime.task_seconds), shown.step)
        if not isinstance(draft, Draft):
            return draft
        check()
        with uninterrupted():
            summary = publish_told(draft)
            published(synthesis.name, summary)
    announce_synthesis(summary)
    return summary


def _on_workers(
    batches: Iterable[Batch], most_seconds: float | None
) -> Iterator[tuple[Batch, list[Answer | Failure] | Exception]]:
    """One task a batch, as they are done. Raises what ends the run: workers lost, told to stop, no generator."""
    waiting = list(batches)
    if waiting:
        current_client()  # without a cluster the run fails, not each batch
    futures = {generate_batch.submit(opaque(batch), most_seconds): batch for batch in waiting}
    for future in as_completed(list(futures)):
        future.wait()  # its state holds the result from here on
        if future.state.is_completed():
            yield futures[future], future.result()
            continue
        ensure_goes_on()
        error = future.state.result(raise_on_failure=False)
        if isinstance(error, _OF_THE_GENERATOR) or not isinstance(error, Exception):
            raise error
        yield futures[future], error
