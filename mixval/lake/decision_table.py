"""All decisions of a ledger as a Delta table of their own, one row an attempt, for whoever asks with SQL what entered and why.

The ledger is the record; the table follows it. Rows are added for decisions that it lacks, against the very version that was
looked at, so that gates side by side add each once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from mixval.config.fingerprint import fingerprint
from mixval.config.ingestion import IngestionConfig
from mixval.contracts.ingestion import Decision
from mixval.contracts.schemas import table_schema
from mixval.errors import ConflictError, SchemaError
from mixval.lake.columns import LINEAGE
from mixval.lake.delta import open_table
from mixval.lake.ledger import Ledger
from mixval.lake.table import CommitKey, LakeTable

FOLDER = ("tables", "decisions")
"""Below the state."""
_TRIES = 100
_NUMBERS = ("marginal-value", "standalone-value", "redundancy", "overlap-share", "duplicate-share", "dropped-share", "drift")
"""Quantities with a column of their own, and one for each end of the first."""
_KEY = ("digest", "attempt")


def decisions_schema() -> pa.Schema:
    """One row an attempt on a delivery. The last attempt of a digest is what stands."""
    text = ("digest", "contributor", "name", "action", "rule", "sentence", "decided_by", "why", "policy")
    numbers = [name.replace("-", "_") for name in _NUMBERS]
    return table_schema(
        "decisions",
        [
            *(pa.field(name, pa.string()) for name in text),
            pa.field("attempt", pa.int64()),
            pa.field("decided", pa.timestamp("us", "UTC")),
            pa.field("shadow", pa.bool_()),
            pa.field("seed", pa.int64()),
            pa.field("table_version", pa.int64()),
            pa.field("n_rows", pa.int64()),
            pa.field("n_dropped", pa.int64()),
            *(pa.field(name, pa.float64()) for name in ("n_tokens", "price", *numbers, "marginal_low", "marginal_high")),
        ],
    )


def decision_table(config: IngestionConfig) -> LakeTable:
    """The table of decisions of a gate, whether it is there yet or not."""
    return open_table("/".join((config.state.rstrip("/"), *FOLDER)), config.storage)


def record_decisions(ledger: Ledger, table: LakeTable) -> int:
    """Add what the ledger holds and the table does not; rows added. Decisions that cannot be read are left out.

    Raises ConflictError where other writers are first time after time, and StorageError.
    """
    decisions, schema = list(ledger.decisions(lambda _: None)), decisions_schema()
    for _ in range(_TRIES):
        if (version := table.version()) is None:
            table.create(schema)
            continue
        held = {tuple(row[name] for name in _KEY) for batch in table.read(version, list(_KEY)) for row in batch.to_pylist()}
        missing = [one for one in decisions if (one.digest, one.attempt) not in held]
        if not missing:
            return 0
        named = fingerprint("decisions", 1, decisions=[[one.digest, one.attempt] for one in missing], version_held=version)
        try:
            table.append_once(CommitKey(named, 0), partial(_opened, missing, schema), version)
        except ConflictError:
            continue
        return len(missing)
    raise ConflictError(f"{table.url}: expected to add decisions, found other writers first {_TRIES} times. Run again.")


def read_decisions(table: LakeTable) -> pa.Table:
    """The table of decisions as it is now; without rows where there is none yet.

    Raises SchemaError where it is a table of something else, such as the one that rows enter.
    """
    schema = decisions_schema()
    if (version := table.version()) is None:
        return schema.empty_table()
    held = set(table.schema(version).names)
    if lacking := sorted(set(schema.names) - held):
        found = (
            "the table that a gate's rows enter, which does not hold what was decided"
            if set(LINEAGE.names) <= held
            else f"one without {', '.join(lacking[:5])}"
        )
        raise SchemaError(
            f"{table.url}: expected the table of a gate's decisions, found {found}. Give the gate's configuration, or "
            "STATE/tables/decisions, where STATE is its `state`."
        )
    return pa.Table.from_batches(list(table.read(version, schema.names))).select(schema.names).cast(schema)


def _opened(decisions: Sequence[Decision], schema: pa.Schema) -> pa.RecordBatchReader:
    return pa.Table.from_pylist([_row(one) for one in decisions], schema=schema).to_reader()


def _row(one: Decision) -> dict[str, Any]:
    measured = one.measured
    marginal = measured.quantities.get("marginal-value")
    numbers = {name.replace("-", "_"): getattr(measured.quantities.get(name), "value", None) for name in _NUMBERS}  # type: ignore[call-overload]
    return {
        **one.model_dump(exclude={"measured", "decided"}),
        **numbers,
        "decided": datetime.fromisoformat(one.decided),
        "table_version": measured.table_version,
        "n_rows": measured.n_rows,
        "n_dropped": measured.n_dropped,
        "n_tokens": measured.n_tokens,
        "price": measured.price,
        "marginal_low": None if marginal is None else marginal.low,
        "marginal_high": None if marginal is None else marginal.high,
    }
