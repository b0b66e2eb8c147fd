"""Each warning is raised by the numbers that call for it, and by no others."""

import json
import math

import pyarrow as pa
import pytest
from published_run import make_results, terms_table

from mixval.contracts.outcomes import Finding, GateOutcome
from mixval.contracts.results import terms_schema
from mixval.errors import ContractError
from mixval.publish.ranking import ranking_table
from mixval.publish.run_warnings import find_warnings
from mixval.publish.term_statistics import standard_errors, term_statistics


def calm_rows():
    """12 contributors about which nothing is doubtful."""
    rows = make_results().ranking.to_pylist()
    for place, row in enumerate(rows):
        row.update(n_sampled=500, n_rows=1000, n_real=400 + 10 * place, real_share=0.4 + 0.01 * place)
        row.update(value=-float(place), value_low=-place - 0.3, value_high=-place + 0.3)
        row["loss"] = 1.0 + 0.1 * place
        row["discrepancy"] = 0.2 + 0.05 * place
    return rows


def kinds(rows, outcomes=(), terms=None, n_classes=None):
    terms = terms_table(rows) if terms is None else terms
    return {warning.kind: warning for warning in find_warnings(ranking_table(rows), terms, outcomes, n_classes)}


def with_diagnostics(rows, **notes):
    listed = terms_table(rows).to_pylist()
    for row in listed:
        if row["term"] == "ntk" and row["contributor"] == rows[3]["contributor"]:
            row["diagnostics"] = json.dumps(notes)
    return pa.Table.from_pylist(listed, schema=terms_schema())


def test_there_is_no_warning_without_reason():
    assert kinds(calm_rows()) == {}


def test_few_contributors_state_the_chance_of_a_perfect_order():
    found = kinds(calm_rows()[:4])
    assert "1 in 24" in found["few-contributors"].words
    assert "few-contributors" not in kinds(calm_rows()[:10])
    assert "few-contributors" not in kinds(calm_rows()[:1])


def test_wide_intervals_count_separated_pairs():
    rows = calm_rows()
    for row in rows:
        row.update(value_low=row["value"] - 3.6, value_high=row["value"] + 3.6)
    # Half-width 3.6 separates places more than 7 apart: 4 + 3 + 2 + 1 of 66 pairs.
    assert "overlap in 56 of 66 pairs" in kinds(rows)["wide-intervals"].words


def test_missing_intervals_are_said():
    rows = [{**row, "value_low": None, "value_high": None} for row in calm_rows()]
    assert "wide-intervals" not in kinds(rows)
    assert "no-intervals" in kinds(rows)


def test_a_term_within_its_standard_error_is_uninformative():
    rows = calm_rows()
    for place, row in enumerate(rows):
        row["loss"] = 1.0 + 0.001 * place
    found = kinds(rows)
    assert "loss term is not informative" in found["uninformative-term"].words
    assert "guessing" not in found["uninformative-term"].words


def test_a_loss_of_log_c_is_named_as_guessing():
    rows = calm_rows()
    for place, row in enumerate(rows):
        row["loss"] = math.log(10) + 0.01 * place
    assert "log 10" in kinds(rows, n_classes=10)["uninformative-term"].words
    assert "uninformative-term" not in kinds(calm_rows(), n_classes=10)


def test_rows_that_nearly_repeat_the_target_or_others_name_whose_they_are():
    rows = calm_rows()
    admitted = GateOutcome(contributor="", verdict="admitted", n_rows=9, n_real=9, n_synthetic=0, n_dropped=0)
    names = [row["contributor"] for row in rows[:6]]

    def found(*changes):
        outcomes = [
            admitted.model_copy(update={"contributor": name} | change) for name, change in zip(names, changes, strict=False)
        ]
        return find_warnings(ranking_table(rows), terms_table(rows), outcomes)

    assert found({"near_target": 0.0}, {"near_target": None}, {}) == []
    [unsaid] = found({}, {"class_names_unsaid": True})
    assert (unsaid.kind, unsaid.severity, unsaid.contributors) == ("class-names-unsaid", "note", [names[1]])
    [denied] = found({}, {"origin_denied": True})
    assert (denied.kind, denied.severity, denied.contributors) == ("origin-denied", "caution", [names[1]])
    [near] = found({}, {"near_target": 0.33}, {"near_target": 0.02, "verdict": "rejected"})
    assert (near.kind, near.contributors) == ("near-target", [names[1]])
    assert "Up to 33 % of a contributor's rows are closer to a row of the target than rows of the target are" in near.words
    one, two = names[:2]
    [both] = found({"near_copies": {two: 0.4}}, {"near_copies": {one: 0.9}})
    assert (both.kind, both.contributors) == ("near-copies", [two, one])
    assert both.words == "90 % of a contributor's rows repeat rows of another one, exactly or with small changes."
    several = found(*({"near_copies": {one: 0.5 + 0.01 * at}} if at else {} for at in range(6)))
    assert [warning.contributors for warning in several[:3]] == [[names[at], one] for at in (5, 4, 3)]
    assert several[3].words.startswith("2 more pairs of contributors")


