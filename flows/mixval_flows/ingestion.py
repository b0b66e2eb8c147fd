"""Decide which deliveries of an inbox may enter a table, by their value given what it holds, and append them once."""

# No `from __future__ import annotations`: a served flow's parameters are validated where Prefect cannot resolve them as text.

from prefect import flow

from mixval.config.ingestion import IngestionConfig
from mixval.contracts.gate_run import GateRunSummary
from mixval.stages.account import Account
from mixval.stages.gate_publishing import publish_gate
from mixval.stages.ingesting import run_gate
from mixval.stopping import uninterrupted
from mixval.storage.root import open_location
from mixval_flows.announce import announce_gate, watched
from mixval_flows.credentials import load_credentials
from mixval_flows.outcome import published
from mixval_flows.runner import cluster_for
from mixval_flows.valuation import WAITING, OnCluster


@flow(name="ingestion", task_runner=WAITING, persist_result=False)  # type: ignore[arg-type]  # generics of Prefect
def ingestion(config: IngestionConfig) -> GateRunSummary:
    """Take what lies in the inbox once: accept, quarantine or reject each delivery."""
    load_credentials(config.storage.credentials_block)
    with watched(ingestion.name, open_location(config.state, config.storage), config.runtime.telling):
        with cluster_for(config.runtime) as cluster:
            run = run_gate(config, OnCluster(cluster), Account())
        with uninterrupted():
            summary = publish_gate(run)
            published(ingestion.name, summary)
    announce_gate(summary)
    return summary
