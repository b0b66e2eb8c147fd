"""The published tables keep their schema and order, refuse what does not fit, and print hostile names harmlessly."""

import io
import json
import re

import pyarrow as pa
import pytest
from coalition_run import make_both
from published_run import NAMES, make_results
from rich.console import Console

from mixval.contracts.results import REJECTED, ranking_schema
from mixval.errors import ContractError, NumericalError
from mixval.publish.ranking import ranking_rows, ranking_table, rejected_table, tie_labels
from mixval.publish.terminal import print_ranking


def printed(results, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard", legacy_windows=False)
    print_ranking(results, console)
    return console.file.getvalue()


def test_table_has_the_schema_and_is_sorted(results):
    rows = results.ranking.to_pylist()
    rows[1]["rank"] = rows[2]["rank"]
    table = ranking_table(list(reversed(rows)))
    assert table.schema.equals(ranking_schema(), check_metadata=True)
    keys = list(zip(table["rank"].to_pylist(), table["contributor"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    table.validate(full=True)


def test_no_rows_make_an_empty_table():
    assert ranking_table([]).schema.equals(ranking_schema())


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"value": None}, ContractError, "'value' must have a value"),
        ({"value": float("nan")}, NumericalError, "'value' must be finite, found nan"),
        ({"bound": float("inf")}, NumericalError, "'bound' must be finite"),
        ({"rank": "first"}, ContractError, "expected the published schema"),
        ({"score": 1.0}, ContractError, "'score' is not in the schema"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(results, change, error, words):
    row = {**results.ranking.to_pylist()[0], **change}
    with pytest.raises(error, match=words):
        ranking_table([row])


def test_missing_columns_and_repeated_contributors_are_refused(results):
    row = results.ranking.to_pylist()[0]
    with pytest.raises(ContractError, match="several for 'news-agency'"):
        ranking_table([row, row])
    del row["ntk"]
    with pytest.raises(ContractError, match="expected column 'ntk'"):
        ranking_table([row])


def test_rejected_lists_every_fatal_expectation_and_every_failure(results):
    table = rejected_table(results.outcomes)
    assert table.schema.equals(REJECTED, check_metadata=True)
    rows = table.to_pylist()
    assert [(row["contributor"], row["verdict"], row["expectation"]) for row in rows] == [
        ("broken-export", "rejected", "expect_column_values_to_not_be_null"),
        ("oom-giant", "failed", "measurement"),
    ]
    assert rows[0]["count"] == 412
    assert rows[0]["samples"] == ["null", "<b>not bold</b>"]
    assert "worker died" in rows[1]["reason"]


def test_only_shared_groups_get_a_letter_best_first(results):
    rows = results.ranking.to_pylist()
    for row, group in zip(rows, [7, 7, 3, 9, 9, 9, 1, 2, 4, 5, 5, 6], strict=True):
        row["tie_group"] = group
    assert tie_labels(ranking_table(rows)) == {7: "A", 9: "B", 5: "C"}


def test_artifact_rows_are_plain_json(results):
    rows = ranking_rows(results.ranking)
    assert json.loads(json.dumps(rows)) == rows
    assert rows[0]["rank"] == 1
    assert [row["contributor"] for row in rows] == results.ranking["contributor"].to_pylist()


@pytest.mark.parametrize("width", [80, 140])
def test_terminal_shows_values_parts_ties_and_reasons(results, width):
    text = printed(results, width)
    for name in results.ranking["contributor"].to_pylist():
        assert name in text
    assert "discrepancy" in text
    assert "composition" in text
    assert "broken-export" in text
    assert all(len(line) <= width for line in Console(width=width).render_str(text).plain.splitlines() if "\x1b" not in line)


def test_terminal_names_are_data_not_markup():
    names = ("[bold red]loud[/bold red]", "\x1b[2Jcleared", "x" * 300, "[/]", "مساهم\u202e")
    hostile = make_results(names)
    text = printed(hostile, 140)
    assert "[bold red]loud" in text
    assert r"\x1b[2Jcleared" in text
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "x" * 100 not in text


def test_terminal_says_when_there_is_nothing_to_rank():
    nobody = make_results(())
    assert "No contributor could be ranked" in printed(nobody, 80)
    assert isinstance(nobody.ranking, pa.Table)


def test_shapley_ranks_stand_beside_the_rank():
    results, found = make_both(NAMES, n_left_out=2)
    shapley = {row["contributor"]: row["shapley"] for row in found.coalitions.to_pylist()}
    expected = {name: 1 + sum(other > value for other in shapley.values()) for name, value in shapley.items()}
    rows = ranking_rows(results.ranking, found.coalitions)
    assert json.loads(json.dumps(rows)) == rows
    assert [row["shapley rank"] for row in rows] == [expected.get(row["contributor"], "–") for row in rows]
    assert list(rows[0])[:3] == ["rank", "shapley rank", "contributor"]
    assert "shapley rank" not in ranking_rows(results.ranking)[0]


@pytest.mark.parametrize(("width", "shown"), [(72, 0), (130, 2)])  # a column and its meaning, where there is room
def test_terminal_shows_shapley_ranks_and_who_goes_together(width, shown):
    results, found = make_both(NAMES, n_left_out=2)
    text = Console(width=width).render_str(printed(results, width)).plain
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert text.count("shapley") == shown
    assert "…" not in text
    taken = sorted((row["greedy_step"], row["contributor"]) for row in found.coalitions.to_pylist())[:5]
    names = [name for _, name in taken]
    assert f"best next contributor: {', '.join(names)} and 5 more; value together" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= width


def test_terminal_says_nothing_of_coalitions_without_coalition_values(results):
    assert "shapley" not in printed(results, 130)