def test_jitter_and_condition_name_the_contributor():
    rows = calm_rows()
    found = kinds(rows, terms=with_diagnostics(rows, jitter=1e-9, condition=3e13))
    assert found["ntk-jitter"].contributors == [rows[3]["contributor"]]
    assert found["ntk-ill-conditioned"].contributors == [rows[3]["contributor"]]
    assert kinds(rows, terms=with_diagnostics(rows, jitter=0.0, condition=1e11)) == {}


@pytest.mark.parametrize("text", ["not json", "3"])
def test_diagnostics_that_are_no_json_object_are_refused(text):
    rows = calm_rows()
    listed = terms_table(rows).to_pylist()
    for row in listed:
        row["diagnostics"] = text
    import pyarrow as pa

    with pytest.raises(ContractError, match="diagnostics must be a JSON object"):
        kinds(rows, terms=pa.Table.from_pylist(listed, schema=terms_schema()))


def test_unequal_gradient_rows():
    rows = calm_rows()
    rows[0]["n_sampled"] = 120
    assert "120 to 500 rows" in kinds(rows)["unequal-gradient-rows"].words


@pytest.mark.parametrize(("share", "missing"), [(1.0, "synthetic"), (0.0, "real")])
def test_one_origin_only(share, missing):
    rows = [{**row, "real_share": share, "n_real": int(share * 1000)} for row in calm_rows()]
    assert f"No contributor has {missing} rows" in kinds(rows)["one-origin-only"].words


def test_pure_contributors_of_both_kinds_show_that_composition_is_blind():
    rows = calm_rows()
    rows[0].update(real_share=1.0, n_real=1000)
    assert "composition-blind" not in kinds(rows)
    rows[5].update(real_share=0.0, n_real=0)
    assert kinds(rows)["composition-blind"].contributors == [rows[0]["contributor"], rows[5]["contributor"]]


def test_gate_warnings_come_from_admitted_contributors_only(results):
    rows = results.ranking.to_pylist()
    base = next(outcome for outcome in results.outcomes if outcome.is_in)
    finding = Finding(
        expectation="expect_column_values_to_be_between",
        column="shared_share",
        severity="warn",
        count=60,
        n_checked=100,
        message="shared",
    )
    changed = base.model_copy(update={"n_rows": 100, "n_dropped": 4, "n_truncated": 20, "findings": [finding]})
    found = kinds(rows, outcomes=[changed])
    assert "up to 4 %" in found["dropped-rows"].words
    assert "up to 20 %" in found["truncated-rows"].words
    assert found["shared-rows"].contributors == [base.contributor]
    refused = changed.model_copy(update={"verdict": "rejected"})
    assert not {"dropped-rows", "truncated-rows", "shared-rows"} & kinds(rows, outcomes=[refused]).keys()


def test_standard_errors_join_the_parts_by_their_share():
    rows = calm_rows()[:1]
    rows[0].update(real_share=0.4, n_real=400)
    errors = standard_errors(ranking_table(rows), terms_table(rows))
    expected = math.hypot(0.4 * 0.4 / math.sqrt(400), 0.6 * 0.4 / math.sqrt(600))
    name = rows[0]["contributor"]
    assert errors[name, "loss"] == pytest.approx(expected, rel=1e-12)
    assert errors[name, "ntk"] == 0.01


def test_influence_adds_up_and_follows_the_weighted_spread():
    rows = calm_rows()
    for row in rows:
        row.update(weighted_loss=3 * row["weighted_ntk"], weighted_discrepancy=0.0, weighted_composition=0.0)
    found = {entry.term: entry.influence for entry in term_statistics(ranking_table(rows), terms_table(rows))}
    assert found == pytest.approx({"loss": 0.75, "discrepancy": 0.0, "ntk": 0.25, "composition": 0.0})


def test_a_full_sketch_is_named_and_its_steep_matrix_is_not():
    rows = calm_rows()
    found = kinds(rows, terms=with_diagnostics(rows, is_full=True, cancellation=1e-9, condition=1e15))
    assert found["full-sketch"].contributors == [rows[3]["contributor"]]
    assert "ntk.sketch_features" in found["full-sketch"].words
    assert "ntk-ill-conditioned" not in found
