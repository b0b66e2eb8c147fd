"""The plan in a narrow log: no line is wider, no name and no heading is cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mixval.cli.plan_view import print_contributors
from mixval.contracts.plan import ContributorPlan

LONG = "northern-warehouse-2026-11-delivery-03"
NAME = 15
"""Terminal columns of the name at 80."""


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_no_name_and_no_heading_is_cut(width: int) -> None:
    one = ContributorPlan(
        name="amber",
        shards=[],
        n_rows=1_250,
        n_sampled=1_000,
        n_gradient_rows=500,
        n_passes=1,
        task_bytes=2**30,
        seconds=2267.6,
    )
    log = io.StringIO()
    print_contributors([one, one.model_copy(update={"name": LONG})], Console(file=log, width=width))
    text = log.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    words = text.replace(",\n", " ").replace(", ", " ").replace(":", "").split()
    for word in ("amber", "shards", "gradients", "passes", "seconds", "2267.6", "1,250"):
        assert word in words, word
    cells = "".join(line[:NAME].strip() for line in text.splitlines())  # a long name runs over several lines
    assert LONG in cells or LONG in text
