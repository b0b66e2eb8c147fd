"""What is said and drawn of groups: names are data, columns are bounded, what cannot be said is said so."""

from __future__ import annotations

import html
import io
import re
from dataclasses import replace

import pyarrow as pa
import pytest
from groups_run import HOSTILE, group_row, make_groups
from published_run import NAMES, Results, make_results
from rich.console import Console

from mixval.contracts.results import GROUPS, VALUE_KINDS
from mixval.publish.group_values import group_lines, group_values, run_group_lines, ungrouped_columns
from mixval.publish.names import visible
from mixval.publish.report.render import render_report
from mixval.publish.terminal import print_ranking

KIND = VALUE_KINDS[1]


@pytest.fixture(scope="module")
def results() -> Results:
    made = make_results(NAMES, kind=KIND)
    return replace(made, groups=make_groups(made))


def test_sentences_name_what_adds_and_what_harms(results: Results) -> None:
    first = results.ranking["contributor"].to_pylist()[0]
    together, own = run_group_lines(results.groups, 2)
    harms = "would be better left out: bad (−0.0400, −0.0600 to −0.0200)"
    rest = "of 1 more it cannot be said, or they add nothing to speak of"
    assert together == f"By source, adds: {visible(HOSTILE)} (+0.0500, 0.0300 to 0.0800); {harms}; {rest}."
    assert own == f"Worth more without one of their groups by source: {first} (bad)."
    assert run_group_lines(None, 2) == []
    lines = group_lines(group_values(first, results.groups), 2)
    assert lines[0] == "By source, value alone and what it adds to the other rows:"
    assert [line.split()[0] for line in lines[1:4]] == [visible(HOSTILE), "bad", "no"]
    assert group_lines(group_values(results.ranking["contributor"].to_pylist()[1], results.groups), 2) == []


def test_the_report_has_a_mark_a_group_and_a_cell_a_contributor(results: Results) -> None:
    page = render_report(
        results.ranking, results.terms, results.rejected, results.outcomes, results.manifest, [], groups=results.groups
    )
    start = page.index('aria-labelledby="h-groups"')
    section = page[start : page.index("</section>", start)]
    assert "<b>gen" not in section
    assert {int(place) for place in re.findall(r'id="groups-0-wide-adds-(\d+)"', section)} == {0, 1, 2}
    tables = dict(re.findall(r'<table data-table="(groups[^"]*)">.*?<tbody>(.*?)</tbody>', section, re.DOTALL))
    assert tables["groups"].count("<tr>") == 3
    assert tables["groups-by-contributor"].count("<tr>") == 2
    assert ">only<" in html.unescape(tables["groups-by-contributor"])
    plain = make_results(NAMES, kind=KIND)
    without = render_report(plain.ranking, plain.terms, plain.rejected, plain.outcomes, plain.manifest, [])
    assert 'id="h-groups"' not in without


def test_a_terminal_has_the_sentences(results: Results) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    print_ranking(results, console)
    assert "would be better left out: bad" in console.export_text()


def test_a_column_without_any_value_is_known(results: Results) -> None:
    assert results.groups is not None
    assert ungrouped_columns(results.groups) == []
    nothing = [group_row("a", None, 0), group_row(None, None, 0)]
    assert ungrouped_columns(pa.Table.from_pylist(nothing, schema=GROUPS)) == ["source"]
