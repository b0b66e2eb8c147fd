"""A gate over a folder: an inbox, a ledger and a table that nothing is in yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gate.scene import Gate, on_disk


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Inbox and target are there, table and state are not."""
    for name in ("inbox", "target"):
        (tmp_path / name).mkdir()
    return on_disk(tmp_path)
