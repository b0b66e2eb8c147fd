"""The stages of a run as plain calls in this process, one after another: what they cost without Prefect and Dask."""

from __future__ import annotations

from pathlib import Path

from mixval.config.valuation import ValuationConfig
from mixval.stages.in_process import gate_prepared, prepare_here
from mixval.stages.runs import GatedRun

EXAMPLE = Path(__file__).parents[1] / "examples" / "images" / "config.yaml"


def gate_here(config: ValuationConfig) -> GatedRun:
    """Plan and gate."""
    return gate_prepared(config, prepare_here(config))
