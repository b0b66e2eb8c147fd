"""An inbox of small shards and gates over it that accept everything: the protocol of `mixval.lake` without models.

A gate is killed at a step of the protocol by itself, when the step is logged (`mixval/lake/steps.py`), so that nothing in the
library knows of it. Processes are forked from a server that has imported what they need and has used none of it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.backbone import BackboneConfig
from mixval.config.ingestion import IngestionConfig
from mixval.contracts.ingestion import Decision, Measured, PinnedDelivery
from mixval.errors import ChangedFileError, ConflictError
from mixval.lake.committing import Freshness, commit
from mixval.lake.delta import open_table
from mixval.lake.inbox import list_inbox
from mixval.lake.ledger import Ledger
from mixval.lake.reconciling import Reconciliation, reconcile
from mixval.lake.staging import pin, repin
from mixval.lake.steps import LOG, Step
from mixval.lake.table import Appended, LakeTable, RowSource
from mixval.storage.root import Location, open_location

ROWS = 10
"""Of a shard."""


def config_at(root: str, **given: Any) -> IngestionConfig:
    """A gate over `ROOT/inbox`, in front of `ROOT/table`. The model is not looked at."""
    places = {name: f"{root}/{name}" for name in ("inbox", "table", "target", "state")}
    return IngestionConfig(task="text-classification", backbone=BackboneConfig(path="none"), **(places | given))


def shard(name: str, n_rows: int = ROWS, **columns: Any) -> pa.Table:
    """Rows that no other shard has."""
    return pa.table({"text": [f"{name} {at}" for at in range(n_rows)], "label": list(range(n_rows)), **columns})


def deliver(config: IngestionConfig, name: str, rows: pa.Table, **options: Any) -> Location:
    """Put rows as a Parquet file into the inbox."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, **options)
    file = open_location(f"{config.inbox}/{name}", config.storage)
    file.write_bytes(sink.getvalue().to_pybytes())
    return file


def rows_in(copy: Location) -> RowSource:
    """The rows of a pinned Parquet file, a few at a time."""

    def opened() -> pa.RecordBatchReader:
        file = pq.ParquetFile(pa.BufferReader(copy.read_bytes()))
        return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(4))

    return opened


def accepted(pinned: PinnedDelivery, attempt: int, version: int | None, n_rows: int, action: str = "accept") -> Decision:
    """A decision on a delivery."""
    measured = Measured(quantities={}, table_version=version, n_rows=n_rows, n_dropped=0)
    return Decision(
        digest=pinned.digest, attempt=attempt, contributor=pinned.delivery.contributor, name=pinned.delivery.name,
        action=action, rule="all", sentence="all enters", measured=measured, policy="p", seed=0, decided="2026-01-01",
    )  # fmt: skip


@dataclass(frozen=True)
class Gate:
    """One gate over an inbox."""

    config: IngestionConfig
    freshness: Freshness = "strict"

    @property
    def table(self) -> LakeTable:
        return open_table(self.config.table, self.config.storage)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.config)

    def run(self, seed: int = 0) -> None:
        """All that lies in the inbox enters the table, in an order by the seed. Claims are taken and not waited for: the worst
        that they can do."""
        ledger, table = self.ledger, self.table
        self.reconciled(ledger, table)
        deliveries = list(list_inbox(self.config).deliveries)
        random.Random(seed).shuffle(deliveries)
        for delivery in deliveries:
            try:
                pinned = pin(delivery, self.config, ledger)
            except ChangedFileError:
                continue
            ledger.claim(pinned.digest)
            self.bring_in(pinned, ledger, table)
            ledger.release(pinned.digest)

    def bring_in(self, pinned: PinnedDelivery, ledger: Ledger, table: LakeTable) -> Appended:
        """One delivery, valued anew whenever another gate was first."""
        rows = rows_in(open_location(pinned.url, self.config.storage))
        with rows() as opened:
            n_rows = opened.read_all().num_rows
        decision = ledger.standing(pinned.digest)
        while True:
            if decision is None:
                attempts = ledger.attempts(pinned.digest)
                decision = ledger.decide(accepted(pinned, len(attempts), table.version(), n_rows))
            try:
                return commit(decision, pinned, table, rows, self.freshness)
            except ConflictError:
                decision = None

    def reconciled(self, ledger: Ledger, table: LakeTable) -> Reconciliation:
        """What table and ledger say of each other. What was accepted against a version that has passed is left to `run`."""
        return reconcile(ledger, table, partial(self._append, ledger, table))

    def _append(self, ledger: Ledger, table: LakeTable, decision: Decision) -> Appended:
        copy = repin(decision.digest, decision.name, ledger)
        pinned = PinnedDelivery(
            delivery={"contributor": decision.contributor, "name": decision.name, "url": "", "size_bytes": 0, "version": ""},
            digest=decision.digest,
            url=copy.url,
        )
        return commit(decision, pinned, table, rows_in(copy), self.freshness)


