"""What a batch adds to a table, from rows to the policy's word: against a plain ridge on all rows, and on planted batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixval.config.policy import PolicyConfig
from mixval.contracts.ingestion import Measured, Standing
from mixval.contracts.parts import PARTS
from mixval.errors import NumericalError
from mixval.stages.deciding import decide
from mixval.stages.holdings import Holdings
from mixval.stages.marginal import measure_given, new_rows, not_measured
from mixval.stages.statistics import read_statistics, statistics_ref
from mixval.stages.target_gradients import read_target_gradients
from mixval.terms.ntk.temperature import left_out_cross_entropy
from mixval.valuation import held_rows
from mixval.valuation.held_rows import HeldRows
from tests.stages.planted_lake import Lake, measured_lake

EXAMPLES = Path("examples")
VALUATION: dict[str, Any] = {"ntk": {"sketch_features": 1024}, "discrepancy": {"frequencies": 64}, "value": {"replicates": 100}}


def example(task: str, name: str, n: int | None = None) -> pa.Table:
    files = sorted((EXAMPLES / task / "data" / "contributors" / f"contributor={name}").glob("*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files]).slice(0, n)


def relabelled(rows: pa.Table) -> pa.Table:
    """The same texts, of the other class."""
    labels = pa.array(1 - rows["label"].to_numpy(), rows.schema.field("label").type)
    return rows.set_column(rows.schema.get_field_index("label"), "label", labels)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    amber, basil, garnet = (example("reviews", name) for name in ("amber", "basil", "garnet"))
    given = {
        "amber": amber,
        "basil": basil,
        "garnet": garnet,
        "copy": amber.slice(0, 200),
        "wrong": relabelled(basil),
        "other": pa.concat_tables([amber.slice(0, 20), relabelled(amber).slice(20, 40)]),
        "padded": pa.concat_tables([amber.slice(0, 110), relabelled(basil).slice(0, 100)]),
    }
    target = EXAMPLES / "reviews" / "data" / "target"
    lake = measured_lake(tmp_path_factory.mktemp("reviews"), "text-classification", given, target, VALUATION, "ngrams")
    lake.append("amber")
    return lake


def given(lake: Lake, name: str, price: float | None = None, is_empty: bool = False) -> Measured:
    holdings = lake.holdings(None if is_empty else lake.version)
    target, sample = lake.prepared.target_job, lake.config.sample
    return measure_given(holdings, lake.batches[name], lake.outcomes[name], target, sample, price)


def ends(found: Measured, name: Any) -> tuple[float, float]:
    quantity = found.quantities[name]
    assert quantity.low is not None
    assert quantity.high is not None
    return quantity.low, quantity.high


def ridge(lake: Lake, *names: str) -> float:
    """The value of these deliveries' rows together by one kernel and a general solve, from the sketches of all of them."""
    target = lake.prepared.target_job
    of_target = read_target_gradients(target)
    kept = [one.kept for name in names for one in sketches(lake, name)]
    phi = np.concatenate([one.features for one in kept]).astype(np.float64)
    y = np.eye(2)[np.concatenate([one.labels for one in kept])]
    t, labels = of_target.features.astype(np.float64), of_target.objective.labels
    assert labels is not None
    shift = target.regression_damping * ((phi - phi.mean(0)) ** 2).sum(1).mean()
    change = t @ phi.T @ np.linalg.solve(phi @ phi.T + shift * np.eye(len(phi)), y)
    return -float(left_out_cross_entropy(change / np.linalg.norm(t - t.mean(0), axis=1)[:, None], labels)[0].mean())


def sketches(lake: Lake, name: str) -> list[Any]:
    """The statistics of each part, which keep all of its rows."""
    job = lake.jobs[name]
    by_part = read_statistics(job, statistics_ref(job, lake.prepared.target_job))
    assert all(len(one.kept.keys) == one.n for one in by_part.values())
    return list(by_part.values())


def test_a_marginal_value_is_that_of_all_rows_together_less_that_of_the_tables(reviews: Lake) -> None:
    found = given(reviews, "garnet")
    wanted = ridge(reviews, "amber", "garnet") - ridge(reviews, "amber")
    assert found.quantities["marginal-value"].value == pytest.approx(wanted, rel=1e-5, abs=1e-7)
    alone = ridge(reviews, "garnet") + np.log(2)
    assert found.quantities["standalone-value"].value == pytest.approx(alone, rel=1e-5, abs=1e-7)
    assert found.quantities["redundancy"].value == pytest.approx(1 - wanted / alone, rel=1e-4)
    assert set(found.parts) == set(PARTS)
    one, other = (found.parts[part] for part in PARTS)
    # What both add is what one adds to the table, and the other to both.
    assert (one.given_holdings.value or 0) + (other.given_rest.value or 0) == pytest.approx(wanted, rel=1e-5, abs=1e-7)
    assert (one.n_rows, other.n_rows) == (120, 120)


