"""A gate over planted deliveries: sentences whose words tell their class, so that what a delivery adds is known beforehand."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.ingestion import IngestionConfig
from mixval.config.load import parse_config_as
from mixval.config.valuation import merge
from mixval.lake.delta import open_table
from mixval.lake.inbox import list_inbox
from mixval.lake.ledger import Ledger
from mixval.lake.staging import pin
from mixval.stages.account import Account
from mixval.stages.deliveries import value_deliveries
from mixval.stages.in_process import InProcess
from mixval.stages.ledger_view import LedgerView
from mixval.stages.settling import Settling

WORDS = {0: ["gloomy", "broken", "bitter", "dull", "sour"], 1: ["bright", "lovely", "sweet", "warm", "clear"]}
SCHEMA = pa.schema({"text": pa.string(), "label": pa.int64(), "origin": pa.string()})
OLD = 1_000.0
"""Seconds of age with which files are delivered, so that none counts as being written."""


def rows(n: int, start: int, wrong: bool = False) -> list[dict[str, Any]]:
    """`n` sentences of both classes with consecutive seeds; all labels are the other one's where they are wrong."""
    found = []
    for seed in range(start, start + n):
        label = seed % 2
        words = np.random.default_rng(seed).choice(WORDS[label], 3)
        found.append({"text": " ".join([*words, f"number{seed}"]), "label": 1 - label if wrong else label, "origin": "real"})
    return found


@dataclass
class GateWorld:
    """Inbox, table, target and state side by side in a folder."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make inbox and target."""
        (self.root / "inbox").mkdir(parents=True, exist_ok=True)
        (self.root / "target").mkdir(exist_ok=True)
        pq.write_table(table(rows(60, start=0)), self.root / "target" / "part-0.parquet")

    def as_dict(self, **changes: Any) -> dict[str, Any]:
        """The configuration as a file beside the folders would have it."""
        base = {
            "task": "text-classification",
            **{name: str(self.root / name) for name in ("inbox", "table", "target", "state")},
            "backbone": {"random_init": {"architecture": "ngrams", "seed": 0}, "max_length": 256},
            "gate": {"min_rows": 8, "data_docs": False},
            "valuation": {"ntk": {"sketch_features": 256}, "value": {"replicates": 60}},
            "runtime": {"workers": 2},
        }
        return merge(merge(base, self.settings), changes)

    def config(self, **changes: Any) -> IngestionConfig:
        """The checked configuration."""
        return parse_config_as(IngestionConfig, self.as_dict(**changes))

    def deliver(self, name: str, content: list[dict[str, Any]] | bytes) -> Path:
        """Put a file into the inbox: rows as Parquet or JSON lines by its ending, or bytes as they are."""
        file = self.root / "inbox" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif name.endswith(".jsonl"):
            file.write_text("".join(json.dumps(row) + "\n" for row in content))
        else:
            pq.write_table(table(content), file)
        changed = file.stat().st_mtime - OLD
        os.utime(file, (changed, changed))
        return file


def settling_of(config: IngestionConfig, name: str) -> Settling:
    """A gate up to deciding one delivery of its inbox."""
    ledger = Ledger(config)
    [delivery] = [one for one in list_inbox(config).deliveries if one.name == name]
    valued = value_deliveries(config, [pin(delivery, config, ledger)], InProcess(), Account())
    return Settling(config, valued, ledger, open_table(config.table), LedgerView.of(ledger), InProcess().make)


def table(content: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Rows in the columns of the contract."""
    return pa.Table.from_pylist(content, schema=schema)


def parquet(content: pa.Table) -> bytes:
    """The bytes of a Parquet file of these rows."""
    sink = pa.BufferOutputStream()
    pq.write_table(content, sink)
    return bytes(sink.getvalue().to_pybytes())


def planted(root: Path, **settings: Any) -> GateWorld:
    """Five deliveries, one for each of good, held already, wrong labels, cut off, and too small; and a sixth in their way."""
    world = GateWorld(root, settings)
    world.deliver("ash/good.parquet", rows(80, start=1_000))
    world.deliver("beech/copy.jsonl", rows(80, start=1_000)[::-1])
    world.deliver("cedar/wrong.parquet", rows(80, start=2_000, wrong=True))
    world.deliver("elm/cut.parquet", parquet(table(rows(80, start=3_000)))[:-200])
    world.deliver("fir/few.parquet", rows(20, start=4_000))
    return world
