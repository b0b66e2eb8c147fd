"""The ranking in a narrow log: no line is wider, no name is cut."""

from __future__ import annotations

import io

import pytest
from coalition_run import make_coalitions, with_coalitions
from published_run import NAMES, make_results
from rich.console import Console

from mixval.contracts.results import VALUE_KINDS
from mixval.publish.terminal import print_ranking

LONG = "northern-warehouse-2026-11-delivery-03"


@pytest.mark.parametrize("width", [80, 60, 40])
@pytest.mark.parametrize("kind", VALUE_KINDS[:2])
def test_every_name_is_whole_at_any_width(width: int, kind: str) -> None:
    made = make_results((*NAMES[:4], LONG), kind=kind)
    log = io.StringIO()
    print_ranking(made, Console(file=log, width=width))
    lines = log.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert not any("…" in line for line in lines)
    first_cells = "".join(line.strip().split("  ")[0].strip() for line in lines)
    for name in NAMES[:4]:
        assert sum(name in line for line in lines) >= 2, name
    assert LONG in first_cells or LONG in "".join(log.getvalue().split())


@pytest.mark.parametrize("width", range(44, 104, 4))
def test_columns_go_before_a_short_name_or_head_is_broken(width: int) -> None:
    log = io.StringIO()
    names = ("amber", "basil", "coral")
    made = make_results(names, kind=VALUE_KINDS[1], refused=False)
    print_ranking(with_coalitions(made, make_coalitions(names)), Console(file=log, width=width))
    heads = next(line for line in log.getvalue().splitlines() if "verdict" in line and "value (nats)" in line)
    assert "contributor" in heads.split()
