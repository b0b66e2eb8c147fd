"""Account of a run: its stages, seconds, and artifacts computed or reused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.progress import current
from mixval.stages import gating, publishing

LOOKUPS_IN_FLIGHT = 16
READ_HERE = ("terms", "coalitions", "mixture")
"""Kinds that every run reads in its own process, where nothing is made again."""


@dataclass
class Account:
    """Account of a run: its stages, seconds, and artifacts computed or reused."""

    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    timings_seconds: dict[str, float] = field(default_factory=dict)
    recomputed: Counter[str] = field(default_factory=Counter)
    reused: Counter[str] = field(default_factory=Counter)
    recomputed_contributors: list[str] = field(default_factory=list)
    artifacts: list[ArtifactRef] = field(default_factory=list)
    gate_refs: dict[str, ArtifactRef] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[EndMessage]:
        """Time a stage and report its beginning and end as progress."""
        message = EndMessage()
        current().begin(name, total)
        began = time.perf_counter()
        yield message
        self.timings_seconds[name] = round(time.perf_counter() - began, 3)
        current().end(name, message.text)

    def count(self, kind: str, refs: list[ArtifactRef], config: ValuationConfig) -> set[ArtifactRef]:
        """Count the artifacts that exist already; returns those still to be made, damaged ones among them.

        Those of `READ_HERE` are compared with their digests; others by whoever reads them.
        """
        pending = self.missing(kind, refs, config)
        self.recomputed[kind] += len(pending)
        self.reused[kind] += len(set(refs)) - len(pending)
        return pending

    @staticmethod
    def missing(kind: str, refs: list[ArtifactRef], config: ValuationConfig) -> set[ArtifactRef]:
        """The artifacts of a kind that are still to be made; see `count`."""
        store = gating.open_store(config)
        look = store.whole if kind in READ_HERE else store.committed
        if kind == "gate":
            look = partial(gating.found_whole, config)
        with ThreadPoolExecutor(LOOKUPS_IN_FLIGHT) as threads:  # requests to a remote store are slow
            found = list(threads.map(look, refs))
        return {ref for ref, record in zip(refs, found, strict=True) if record is None}

    def closed(self) -> publishing.RunAccount:
        """The account as publication takes it."""
        return publishing.RunAccount(
            started=self.started,
            timings_seconds=dict(self.timings_seconds),
            recomputed=dict(self.recomputed),
            reused=dict(self.reused),
            recomputed_contributors=self.recomputed_contributors,
            artifacts=self.artifacts,
            gate_refs=self.gate_refs,
        )


class EndMessage:
    """The message with which a stage ends; call it to set the text."""

    text = ""

    def __call__(self, text: str) -> None:
        """Set the text."""
        self.text = text
