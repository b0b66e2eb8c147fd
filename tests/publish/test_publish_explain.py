"""An explanation repeats the tables' numbers, finds the term that costs most, and helps with misspelt names."""

import statistics

import pytest
from coalition_run import make_both
from published_run import NAMES, make_results

from mixval.contracts.terms import TERMS
from mixval.errors import ConfigError
from mixval.publish.coalition_warnings import coalition_warnings
from mixval.publish.explain import Explanation, explain, explanation_text
from mixval.publish.numerals import decimals_for, fixed


def explained(results, name):
    return explain(results.ranking, results.terms, results.rejected, name, results.warnings)


def test_contributions_are_taken_against_the_median(results):
    rows = {row["contributor"]: row for row in results.ranking.to_pylist()}
    found = explained(results, "forum-2024")
    for entry in found.contributions:
        parts = [row[f"weighted_{entry.term}"] for row in rows.values()]
        assert entry.weighted == rows["forum-2024"][f"weighted_{entry.term}"]
        assert entry.against_median == pytest.approx(entry.weighted - statistics.median(parts))
    assert [entry.term for entry in found.contributions] == list(TERMS)
    assert (found.rank, found.n_ranked) == (rows["forum-2024"]["rank"], 12)


def test_the_lever_is_the_term_that_costs_most_and_its_rank_follows(results):
    last = results.ranking.to_pylist()[-1]
    found = explained(results, last["contributor"])
    worst = min(found.contributions, key=lambda entry: entry.against_median)
    moved = last["value"] - worst.against_median
    above = sum(row["value"] > moved for row in results.ranking.to_pylist()[:-1])
    assert worst.rank_at_median == above + 1
    assert found.would_help_most.startswith(f"The {worst.term} term costs it most")


def test_ties_parts_and_warnings_are_its_own(results):
    rows = results.ranking.to_pylist()
    found = explained(results, "textbook-gen")
    group = next(row["tie_group"] for row in rows if row["contributor"] == "textbook-gen")
    assert set(found.tied_with) == {r["contributor"] for r in rows if r["tie_group"] == group} - {"textbook-gen"}
    own = [row for row in results.terms.to_pylist() if row["contributor"] == "textbook-gen"]
    assert [(part.term, part.part, part.estimate) for part in found.parts] == [
        (r["term"], r["part"], r["estimate"]) for r in own
    ]
    assert all(not warning.contributors or "textbook-gen" in warning.contributors for warning in found.warnings)


def test_a_rejected_one_is_told_what_broke_and_what_to_do(results):
    found = explained(results, "broken-export")
    text = explanation_text(found)
    assert found.rank is None
    assert found.broken[0].count == 412
    for words in ("rejected", "412 of 900", "expect_column_values_to_not_be_null", "Fill the rows in", "null"):
        assert words in text


def test_text_has_value_terms_and_parts(results):
    text = explanation_text(explained(results, "news-agency"))
    for words in ("Rank 1 of 12", "loss", "discrepancy", "ntk", "composition", "real", "Warnings:"):
        assert words in text


def test_a_single_contributor_has_nothing_to_compare_with():
    alone = make_results(("solo",), intervals=False, refused=False)
    found = explained(alone, "solo")
    assert found.would_help_most is None
    assert (found.rank, found.verdict) == (None, "cannot say")
    assert "No rank" in explanation_text(found)
    assert "Only solo was valued" in explanation_text(found)


def test_an_unknown_name_gets_the_nearest_ones(results):
    with pytest.raises(ConfigError, match="Did you mean 'forum-2024'"):
        explained(results, "forum-2025")
    with pytest.raises(ConfigError, match=r"14 contributors, found 'zzz\\x1b'. They are"):
        explained(results, "zzz\x1b")


@pytest.fixture(scope="module")
def both():
    return make_both(NAMES, n_left_out=2)


def joined(both, name):
    results, found = both
    warnings = coalition_warnings(results.ranking, found.coalitions, found.redundancy)
    return explain(results.ranking, results.terms, results.rejected, name, warnings, found.coalitions, found.redundancy)


def test_coalition_values_are_the_tables_own(both):
    rows = {row["contributor"]: row for row in both[1].coalitions.to_pylist()}
    marginal = joined(both, "lectures").coalitions
    own = rows["lectures"]
    for column in ("alone", "leave_one_out", "shapley", "shapley_error", "greedy_step", "greedy_value"):
        assert getattr(marginal, column) == own[column]
    assert marginal.shapley_rank == 1 + sum(row["shapley"] > own["shapley"] for row in rows.values())
    assert marginal.n_contributors == 10


def test_a_copy_is_told_who_brings_the_same(both):
    found = joined(both, "news-agency")
    first = found.coalitions.substitutes[0]
    rows = {(row["contributor"], row["other"]): row["redundancy"] for row in both[1].redundancy.to_pylist()}
    assert (first.contributor, first.redundancy) == ("wiki-mix", rows["news-agency", "wiki-mix"])
    loss = found.coalitions.leave_one_out
    assert first.cover == pytest.approx(first.redundancy / (first.redundancy + loss))
    decimals = decimals_for([found.coalitions.shapley, loss])
    text = " ".join(explanation_text(found).split())
    assert (
        f"Without it the coalition of all would lose {fixed(loss, decimals)}; wiki-mix covers most of its contribution" in text
    )
    assert f"leave-one-out value would be {fixed(first.redundancy + loss, decimals)}, of which wiki-mix covers" in text
    assert f"rank {found.coalitions.shapley_rank} of 10; mean marginal contribution" in text
    assert Explanation.model_validate_json(found.model_dump_json()) == found


def test_one_that_nobody_replaces_and_one_that_harms(both):
    found = joined(both, "news-agency")
    own = found.coalitions
    assert "90 % of its rows repeat rows of wiki-mix, exactly or with small changes." in explanation_text(found)
    alone = {"substitutes": [], "near_copies": [], "leave_one_out": -0.25}
    copied = found.model_copy(update={"coalitions": own.model_copy(update=alone | {"near_copies": own.near_copies})})
    assert "is redundant with it" not in explanation_text(copied)
    lonely = found.model_copy(update={"coalitions": own.model_copy(update=alone)})
    assert "Without it the coalition of all would gain 0.25" in explanation_text(lonely)
    assert "Its redundancy with any other contributor is within its uncertainty." in explanation_text(lonely)
    weak = own.substitutes[0].model_copy(update={"cover": None})
    touched = found.model_copy(update={"coalitions": own.model_copy(update={"substitutes": [weak]})})
    assert "it is partly redundant with wiki-mix" in explanation_text(touched)


def test_one_that_took_no_part_is_told_so_by_the_warning(both):
    last = both[0].ranking["contributor"][-1].as_py()
    found = joined(both, last)
    assert found.coalitions is None
    assert [warning.kind for warning in found.warnings] == ["coalitions-left-out"]
    text = explanation_text(found)
    assert "In coalitions of" not in text
    assert "marginal contributions and redundancy are not known" in text


def test_a_run_without_coalition_values_says_nothing_of_them(results):
    found = explained(results, "lectures")
    assert found.coalitions is None
    assert "coalition" not in explanation_text(found)