class Stop(logging.Handler):
    """Ends its process at once, as `kill -9` does, when a step is passed for the n-th time."""

    def __init__(self, step: Step, nth: int = 1) -> None:
        super().__init__()
        self._step, self._left = step, nth

    def emit(self, record: logging.LogRecord) -> None:
        self._left -= bool(record.args) and record.args[0] == self._step
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def run_until(gate: Gate, step: Step, nth: int = 1) -> None:
    """Run a gate that ends at a step."""
    LOG.setLevel(logging.DEBUG)
    LOG.addHandler(Stop(step, nth))
    gate.run()


def start(
    work: Callable[..., None], *given: Any, environment: dict[str, str] | None = None, preloaded: Sequence[str] = ()
) -> BaseProcess:
    """A process that does this work, under these variables. What it needs is imported before, once, with `preloaded`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "deltalake", "pyarrow.dataset", "s3fs", *preloaded])
    process = context.Process(target=_under, args=(environment or {}, work, given), daemon=True)
    process.start()
    return process


def _under(environment: dict[str, str], work: Callable[..., None], given: Sequence[Any]) -> None:
    os.environ.update(environment)
    work(*given)


def race(gate: Gate, n_gates: int, environment: dict[str, str] | None = None) -> list[int | None]:
    """Run gates at once, each with an order of its own. Their exit codes."""
    gates = [start(gate.run, seed, environment=environment) for seed in range(n_gates)]
    for one in gates:
        one.join()
    return [one.exitcode for one in gates]


@dataclass(frozen=True)
class Count:
    """Rows of a table against those that were delivered, and decisions against deliveries."""

    n_rows: int
    lost: int
    doubled: int
    decisions_lost: int
    """Deliveries whose rows are in the table and that no decision accepts, and the other way round."""


def count(gate: Gate, delivered: Sequence[str]) -> Count:
    """What the table holds of the texts that were delivered, and whether the ledger agrees."""
    table, ledger = gate.table, gate.ledger
    version = table.version()
    found: Counter[str] = Counter()
    held = set() if version is None else {key.delivery for key in table.rows_by_key(version)}
    if version is not None:
        for batch in table.read(version, ["text"]):
            found.update(batch.column(0).to_pylist())
    decided = {one.digest for one in ledger.decisions() if one.action == "accept"}
    return Count(
        n_rows=found.total(),
        lost=len(set(delivered) - set(found)),
        doubled=sum(n - 1 for n in found.values()),
        decisions_lost=len(held ^ decided),
    )


def seeded(gate: Gate) -> str:
    """A table of one row, made by somebody else. Its text."""
    from deltalake import write_deltalake

    from mixval.lake.delta_store import storage_options

    location = open_location(gate.config.table, gate.config.storage)
    path = location.path if location.scheme == "file" else location.url
    write_deltalake(path, shard("seed", 1), storage_options=storage_options(location))
    return "seed 0"


def lay_out(gate: Gate, n_shards: int, has_table: bool = True, first: int = 0) -> list[str]:
    """Shards of two contributors in the inbox, and a table of one row or none. All their texts."""
    texts = [seeded(gate)] if has_table else []
    for at in range(first, n_shards):
        rows = shard(f"shard {at}")
        deliver(gate.config, f"contributor={'ab'[at % 2]}/part-{at}.parquet", rows)
        texts += rows["text"].to_pylist()
    return texts


def on_disk(folder: Path, **given: Any) -> Gate:
    """A gate over a folder."""
    return Gate(config_at(str(folder), **given))
