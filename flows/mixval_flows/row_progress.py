"""Progress within a contributor: workers tell how many rows have passed, and the front end of the run is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from distributed import Client

from mixval.progress import RowsShown
from mixval_flows.worker import ROWS_TOPIC


@contextmanager
def rows_shown(client: Client, stage: str, totals: Mapping[str, int]) -> Iterator[None]:
    """Within this block the front end hears of row passes; `totals` are those planned, by name."""
    shown = RowsShown(stage, totals)

    def heard(event: tuple[float, dict[str, int]]) -> None:
        for name, n in event[1].items():
            shown(name, n)

    client.subscribe_topic(ROWS_TOPIC, heard)
    try:
        yield
    finally:
        client.unsubscribe_topic(ROWS_TOPIC)
