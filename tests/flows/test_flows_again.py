"""The second run: what has not changed is not computed, and what has changed is, alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval.contracts.terms import TERMS
from mixval.publish.stored_run import open_run
from mixval_flows.front import run_session
from tests.flows.conftest import Ran
from tests.worlds import World, rows

Value = Callable[[ValuationConfig], RunSummary]


def stamps(folder: Path) -> dict[str, int]:
    """When each file below was last written, but for the metrics, which say when a run was last looked at."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".prom"]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def terms_of(summary: RunSummary) -> dict[str, dict[str, float]]:
    """The four terms by contributor."""
    return {row["contributor"]: {term: row[term] for term in TERMS} for row in open_run(summary.url).ranking.to_pylist()}


@pytest.fixture
def copied(ran: Ran, tmp_path: Path) -> World:
    """The valued world somewhere else, to be changed."""
    shutil.copytree(ran.world.root, tmp_path / "copy")
    return World(tmp_path / "copy", ran.world.task, ran.world.settings)


def test_a_run_on_unchanged_inputs_stands(ran: Ran, value: Value) -> None:
    before = stamps(ran.world.output)
    again = value(ran.config)
    with run_session(ran.config.runtime) as session:
        by_front = session(ran.config, None)
    for summary in (again, by_front):
        assert summary.up_to_date
        assert (summary.run_id, summary.recomputed, summary.recomputed_contributors) == (ran.summary.run_id, {}, [])
        assert (summary.n_planned, summary.n_ranked, summary.n_rejected) == (4, 3, 1)
    assert stamps(ran.world.output) == before


def test_where_and_how_wide_it_computes_is_no_change(ran: Ran, value: Value) -> None:
    wider = ran.world.config(runtime={"workers": 1, "batch_rows": 5, "threads_per_worker": 2, "device": "cpu"})
    assert value(wider).up_to_date


def test_data_that_was_moved_is_not_measured_again(copied: World, ran: Ran, value: Value) -> None:
    summary = value(copied.config())
    assert not summary.up_to_date
    assert summary.recomputed == {"gate": 0, "forward": 0, "gram": 0, "terms": 0}
    assert summary.recomputed_contributors == []
    assert terms_of(summary) == terms_of(ran.summary)


def test_a_changed_shard_is_measured_again_alone(copied: World, ran: Ran, value: Value) -> None:
    before = stamps(copied.output / "artifacts")
    copied.contribute("mixed", rows(copied.task, 10, start=70_000), shard="part-1.parquet")
    summary = value(copied.config())
    assert summary.recomputed == {"gate": 1, "forward": 1, "gram": 1, "terms": 1}
    assert summary.reused == {"gate": 3, "forward": 3, "gram": 2, "terms": 2}
    assert summary.recomputed_contributors == ["mixed"]
    old, new = terms_of(ran.summary), terms_of(summary)
    assert {name: new[name] for name in ("near", "far")} == {name: old[name] for name in ("near", "far")}
    assert new["mixed"] != old["mixed"]
    assert stamps(copied.output / "artifacts").items() >= before.items()


def test_another_weight_rule_computes_no_term(copied: World, ran: Ran, value: Value) -> None:
    summary = value(copied.config(value={"weights": "scale-matched"}))
    assert not summary.up_to_date
    assert not any(summary.recomputed.values())
    assert terms_of(summary) == terms_of(ran.summary)
    assert open_run(summary.url).manifest.weights.rule == "scale-matched"
    old, new = (open_run(one.url).ranking["value"].to_pylist() for one in (ran.summary, summary))
    assert old != new


def test_another_kernel_passes_no_row_through_the_backbone(copied: World, ran: Ran, value: Value) -> None:
    summary = value(copied.config(discrepancy={"multipliers": [1.0]}))
    assert summary.recomputed == {"gate": 0, "forward": 0, "gram": 0, "terms": 3}
    old, new = terms_of(ran.summary), terms_of(summary)
    for name in old:
        assert new[name]["discrepancy"] != pytest.approx(old[name]["discrepancy"], rel=1e-3)
        assert [new[name][term] for term in TERMS if term != "discrepancy"] == [
            old[name][term] for term in TERMS if term != "discrepancy"
        ]


def test_batches_and_budgets_of_any_size_give_the_same_terms(copied: World, ran: Ran, value: Value) -> None:
    shutil.rmtree(copied.output)
    summary = value(copied.config(runtime={"batch_rows": 7, "gradient_bytes": 8_000_000}))
    assert summary.recomputed["forward"] == 4
    for name, terms in terms_of(ran.summary).items():
        # float32 passes: sums inside a batch are ordered by its shape
        assert terms_of(summary)[name] == pytest.approx(terms, rel=1e-4, abs=1e-4)
    kinds = {path.name for path in (copied.output / "artifacts").iterdir() if any(f.is_file() for f in path.rglob("*"))}
    assert kinds == {"footprint", "forward", "gate", "gram", "target-profile", "terms"}