def test_of_an_empty_table_the_marginal_value_is_the_standalone_one(reviews: Lake) -> None:
    found = given(reviews, "amber", is_empty=True).quantities
    assert found["marginal-value"] == found["standalone-value"]
    for name in ("redundancy", "overlap-share"):
        assert found[name].value == found[name].high == 0
    assert found["drift"].value is None


@pytest.mark.parametrize(
    ("name", "action", "rule"),
    [
        ("basil", "accept", "worth it"),
        ("copy", "quarantine", "held already"),
        ("wrong", "reject", "harmful"),
        ("padded", "quarantine", "held already"),
    ],
)
def test_planted_batches_end_as_they_should(reviews: Lake, name: str, action: str, rule: str) -> None:
    ruling = decide(PolicyConfig(), given(reviews, name), Standing())
    assert (ruling.action, ruling.rule) == (action, rule), ruling.sentence


def test_copies_of_what_is_held_add_nothing_and_hide_nothing(reviews: Lake) -> None:
    copy = given(reviews, "copy")
    assert ends(copy, "marginal-value") == ends(copy, "marginal-value-per-row") == (0, 0)
    assert ends(copy, "redundancy") == pytest.approx((1, 1), abs=1e-9)
    assert copy.quantities["overlap-share"].value == 1
    # The same text with another label is another row.
    assert given(reviews, "other").quantities["overlap-share"].value == pytest.approx(20 / 60, abs=0.02)
    padded = given(reviews, "padded")
    assert padded.quantities["overlap-share"].value == pytest.approx(110 / 210, abs=0.01)
    assert ends(padded, "marginal-value")[1] < 0


def test_batches_in_turn_are_worth_what_each_is_by_itself(reviews: Lake) -> None:
    """What the table is worth is computed once: the second batch's value is not another for it."""
    target, sample = reviews.prepared.target_job, reviews.config.sample
    held = reviews.holdings(reviews.version)
    for name in ("basil", "garnet", "padded"):
        found = measure_given(held, reviews.batches[name], reviews.outcomes[name], target, sample)
        assert ends(found, "marginal-value") == pytest.approx(ends(given(reviews, name), "marginal-value"), rel=1e-9)


def test_rates_and_what_is_unknown(reviews: Lake) -> None:
    found = given(reviews, "basil", price=60.0)
    value, n = found.quantities["marginal-value"].value, found.n_rows
    assert value is not None
    assert found.quantities["marginal-value-per-row"].value == pytest.approx(value / n)
    assert ends(found, "marginal-value-per-price") == pytest.approx([end / 60 for end in ends(found, "marginal-value")])
    assert found.quantities["marginal-value-per-token"].why_unknown == "rows of this task have no answer tokens"
    assert given(reviews, "basil").quantities["marginal-value-per-price"].why_unknown == "no price was given"
    outcome = reviews.outcomes["basil"]
    failed = not_measured(outcome, 3, failed="no memory")
    assert decide(PolicyConfig(), failed, Standing()).rule == "failed"
    assert failed.quantities["rows"].value == n


def test_a_part_of_which_no_row_was_drawn_is_not_passed_over(reviews: Lake) -> None:
    batch = replace(reviews.batches["basil"], n_by_part={"real": 240, "synthetic": 5})
    target, sample = reviews.prepared.target_job, reviews.config.sample
    with pytest.raises(NumericalError, match="2 of its 5 synthetic rows to be drawn and measured, found 0"):
        measure_given(Holdings(None), batch, reviews.outcomes["basil"], target, sample)


def test_which_rows_are_new_is_not_said_of_too_few(reviews: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = reviews.batches["copy"]
    part, content = batch.parts()["real"], batch.kept["real"]
    assert new_rows(part, content, batch.rows) is None
    half = new_rows(part, content, HeldRows.of(content[:50]))
    assert isinstance(half, type(part))
    assert (half.admitted, half.measured) == (part.admitted - 50, part.admitted - 50)
    monkeypatch.setattr(held_rows, "MOST_KEYS", 10)
    few = HeldRows.of(content)
    assert new_rows(part, content, few) == "untold"
    holdings = reviews.holdings(reviews.version)
    unsure = Holdings(0, holdings.parts, few, holdings.recent)
    target, sample = reviews.prepared.target_job, reviews.config.sample
    found = measure_given(unsure, batch, reviews.outcomes["copy"], target, sample)
    assert found.quantities["marginal-value"].value is None
    assert decide(PolicyConfig(), found, Standing()).rule == "undecided"
