"""A ranking's values under their own names: words, columns, charts, explanations and warnings of Eq. 8 and of NTK
regression."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pytest
from coalition_run import make_coalitions, with_coalitions
from published_run import EMPTY, NAMES, Results, make_results
from rich.console import Console

from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.results import CANNOT_SAY, LEAVE, NTK_REGRESSION, TAKE, VALUE_KINDS, ranking_schema, terms_schema
from mixval.contracts.terms import TERMS
from mixval.errors import ContractError
from mixval.publish.coalition_warnings import sketch_warnings
from mixval.publish.explain import explain, explanation_text
from mixval.publish.numerals import MINUS
from mixval.publish.ranking import ranking_rows, ranking_table
from mixval.publish.regression_warnings import regression_warnings
from mixval.publish.report.render import render_report
from mixval.publish.run_warnings import find_warnings
from mixval.publish.solve_warnings import solve_warnings
from mixval.publish.terminal import print_ranking
from mixval.publish.value_kind import kind_of
from mixval.publish.verdict_words import buyer_sentences

EQ_8, CROSS_ENTROPY, GAIN, TRAINED = VALUE_KINDS
MADE = {kind: make_results(kind=kind) for kind in VALUE_KINDS}


def report(made: Results) -> str:
    return render_report(made.ranking, made.terms, made.rejected, made.outcomes, made.manifest, made.warnings)


def with_values(made: Results, values: list[float]) -> pa.Table:
    """The ranking with other values, and gradients taken of all rows."""
    ranking = made.ranking
    for name, column in (("value", pa.array(values)), ("n_sampled", ranking["n_rows"])):
        at = ranking.schema.get_field_index(name)
        ranking = ranking.set_column(at, ranking.schema.field(at), column)
    return ranking


@pytest.mark.parametrize("kind", VALUE_KINDS)
def test_the_report_calls_the_value_by_its_name(kind: str) -> None:
    text = report(MADE[kind])
    assert ("The terms of the value" in text) == (kind == EQ_8)
    assert ("The value by Eq. 8" in text) == (kind != EQ_8)
    assert ("These values are not by Eq. 8" in text) == (kind != EQ_8)
    assert ("minus the cross-entropy" in text) == (kind == CROSS_ENTROPY)
    assert ("gain in mean log-probability" in text) == (kind in {GAIN, TRAINED})
    assert ("less a displacement penalty" in text) == (kind == TRAINED)
    assert ("weighted terms, " in text) == (kind == EQ_8)
    assert ("Value by Eq. 8 of arXiv 2511.13640, without retraining" in text) == (kind == EQ_8)


def test_tables_add_terms_up_only_where_they_make_the_value() -> None:
    assert set(TERMS) < set(ranking_rows(MADE[EQ_8].ranking)[0])
    of_regression = ranking_rows(MADE[GAIN].ranking)[0]
    assert "value (score)" in of_regression
    assert "value (nats)" in ranking_rows(MADE[CROSS_ENTROPY].ranking)[0]
    assert not set(TERMS) & set(of_regression)


def test_a_wide_terminal_keeps_eq_8_apart() -> None:
    made, console = MADE[CROSS_ENTROPY], Console(record=True, width=160, file=io.StringIO())
    print_ranking(made, console)
    text = " ".join(console.export_text().split())
    assert "minus the cross-entropy on the target, nats" in text
    assert "Eq. 8's terms, for comparison: no part of the value" in text


@pytest.mark.parametrize("width", [70, 110])
def test_shapley_ranks_stand_beside_the_value_where_there_is_room(width: int) -> None:
    made, console = MADE[CROSS_ENTROPY], Console(record=True, width=width, file=io.StringIO())
    print_ranking(with_coalitions(made, make_coalitions(NAMES)), console)
    values, _, beside = console.export_text().partition("for comparison")
    assert ("shapley" in values) == (width == 110)
    assert all(name in values for name in NAMES)
    assert "shapley" not in beside


def test_wide_intervals_of_rows_measured_whole_ask_for_no_setting() -> None:
    rows = [row | {"value_low": -9.0, "value_high": 9.0, "n_sampled": 40} for row in MADE[CROSS_ENTROPY].ranking.to_pylist()]
    words = []
    for n_rows in (90, 40):
        ranking = pa.Table.from_pylist([row | {"n_rows": n_rows} for row in rows], schema=ranking_schema())
        words += [
            warning.words
            for warning in find_warnings(ranking, terms_schema().empty_table())
            if warning.kind == "wide-intervals"
        ]
    sampled, whole = words
    assert "ntk.sample" in sampled
    assert "ntk.sample" not in whole
    assert "All rows were measured" in whole


def test_an_explanation_tells_both_ranks() -> None:
    made = MADE[GAIN]
    # The value turned round: the last by Eq. 8 comes first.
    ranking = with_values(made, made.ranking["value"].to_pylist()[::-1])
    last = made.ranking["contributor"].to_pylist()[-1]
    found = explain(ranking, made.terms, made.rejected, last)
    assert (found.rank_by_eq8, found.value_kind) == (len(NAMES), GAIN)
    text = explanation_text(found)
    assert " nats" not in text
    assert " nats" in explanation_text(explain(MADE[CROSS_ENTROPY].ranking, made.terms, made.rejected, last))
    assert f"no part of the value: the terms of Eq. 8, by which it has rank {len(NAMES)}." in text
    assert "By Eq. 8, which is no part of the value, the" in text
    assert "Eq. 8's value would change by" in text
    assert explain(MADE[EQ_8].ranking, made.terms, made.rejected, last).rank_by_eq8 is None


def test_warnings_of_a_regression_are_about_the_regression() -> None:
    made = MADE[CROSS_ENTROPY]
    kinds = {warning.kind for warning in find_warnings(made.ranking, made.terms, made.outcomes, n_classes=2)}
    assert not kinds & {"uninformative-term", "unequal-gradient-rows", "composition-blind", "ntk-jitter"}
    assert regression_warnings(MADE[EQ_8].ranking, made.terms) == []
    assert {warning.kind for warning in regression_warnings(made.ranking, made.terms)} >= {"value-of-sampled-rows"}
    values = [-0.1 * i for i in range(len(NAMES))]
    found = {warning.kind: warning for warning in regression_warnings(with_values(made, values), made.terms)}
    assert set(found) <= {"no-better-than-guessing", "below-guessing"}
    guessing = [
        name for name, v in zip(made.ranking["contributor"].to_pylist(), values, strict=True) if v <= EMPTY[CROSS_ENTROPY]
    ]
    assert found["no-better-than-guessing"].contributors == guessing
    assert solve_warnings(_with_sketches(made, 0.4), adds_terms=False) == []
    words = explanation_text(explain(made.ranking, _with_sketches(made, 0.4), made.rejected, NAMES[0]))
    assert "value alone, by regression" in words
    assert NTK_REGRESSION not in words
    [full] = solve_warnings(_with_sketches(made, 0.6), adds_terms=False)
    assert (full.kind, len(full.contributors)) == ("full-sketch-regression", len(NAMES))


def test_what_decides_a_value_besides_its_formula_is_named() -> None:
    made = MADE[CROSS_ENTROPY]
    told: list[dict[str, object]] = [{"least_damping": True}, {"jitter": 1e-9}, {"ratio_bounded": True}, {"head_floored": True}]
    rows = [row for row in _with_sketches(made, 0.4).to_pylist() if row["term"] == NTK_REGRESSION]
    for i, row in enumerate(rows):
        quiet = {"least_damping": False, "jitter": 0.0, "ratio_bounded": False, "head_floored": False}
        row["diagnostics"] = json.dumps(told[i] if i < len(told) else quiet)
    found = solve_warnings(pa.Table.from_pylist(rows, schema=made.terms.schema), adds_terms=False)
    names = [row["contributor"] for row in rows]
    assert [(one.kind, one.contributors) for one in found] == [
        ("least-damping", names[:1]),
        ("value-jitter", names[1:2]),
        ("value-by-a-bound", names[2:3]),
        ("value-by-a-bound", names[3:4]),
    ]


def test_harm_and_an_unknown_spread_are_named() -> None:
    made = MADE[CROSS_ENTROPY]
    rows, guess = made.ranking.to_pylist(), EMPTY[CROSS_ENTROPY]
    for row in rows:
        row |= {"value": guess, "value_low": guess - 0.1, "value_high": guess + 0.1}
    rows[0] |= {"value": guess - 0.2, "value_low": guess - 0.3, "value_high": guess - 0.1}
    rows[1] |= {"value_low": None, "value_high": None}
    ranking = pa.Table.from_pylist(rows, schema=made.ranking.schema)
    found = {one.kind: one for one in regression_warnings(ranking, made.terms)}
    assert found["below-guessing"].contributors == [rows[0]["contributor"]]
    assert found["unknown-spread"].contributors == [rows[1]["contributor"]]


def test_a_full_sketch_of_all_is_told_of_its_damping() -> None:
    def account(excess: float | None) -> CoalitionAccount:
        numbers = {"n_contributors": 3, "n_coalitions": 8, "value_of_all": 0.0, "value_of_empty": -1.0}
        return CoalitionAccount(method="exact", is_ntk_regression=True, sketch_excess=excess, **numbers)

    assert sketch_warnings(account(0.9)) == []
    for excess in (1.1, None):
        [warning] = sketch_warnings(account(excess))
        assert "doubles the damping of their regression" in warning.words


@pytest.mark.parametrize("kind", [GAIN, TRAINED])
def test_a_gain_is_called_a_score_and_never_an_amount(kind: str) -> None:
    """A row by hand for each verdict that has a number: raises, lowers, and cannot be told."""
    row = MADE[kind].ranking.to_pylist()[0]
    ends = {TAKE: (0.2, 0.1, 0.3), LEAVE: (-0.2, -0.3, -0.1), CANNOT_SAY: (0.1, -0.1, 0.3)}
    rows = [
        row | {"contributor": verdict, "verdict": verdict, "value": value, "value_low": low, "value_high": high}
        for verdict, (value, low, high) in ends.items()
    ]
    told = [words for one in rows for words in buyer_sentences(ranking_table([one]), 1)]
    assert "raise the log-probability of the target's answers: score +0.2 (+0.1 to +0.3)." in told[0]
    assert f"lower the log-probability of the target's answers: score {MINUS}0.2 ({MINUS}0.3 to {MINUS}0.1)." in told[1]
    assert f"+0.1 ({MINUS}0.1 to +0.3), may be none at all." in told[2]
    assert not any(" nats" in words or " by " in words for words in told)
    console = Console(record=True, width=160, file=io.StringIO())
    print_ranking(MADE[kind], console)
    shown = console.export_text()
    assert "value (score)" in shown
    assert "nats" not in shown.partition("for comparison")[0]


def test_a_ranking_under_an_earlier_name_of_its_kind_is_read() -> None:
    ranking = MADE[TRAINED].ranking
    at = ranking.schema.get_field_index("value_kind")
    earlier = pa.array(["trained-log-probability-gain-nats"] * ranking.num_rows)
    assert kind_of(ranking.set_column(at, ranking.schema.field(at), earlier)) is kind_of(ranking)


def test_several_kinds_in_one_ranking_are_refused() -> None:
    with pytest.raises(ContractError, match="one value_kind"):
        kind_of(pa.concat_tables([MADE[EQ_8].ranking, MADE[GAIN].ranking]))


def _with_sketches(made: Results, filled: float) -> pa.Table:
    """Of all rows of each."""
    told = json.dumps({"effective_rank": filled * 100, "sketch_features": 100})
    rows = [
        {
            "contributor": name,
            "part": "all",
            "term": NTK_REGRESSION,
            "estimate": -1.0,
            "standard_error": 0.1,
            "n": n,
            "diagnostics": told,
        }
        for name, n in zip(*(made.ranking[column].to_pylist() for column in ("contributor", "n_rows")), strict=True)
    ]
    return pa.concat_tables([made.terms, pa.Table.from_pylist(rows, schema=terms_schema())])
