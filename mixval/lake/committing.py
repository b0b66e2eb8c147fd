"""The rows of an accepted delivery enter the table, once, whatever is killed or repeated."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import pyarrow as pa

from mixval.contracts.ingestion import Decision, PinnedDelivery
from mixval.errors import ContractError, SchemaError
from mixval.lake.columns import LINEAGE, compare_schemas, lineage_schema, with_lineage
from mixval.lake.steps import reached
from mixval.lake.table import Appended, CommitKey, LakeTable, RowSource

Freshness = Literal["strict"] | int
"""As `policy.freshness`."""


def commit(
    decision: Decision,
    pinned: PinnedDelivery,
    table: LakeTable,
    rows: RowSource,
    freshness: Freshness = "strict",
    widen: bool = False,
) -> Appended:
    """Append the rows of an accepted delivery to the table that it was valued against, unless they are there.

    `rows` opens those that the gate admits, in the delivery's own columns; it is called more than once. A table is made, and
    columns are added, in versions of their own before: those of the gate, and with `widen` those that only the delivery has.

    Raises ConflictError where the table has moved further than `freshness` allows: value the delivery anew, and decide another
    attempt. SchemaError for columns that do not fit the table; ContractError for a decision that is not to be carried out, and
    for rows that are not as many as were decided on. Nothing was appended then.
    """
    _require_accepted(decision, pinned)
    key, ahead = CommitKey(decision.digest, decision.attempt), 0 if freshness == "strict" else int(freshness)
    expected = decision.measured.table_version
    with rows() as opened:
        schema = lineage_schema(opened.schema)
        if expected is None and table.identity() is None:
            table.create(schema)
            reached("created", table.url)
        elif _may_enter(table, key, expected, ahead):
            _add_columns(table, opened.schema, widen)
    reached("committing", key.text)
    appended = table.append_once(key, partial(_opened, decision, rows, schema), expected, ahead)
    reached("committed", key.text)
    return appended


def _may_enter(table: LakeTable, key: CommitKey, expected: int | None, ahead: int) -> bool:
    """Whether nothing is known yet that keeps the rows out. What comes between is found by `append_once`."""
    last = table.attempt(key.delivery)
    return (last is None or last < key.attempt) and table.moved_since(expected) <= ahead


def _add_columns(table: LakeTable, given: pa.Schema, widen: bool) -> None:
    """The gate's own columns where the table lacks them, and with `widen` those of the delivery."""
    held = table.schema()
    change = compare_schemas(held, given)
    if change.clashing:
        raise SchemaError(f"{table.url}: {' '.join(change.clashing)}")
    if change.new and not widen:
        raise SchemaError(
            f"{table.url}: expected rows with columns of the table, found also {', '.join(change.new)}. Set "
            "`policy.schema_change: widen`, or leave them out."
        )
    wanted = {*change.new, *LINEAGE.names} - set(held.names)
    if wanted:
        table.widen(pa.schema([field for field in lineage_schema(given) if field.name in wanted]))
        reached("widened", table.url)


def _opened(decision: Decision, rows: RowSource, schema: pa.Schema) -> pa.RecordBatchReader:
    own = decision.digest, decision.attempt, decision.contributor
    counted = _counted(rows(), decision)
    return pa.RecordBatchReader.from_batches(schema, with_lineage(counted, schema, own))


def _counted(rows: pa.RecordBatchReader, decision: Decision) -> Iterator[pa.RecordBatch]:
    """The rows; fails after the last one where they are not as many as were decided on."""
    n_rows = 0
    with rows:
        for batch in rows:
            n_rows += batch.num_rows
            yield batch
    if n_rows != decision.measured.n_rows:
        raise ContractError(
            f"delivery '{decision.name}' ({decision.digest[:16]}): expected the {decision.measured.n_rows:,} rows that were "
            f"decided on, found {n_rows:,}. Nothing is appended; decide it anew."
        )


def _require_accepted(decision: Decision, pinned: PinnedDelivery) -> None:
    named = f"delivery '{decision.name}' ({decision.digest[:16]})"
    if decision.action != "accept" or decision.shadow:
        found = "a decision that is not carried out (shadow)" if decision.shadow else f"`{decision.action}`"
        raise ContractError(f"{named}: expected a decision to accept it, found {found}. Only accepted deliveries are appended.")
    if decision.digest != pinned.digest:
        raise ContractError(f"{named}: expected its own pinned copy, found that of {pinned.digest[:16]}. Pin it again.")
