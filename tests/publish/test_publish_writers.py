"""The files beside the ranking's table: what a spreadsheet and a Markdown reader make of them, hostile names included."""

from __future__ import annotations

import csv
import io
import re

import pytest
from coalition_run import make_both
from markdown_it import MarkdownIt
from published_run import NAMES, Results, make_results

from mixval.contracts.results import ranking_schema
from mixval.publish.names import visible
from mixval.publish.results import ValuationResults
from mixval.publish.writers.ranking_csv import guarded, ranking_csv
from mixval.publish.writers.ranking_markdown import ranking_document, ranking_markdown

HOSTILE = (
    "a|b", "two\nlines", "<img src=x onerror=alert(1)>", "`code`", "[link](http://x)", "**bold**", r"back\slash", "&lt;", "|",
    "=HYPERLINK(\"http://x\")", "a;=1+1", 'quo"te', "# head", "- item", "~~gone~~", "![x](y)", "\u202eturned",
)  # fmt: skip


def published(results: Results) -> ValuationResults:
    tables = {name: getattr(results, name) for name in ("ranking", "terms", "rejected")}
    return ValuationResults(manifest=results.manifest, **tables)


def cells(markdown: str) -> list[list[list[str]]]:
    """Tables of a document as a Markdown reader sees them: rows of cells, each the plain text of what is rendered."""
    tables: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and token.level > 3:  # of a cell
            assert {child.type for child in token.children} <= {"text", "text_special"}, token.content
            tables[-1][-1].append("".join(child.content for child in token.children))
    return tables


def test_csv_has_the_columns_and_numbers_of_the_table(results: Results) -> None:
    text = ranking_csv(results.ranking)
    lines = list(csv.reader(io.StringIO(text)))
    assert lines[0] == ranking_schema().names
    for line, row in zip(lines[1:], results.ranking.to_pylist(), strict=True):
        for cell, (name, value) in zip(line, row.items(), strict=True):
            assert cell == (value or "") if value is None or isinstance(value, str) else float(cell) == value, name


def test_csv_of_nobody_and_of_no_intervals() -> None:
    assert ranking_csv(make_results(()).ranking).splitlines() == [",".join(f'"{name}"' for name in ranking_schema().names)]
    [row, *_] = csv.DictReader(io.StringIO(ranking_csv(make_results(intervals=False).ranking)))
    assert (row["value_low"], row["value_high"]) == ("", "")


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\u200b=1", "\ufeff=1", "\x00=1", "＝1+1", "'=1", "--help"],
)
def test_a_name_never_begins_like_a_formula(name: str) -> None:
    [_, line] = csv.reader(io.StringIO(ranking_csv(make_results((name,)).ranking), newline=""))
    assert line[0] == "'" + name


def test_other_names_stay_and_different_ones_stay_different() -> None:
    for name in (*NAMES, "a=b", "x-1", "", "مساهم", 'quo"te'):
        assert guarded(name) == name
    names = ["=a", "'=a", "''=a", "a", "'a"]
    assert len({guarded(name) for name in names}) == len(names)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_begins_like_a_formula_however_the_spreadsheet_splits_lines(delimiter: str) -> None:
    text = ranking_csv(make_results((*HOSTILE, "a\t=1", "b,=1", 'c",=1', 'd";=1')).ranking)
    found = [cell for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in line]
    assert found
    assert not [cell for cell in found if re.match(r"\s*[=+@]", cell)]


def test_markdown_shows_every_name_as_it_is_and_breaks_no_cell() -> None:
    results = make_results(HOSTILE)
    document = ranking_document(published(results))
    ranked, refused = cells(document)
    assert {len(row) for row in ranked} == {len(ranked[0])}
    at = ranked[0].index("contributor")
    assert [row[at] for row in ranked[1:]] == [visible(name) for name in results.ranking["contributor"].to_pylist()]
    assert [row[0] for row in refused[1:]] == results.rejected["contributor"].to_pylist()
    assert refused[1][2] == results.rejected["reason"][0].as_py()
    assert "<img" not in document


def test_markdown_says_what_the_value_is_and_who_is_tied(results: Results) -> None:
    document = ranking_document(published(results))
    assert "It compares contributors of this run; its absolute size has no meaning." in document
    assert "cannot be told apart" in document
    assert "## Without a value: 2 contributors" in document
    nobody = ranking_document(published(make_results(())))
    assert "No contributor could be ranked." in nobody
    assert "cannot be told apart" not in nobody


def test_shapley_ranks_stand_beside_the_rank() -> None:
    results, found = make_both(NAMES, n_left_out=2)
    [ranked] = cells(ranking_markdown(results.ranking, found.coalitions))
    assert ranked[0][:3] == ["rank", "shapley rank", "contributor"]
    shapley = {row["contributor"]: row["shapley"] for row in found.coalitions.to_pylist()}
    expected = {name: str(1 + sum(other > value for other in shapley.values())) for name, value in shapley.items()}
    assert [row[1] for row in ranked[1:]] == [expected.get(row[2], "–") for row in ranked[1:]]
