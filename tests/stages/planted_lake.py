"""Deliveries that were gated and measured, and a table that holds none of them yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from mixval.config.ingestion import IngestionConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.lake.columns import LINEAGE, lineage_schema, with_lineage
from mixval.lake.delta import open_table
from mixval.lake.table import CommitKey, LakeTable
from mixval.stages.held_batches import Batch, measure_batch
from mixval.stages.holdings import Holdings, holdings_at
from mixval.stages.in_process import gate_prepared, prepare_here
from mixval.stages.jobs import MeasureJob
from mixval.stages.preparing import PreparedRun


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

    @property
    def folder(self) -> Path:
        return self.root / "table"

    @cached_property
    def table(self) -> LakeTable:
        return open_table(str(self.folder))

    def append(self, *names: str) -> int:
        """These deliveries as a gate appends them, one version each. Returns the last version."""
        return [self.append_rows(f"digest-{name}", self.deliveries[name]) for name in names][-1]

    def append_rows(self, digest: str, rows: pa.Table, attempt: int = 0) -> int:
        """Rows under a delivery's digest."""
        schema = lineage_schema(rows.schema)
        self.table.create(schema)

        def source() -> pa.RecordBatchReader:
            return pa.RecordBatchReader.from_batches(schema, with_lineage(rows.to_batches(), schema, (digest, attempt, "ash")))

        return self.table.append_once(CommitKey(digest, attempt), source, self.table.version()).version

    def append_foreign(self, rows: pa.Table) -> int:
        """Rows that somebody else appends."""
        for name in LINEAGE.names:
            rows = rows.append_column(LINEAGE.field(name), pa.nulls(rows.num_rows, LINEAGE.field(name).type))
        write_deltalake(str(self.folder), rows, mode="append")
        return self.version

    @property
    def version(self) -> int:
        """The table's current one."""
        version = self.table.version()
        assert version is not None
        return version

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
