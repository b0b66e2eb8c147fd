"""Prompts with responses under a model that does not read whether they fit: nobody is ranked, and nobody is to be taken."""

from __future__ import annotations

import pyarrow as pa
import pytest

import mixval
from mixval.publish.verdict_words import headline


def rows(first: int, n_rows: int) -> pa.Table:
    numbers = range(first, first + n_rows)
    prompts = [f"What is {number} plus {number % 7}?" for number in numbers]
    responses = [f"It is {number + number % 7}." for number in numbers]
    return pa.table({"prompt": prompts, "response": responses, "origin": ["real"] * n_rows})


@pytest.fixture(scope="module")
def result() -> mixval.ValuationResult:
    contributors = {"amber": rows(100, 30), "birch": rows(400, 30).slice(0, 24)}
    return mixval.value(
        contributors,
        rows(900, 24),
        {"random_init": {"architecture": "ngrams"}, "max_length": 128},
        task="instruction",
        ntk={"method": "sketched", "sketch_features": 256},
        value={"replicates": 40, "coalitions": 0},
    )


def test_nobody_is_ranked_or_taken(result: mixval.ValuationResult) -> None:
    assert set(result.ranking["verdict"]) == {"cannot say"}
    assert result.ranking["rank"].isna().all()
    assert not result.ranking["value"].isna().any()


def test_the_warning_stands_first_and_names_everybody(result: mixval.ValuationResult) -> None:
    unread = [one for one in result.warnings if one.kind == "answers-unread"]
    assert [(one.severity, one.contributors) for one in unread] == [("serious", ["amber", "birch"])]


def test_the_headline_says_that_there_is_no_ranking(result: mixval.ValuationResult) -> None:
    assert headline(result._run.ranking).plain().startswith("Not ranked")


def test_an_order_without_ranks_is_none(result: mixval.ValuationResult) -> None:
    table, schema = result._run.ranking, result._run.ranking.schema
    groups = pa.array([1, 2], schema.field("tie_group").type)
    apart = table.set_column(schema.get_field_index("tie_group"), schema.field("tie_group"), groups)
    assert "hardly reads whether an answer fits its prompt" in headline(apart).plain()
