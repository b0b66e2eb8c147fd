"""Deliveries that were gated and measured, and a table that holds none of them yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.ingestion import IngestionConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.stages.held_batches import Batch, measure_batch
from mixval.stages.holdings import Holdings, holdings_at
from mixval.stages.in_process import gate_prepared, prepare_here
from mixval.stages.jobs import MeasureJob
from mixval.stages.preparing import PreparedRun
from tests.stages.plain_table import PlainTable


@dataclass
class Lake:
    """Deliveries by contributor, measured under the name `digest-CONTRIBUTOR`, and a table."""

    root: Path
    prepared: PreparedRun
    config: ValuationConfig
    batches: dict[str, Batch]
    outcomes: dict[str, GateOutcome]
    deliveries: Mapping[str, pa.Table]
    jobs: Mapping[str, MeasureJob]

    @cached_property
    def table(self) -> PlainTable:
        return PlainTable(self.root / "table")

    def append(self, *names: str) -> int:
        """These deliveries as a gate appends them, one version each. Returns the last version."""
        return [self.table.append(name, self.deliveries[name], f"digest-{name}") for name in names][-1]

    def holdings(self, version: int | None) -> Holdings:
        return holdings_at(self.config, self.prepared, self.table, version)


def measured_lake(
    root: Path, task: str, deliveries: Mapping[str, pa.Table], target: Path, valuation: Mapping[str, Any], architecture: str
) -> Lake:
    """Of these deliveries, under a model that is made from a seed."""
    urls = {}
    for name, rows in deliveries.items():
        urls[name] = str(root / f"{name}.parquet")
        pq.write_table(rows, urls[name])
    config = IngestionConfig.model_validate(
        {
            "task": task,
            "inbox": str(root / "inbox"),
            "table": str(root / "table"),
            "target": str(target),
            "state": str(root / "state"),
            "backbone": {"random_init": {"architecture": architecture}},
            "gate": {"min_rows": 8, "data_docs": False},
            "valuation": dict(valuation),
            "runtime": {"device": "cpu"},
        }
    ).valuing(urls)
    prepared = prepare_here(config)
    run = gate_prepared(config, prepared)
    batches = {
        name: measure_batch(config, job, prepared.target_job, run.gate_refs[name], f"digest-{name}", name)
        for name, job in run.jobs.items()
    }
    return Lake(root, prepared, config, batches, run.outcomes, deliveries, run.jobs)
