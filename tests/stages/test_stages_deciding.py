"""What a policy says: the first rule that holds, nothing from what is unknown, a closed gate wherever something is amiss."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from mixval.config.ingestion import IngestionConfig
from mixval.config.policy import PolicyConfig, QuantityName
from mixval.contracts.ingestion import Measured, Quantity, Ruling, Standing
from mixval.publish.numerals import MINUS
from mixval.stages.deciding import decide, spending

NOBODY = Standing()


def told(value: float, low: float | None = None, high: float | None = None) -> Quantity:
    return Quantity(value=value, low=low, high=high)


def measured(**quantities: Quantity) -> Measured:
    """A delivery of 120 rows, of which these quantities are known; `overlap_share` is `overlap-share`."""
    known: dict[str, Quantity] = {"rows": told(120, 120, 120), "overlap-share": told(0, 0, 0)}
    known |= {name.replace("_", "-"): one for name, one in quantities.items()}
    return Measured.model_validate(
        {"quantities": known, "table_version": 3, "n_rows": 120, "n_dropped": 2, "n_tokens": 2400.0, "price": 60.0}
    )


GOOD = measured(marginal_value=told(0.02, 0.008, 0.03), redundancy=told(0.4, 0.2, 0.6))


def of(found: Measured, standing: Standing = NOBODY, **policy: Any) -> Ruling:
    return decide(PolicyConfig.model_validate(policy), found, standing)


@pytest.mark.parametrize(
    ("found", "action", "rule", "words"),
    [
        (GOOD, "accept", "worth it", "its rows add 0.02 (0.008 to 0.03) nats"),
        (
            measured(marginal_value=told(0.001, -0.001, 0.003), redundancy=told(0.97, 0.93, 0.99)),
            "quarantine",
            "redundant",
            "97 % (93 to 99 %) of what it brings by itself the table holds already",
        ),
        (
            measured(marginal_value=told(-0.02, -0.03, -0.008)),
            "reject",
            "harmful",
            f"its rows add {MINUS}0.02 ({MINUS}0.03 to {MINUS}0.008) nats",
        ),
        (measured(overlap_share=told(0.75, 0.75, 0.75)), "quarantine", "held already", "75 % of its rows are in the table"),
        (measured(rows=told(20), marginal_value=told(1, 0.9, 1.1)), "quarantine", "too small", "it has 20 rows; below 50"),
    ],
)  # fmt: skip
def test_the_default_policy(found: Measured, action: str, rule: str, words: str) -> None:
    ruling = of(found)
    assert (ruling.action, ruling.rule) == (action, rule)
    assert words in ruling.sentence
    assert ruling.sentence.endswith(".")


def test_values_of_causal_models_are_told_without_a_unit() -> None:
    ruling = of(GOOD.model_copy(update={"unit": "score"}))
    assert ruling.rule == "worth it"
    assert "its rows add 0.02 (0.008 to 0.03) to what" in ruling.sentence
    assert "nats" not in ruling.sentence
    unknown = of(measured(marginal_value=told(0.5)).model_copy(update={"unit": "score"}))
    assert "0.5, give or take an unknown amount" in unknown.sentence


def test_the_first_rule_that_holds_decides() -> None:
    rules = [
        {"name": "a", "quantity": "marginal-value", "above": 0.05, "then": "accept"},
        {"name": "b", "quantity": "marginal-value", "above": 0.01, "then": "quarantine"},
        {"name": "c", "quantity": "marginal-value", "above": 0, "then": "reject"},
    ]
    assert (of(GOOD, rules=rules).rule, of(GOOD, rules=rules[::-1]).rule) == ("b", "c")


def test_what_is_unknown_holds_no_rule_and_waits_with_the_reason() -> None:
    quantities: dict[str, Quantity] = {
        "marginal_value": told(0.5),  # without an interval its low end is unknown
        "redundancy": Quantity(value=None, why_unknown="by itself it is worth nothing"),
    }
    ruling = of(measured(**quantities))
    assert (ruling.action, ruling.rule) == ("quarantine", "undecided")
    assert "redundancy is unknown, since by itself it is worth nothing" in ruling.sentence
    assert "0.5 nats, give or take an unknown amount" in ruling.sentence
    below = [{"name": "r", "quantity": "drift", "below": 1e9, "then": "accept"}]
    assert of(GOOD, rules=below).rule == "undecided"  # below anything is not below nothing known


@pytest.mark.parametrize("at", ["low", "value", "high"])
def test_ends_are_compared_as_asked(at: str) -> None:
    number = {"low": 0.008, "value": 0.02, "high": 0.03}[at]
    for limit, holds in ((number - 1e-6, True), (number, False)):
        rules = [{"name": "r", "quantity": "marginal-value", "at": at, "above": limit, "then": "accept"}]
        assert (of(GOOD, rules=rules).rule == "r") is holds
    rules = [{"name": "r", "quantity": "marginal-value", "at": at, "below": number, "then": "reject"}]
    assert of(GOOD, rules=rules).rule == "undecided"


def test_failures_close_the_gate_whatever_the_rules_are() -> None:
    welcome = [{"name": "all", "quantity": "rows", "above": 0, "then": "accept"}]
    failed = GOOD.model_copy(update={"failed": "the store did not answer."})
    assert of(failed, rules=welcome, exploration={"rows": 10**6}).model_dump() == {
        "action": "quarantine",
        "rule": "failed",
        "sentence": "quarantined by `failed`: it could not be measured: the store did not answer.",
    }
    rejected = GOOD.model_copy(update={"rejected": "half of its rows have no label"})
    assert (of(rejected, rules=welcome).action, of(rejected, rules=welcome).rule) == ("reject", "row gate")
    # What could not be measured may be good: it is not refused for what else is wrong.
    assert of(failed.model_copy(update={"rejected": "too few rows"})).action == "quarantine"


def test_an_overwritten_name_is_treated_as_asked() -> None:
    again = Standing(overwrites=True)
    found = {action: of(GOOD, again, on_overwrite=action) for action in ("accept", "quarantine", "reject")}
    assert {action: (one.action, one.rule) for action, one in found.items()} == {
        "accept": ("accept", "worth it"),
        "quarantine": ("quarantine", "overwrite"),
        "reject": ("reject", "overwrite"),
    }


@pytest.mark.parametrize(("of_what", "cost"), [("rows", 120.0), ("tokens", 2400.0), ("price", 60.0)])
def test_a_budget_holds_back_what_does_not_fit(of_what: str, cost: float) -> None:
    given: dict[str, Any] = {"budget": {"most": 3 * cost, "of": of_what, "every": "week"}, "price_column": "price"}
    policy = PolicyConfig.model_validate(given)
    assert policy.budget is not None
    assert spending(policy.budget, GOOD) == cost
    assert of(GOOD, Standing(spent=2 * cost), **given).action == "accept"
    over = of(GOOD, Standing(spent=2 * cost + 1), **given)
    assert (over.action, over.rule) == ("quarantine", "budget")
    assert "`worth it` would accept it" in over.sentence
    assert "a week" in over.sentence
    unknown = GOOD.model_copy(update={"n_tokens": None, "price": None})
    assert of(unknown, **given).action == ("accept" if of_what == "rows" else "quarantine")
    harmful = measured(marginal_value=told(-0.02, -0.03, -0.008))
    assert of(harmful, Standing(spent=3 * cost), **given).action == "reject"  # refusing costs nothing


def test_a_new_contributor_may_bring_some_rows_unproven() -> None:
    unproven = measured(marginal_value=told(0.001, -0.01, 0.02))
    given = {"exploration": {"rows": 200}}
    assert of(unproven).rule == "undecided"
    assert (of(unproven, **given).action, of(unproven, **given).rule) == ("accept", "exploration")
    assert of(unproven, Standing(accepted_rows=80), **given).rule == "exploration"
    assert of(unproven, Standing(accepted_rows=81), **given).rule == "undecided"
    # Only where no rule could decide, and within the budget.
    assert of(measured(marginal_value=told(-0.02, -0.03, -0.008)), **given).action == "reject"
    assert of(unproven, Standing(spent=1), budget={"most": 120}, **given).rule == "budget"


def test_policies_that_say_nothing_clear_are_refused() -> None:
    for rule in ({"quantity": "value"}, {"then": "ignore"}, {"below": 1}, {"at": "middle"}, {"above": math.nan}):
        given = {"name": "r", "quantity": "rows", "above": 0, "then": "accept"} | rule
        with pytest.raises(ValidationError):
            PolicyConfig.model_validate({"rules": [given]})


def test_every_quantity_can_be_told() -> None:
    for name in get_args(QuantityName):
        found = Measured.model_validate(
            {"quantities": {name: told(0.999, 0.5, 1.0)}, "table_version": 0, "n_rows": 5, "n_dropped": 0}
        )
        rules = [{"name": "r", "quantity": name, "above": 0, "then": "reject"}]
        sentence = of(found, rules=rules, price_column="price").sentence
        assert sentence.startswith("rejected by `r`: ")
        assert "{}" not in sentence
        assert ("99.90 % (50 to 100 %)" in sentence) == (name.endswith("share") or name == "redundancy")


def test_a_gate_without_intervals_is_refused() -> None:
    given: dict[str, Any] = {name: name for name in ("inbox", "table", "target", "state")}
    given |= {"task": "text-classification", "backbone": {"random_init": {"architecture": "ngrams"}}}
    with pytest.raises(ValidationError, match=r"needs `value\.replicates`, found 0"):
        IngestionConfig.model_validate(given | {"valuation": {"value": {"replicates": 0}}})
    with pytest.raises(ValidationError, match="freshness"):
        IngestionConfig.model_validate(given | {"policy": {"freshness": -1}})
