"""The stages of a run as plain calls in this process, one after another: what they cost without Prefect and Dask."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mixval.config.valuation import ValuationConfig
from mixval.stages import publishing
from mixval.stages.coalitions import CoalitionResults, coalition_job, coalition_steps, coalition_tables
from mixval.stages.in_process import GatedRun, ValuedRun, gate_prepared, prepare_here, value_gated
from mixval.stages.steps import make_here
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location

EXAMPLE = Path(__file__).parents[1] / "examples" / "images" / "config.yaml"


def gate_here(config: ValuationConfig) -> GatedRun:
    """Plan and gate."""
    return gate_prepared(config, prepare_here(config))


def run_plainly(config: ValuationConfig) -> None:
    """Plan, gate, measure, reduce, value coalitions and publish."""
    run = value_gated(gate_here(config))
    coalition_results = value_coalitions_plainly(config, run)
    account = publishing.RunAccount(datetime.now(UTC), {}, {}, {}, [], [], run.gate_refs)
    expected = read_latest(open_location(config.output))
    publishing.publish(config, run.prepared, list(run.outcomes.values()), run.reduced, account, expected, coalition_results)


def value_coalitions_plainly(config: ValuationConfig, run: ValuedRun) -> CoalitionResults | None:
    """What `flows/mixval_flows/valuation.py` asks of coalitions."""
    work = coalition_job(config, run.jobs, run.prepared.target_job, run.reduced)
    if work is None:
        return None
    for step in coalition_steps(work):
        make_here(step)
    return coalition_tables(work, run.outcomes)
