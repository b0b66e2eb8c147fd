"""The gate's driver: what is decided of planted deliveries, what enters the table, and what is decided anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from mixval.config.ingestion import IngestionConfig
from mixval.contracts.gate_run import GateRunSummary
from mixval.errors import ConfigError, MixvalError, StorageError
from mixval.lake.decision_table import decision_table, record_decisions
from mixval.lake.delta import open_table
from mixval.lake.ledger import Ledger
from mixval.stages.account import Account
from mixval.stages.gate_publishing import publish_gate
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import GateRun, Seen, idle_run, run_gate, seen_before
from mixval.stages.marginal import UNREAD_ADVICE
from mixval.stages.quarantine import decision_on, rule_on, waiting
from mixval.storage.root import open_location
from mixval.telemetry.observing import observed
from tests.gate_world import GateWorld, parquet, planted, rows, settling_of, table
from tests.telemetry.observed_events import events_in, metrics_in

PLANTED = {
    "ash/good.parquet": ("accept", "worth it"),
    "beech/copy.jsonl": ("quarantine", "held already"),
    "cedar/wrong.parquet": ("reject", "harmful"),
    "elm/cut.parquet": ("reject", "row gate"),
    "fir/few.parquet": ("quarantine", "too small"),
}
"""Delivery -> what becomes of it, by which rule."""


def run(config: IngestionConfig) -> GateRunSummary:
    """A run of the gate in this process, observed as the flow's is."""
    with observed("ingestion", open_location(config.state, config.storage), config.runtime.telling):
        return publish_gate(run_gate(config, InProcess(), Account()))


def decided(summary: GateRunSummary) -> dict[str, tuple[str, str]]:
    """Delivery -> action and rule."""
    return {one.decision.name: (one.decision.action, one.decision.rule) for one in summary.deliveries}


def texts(config: IngestionConfig) -> list[str]:
    """The column `text` of the table, sorted."""
    return sorted(deltalake.DeltaTable(config.table).to_pyarrow_table()["text"].to_pylist())


@dataclass(frozen=True)
class Ran:
    """A planted world after one run."""

    world: GateWorld
    config: IngestionConfig
    summary: GateRunSummary


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The planted deliveries, decided once. Tests read it."""
    world = planted(tmp_path_factory.mktemp("gate"))
    world.deliver("_drafts/a.parquet", rows(30, start=9_000))
    config = world.config()
    return Ran(world, config, run(config))


def test_each_planted_delivery_is_decided_by_its_rule(ran: Ran) -> None:
    assert decided(ran.summary) == PLANTED
    assert ran.summary.exit_code == 3
    assert list(ran.summary.ignored) == ["_drafts/a.parquet"]
    assert (ran.summary.n_appended, ran.summary.failed, ran.summary.findings) == (80, {}, [])


def test_what_it_tells_those_who_watch_is_what_it_decided(ran: Ran) -> None:
    told = Path(ran.config.state) / "telemetry"
    found = metrics_in(told / "ingestion.prom")
    assert found["mixval_decisions"] == dict.fromkeys(PLANTED.values(), 1.0)
    states = {("accept",): 1.0, ("quarantine",): 2.0, ("reject",): 2.0, ("failed",): 0.0, ("ignored",): 1.0}
    assert found["mixval_deliveries"] == states
    assert (found["mixval_rows_appended"], found["mixval_table_version"]) == ({(): 80.0}, {(): float(ran.summary.version)})
    assert found["mixval_inbox_oldest_seconds"][()] > 0
    begun, ended = events_in(told / "lineage")
    assert (begun["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    digests = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in ended["inputs"]}
    inbox = ran.config.inbox
    assert digests == {f"{inbox}/{one.decision.name}": one.decision.digest for one in ran.summary.deliveries}
    [table] = ended["outputs"]
    assert table["facets"]["version"]["datasetVersion"] == str(ran.summary.version)
    valued = {one["name"]: (one["outcome"], one["rule"]) for one in ended["run"]["facets"]["mixval_valuation"]["valued"]}
    assert valued == PLANTED


def test_the_table_holds_the_rows_of_what_was_accepted_and_no_others(ran: Ran) -> None:
    assert texts(ran.config) == sorted(row["text"] for row in rows(80, start=1_000))
    [accepted] = [one for one in ran.summary.deliveries if one.action == "accept"]
    assert accepted.version == ran.summary.version == open_table(ran.config.table).version()


def test_values_are_given_what_the_table_held_by_then(ran: Ran) -> None:
    found = {one.decision.name: one.decision.measured for one in ran.summary.deliveries}
    good, copy, wrong = (found[name].quantities for name in list(PLANTED)[:3])
    assert found["ash/good.parquet"].table_version is None
    assert found["beech/copy.jsonl"].table_version is not None
    assert good["marginal-value"].low > 0.3  # nats, of ln 2 that guessing loses
    assert copy["overlap-share"].value == 1.0
    assert copy["standalone-value"].value == pytest.approx(good["standalone-value"].value, rel=1e-6)
    assert wrong["marginal-value"].high < -0.3


def test_decisions_are_a_table_of_their_own_with_one_row_an_attempt(ran: Ran) -> None:
    config = ran.config
    rows_of_table = deltalake.DeltaTable(f"{config.state}/tables/decisions").to_pyarrow_table().to_pylist()
    found = {row["name"]: row for row in rows_of_table}
    assert {name: (row["action"], row["rule"]) for name, row in found.items()} == PLANTED
    good = next(one.decision for one in ran.summary.deliveries if one.decision.name == "ash/good.parquet")
    assert found["ash/good.parquet"]["marginal_low"] == good.measured.quantities["marginal-value"].low
    assert found["elm/cut.parquet"]["marginal_value"] is None
    assert record_decisions(Ledger(config), decision_table(config)) == 0


def test_messages_name_the_delivery_and_not_its_copy(ran: Ran) -> None:
    sentence = decision_on(ran.config, "elm/cut.parquet").sentence
    assert "inbox/elm/cut.parquet" in sentence
    assert "staging" not in sentence
    assert decision_on(ran.config, "elm/cut.parquet").digest not in sentence


def test_a_second_run_decides_nothing_and_ends_with_the_same_code(ran: Ran) -> None:
    before = sorted(file.name for file in (ran.world.root / "state" / "runs").iterdir())
    again = idle_run(ran.config)
    assert isinstance(again, GateRun)
    summary = publish_gate(again)
    assert decided(summary) == PLANTED
    assert not any(one.is_new for one in summary.deliveries)
    assert (summary.exit_code, summary.run_id, summary.url) == (3, None, ran.summary.url)
    assert sorted(file.name for file in (ran.world.root / "state" / "runs").iterdir()) == before


def test_what_was_seen_of_the_inbox_a_moment_ago_is_not_listed_again(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config(policy=ANY)
    world.deliver("ash/good.parquet", rows(30, start=1_000))
    seen = idle_run(config)
    assert isinstance(seen, Seen)
    world.deliver("ash/later.parquet", rows(30, start=2_000))
    with seen_before(config, seen):
        assert list(decided(run(config))) == ["ash/good.parquet"]
    assert list(decided(run(config))) == ["ash/good.parquet", "ash/later.parquet"]


def test_the_report_says_what_was_decided(ran: Ran) -> None:
    page = Path(ran.summary.url.removeprefix("file://"), "report.html").read_text()
    for name, (_, rule) in PLANTED.items():
        assert name in page
        assert rule in page
    assert page.count('data-chart="deliveries"') == 2


ANY = {"rules": [{"name": "any", "quantity": "rows", "above": 1, "then": "accept"}]}
"""A policy that accepts whatever the row gate lets in."""


def test_what_waits_is_decided_anew_when_table_or_policy_have_changed(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config()
    few = world.deliver("fir/few.parquet", rows(20, start=4_000))
    assert decided(run(config)) == {"fir/few.parquet": ("quarantine", "too small")}
    few.unlink()  # what waits is remembered
    assert isinstance(idle_run(config), GateRun)
    world.deliver("ash/good.parquet", rows(80, start=1_000))
    run(config)
    assert run(config).exit_code == 3
    assert decision_on(config, "fir/few.parquet").attempt == 1
    assert isinstance(idle_run(config), GateRun)
    summary = run(world.config(policy=ANY))
    found = decision_on(config, "fir/few.parquet")
    assert (found.action, found.rule, found.attempt, summary.n_appended) == ("accept", "any", 2, 20)


def test_shadow_decides_and_changes_nothing(tmp_path: Path) -> None:
    world = planted(tmp_path)
    shadow = run(world.config(policy={"shadow": True}))
    assert decided(shadow) == PLANTED  # the copy is valued as if what it repeats had entered
    assert not (tmp_path / "table").exists()
    assert shadow.n_appended == 0
    assert "would be" in shadow.headline
    assert decided(run(world.config())) == PLANTED
    assert texts(world.config()) == sorted(row["text"] for row in rows(80, start=1_000))


@pytest.mark.parametrize(("freshness", "attempt"), [("strict", 1), (1, 0)])
def test_a_delivery_is_decided_anew_where_the_table_moved_further_than_the_policy_allows(
    freshness: Any, attempt: int, tmp_path: Path
) -> None:
    world = GateWorld(tmp_path)
    config = world.config(policy=ANY | {"freshness": freshness})
    world.deliver("ash/good.parquet", rows(60, start=1_000))
    run(config)
    world.deliver("birch/good.parquet", rows(20, start=2_000))
    settling, others = settling_of(config, "birch/good.parquet"), [table(rows(40, start=7_000))]

    def clock() -> datetime:
        """Once, between looking at the table and deciding, another writer appends."""
        if others:
            deltalake.write_deltalake(config.table, others.pop(), mode="append", schema_mode="merge")
        return datetime.now(UTC)

    settling.clock = clock
    outcome = settling.settle(settling.valued.deliveries[0])
    assert (outcome.action, outcome.decision.attempt) == ("accept", attempt)
    assert outcome.decision.measured.table_version == 1 + attempt
    assert len(texts(config)) == 60 + 40 + 20


def test_an_overwritten_name_waits(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config(policy=ANY)
    world.deliver("ash/a.parquet", rows(30, start=1_000))
    run(config)
    world.deliver("ash/a.parquet", rows(30, start=2_000))
    assert run(config).count("quarantine") == 1
    assert decided(run(config)) == {"ash/a.parquet": ("quarantine", "overwrite")}
    assert len(texts(config)) == 30


@pytest.mark.parametrize(("change", "action"), [("quarantine", "quarantine"), ("widen", "accept")])
def test_columns_that_the_table_lacks_are_a_matter_of_policy(change: str, action: str, tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config(policy=ANY | {"schema_change": change})
    world.deliver("ash/a.parquet", rows(30, start=1_000))
    run(config)
    wider = table(rows(30, start=2_000)).append_column("note", pa.array(["n"] * 30))
    world.deliver("ash/b.parquet", parquet(wider))
    found = {one.decision.name: one for one in run(config).deliveries}["ash/b.parquet"]
    assert found.action == action
    assert ("note" in found.decision.sentence) == (action == "quarantine")
    assert ("note" in deltalake.DeltaTable(config.table).to_pyarrow_table().column_names) == (action == "accept")


def test_a_budget_of_prices_is_spent_by_what_was_accepted(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    budget = {"budget": {"most": 100, "of": "price", "every": "month"}, "price_column": "price"}
    config = world.config(policy=ANY | budget)
    for name, start in (("a", 1_000), ("b", 2_000), ("c", 3_000)):
        priced = table(rows(30, start=start)).append_column("price", pa.array([1.5] * 30))
        world.deliver(f"ash/{name}.parquet", parquet(priced))
    world.deliver("ash/d.parquet", rows(30, start=4_000))
    found = {one.decision.name: one.decision for one in run(config).deliveries}
    assert [found[f"ash/{name}.parquet"].action for name in "abcd"] == ["accept", "accept", "quarantine", "quarantine"]
    assert found["ash/c.parquet"].rule == "budget"
    assert "price" in found["ash/d.parquet"].sentence


def test_a_table_that_somebody_else_made_counts_as_what_is_held(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config()
    deltalake.write_deltalake(config.table, table(rows(80, start=1_000)))
    world.deliver("beech/copy.jsonl", rows(80, start=1_000)[::-1])
    world.deliver("cedar/wrong.parquet", rows(80, start=2_000, wrong=True))
    found = run(config)
    assert decided(found) == {"beech/copy.jsonl": ("quarantine", "held already"), "cedar/wrong.parquet": ("reject", "harmful")}
    assert found.deliveries[0].decision.measured.table_version == 0
    assert len(texts(config)) == 80


def test_rows_that_a_restore_took_out_come_in_again_by_a_persons_word_alone(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config(policy=ANY)
    world.deliver("ash/a.parquet", rows(30, start=1_000))
    world.deliver("ash/b.parquet", rows(20, start=2_000))
    run(config)
    deltalake.DeltaTable(config.table).restore(1)
    assert len(texts(config)) == 30
    again = run(config)
    assert (again.n_appended, len(again.findings)) == (0, 1)
    assert "restored" in again.findings[0]
    rule_on(config, "ash/b.parquet", "replay", "the restore was a mistake", InProcess())
    assert run(config).n_appended == 20
    assert len(texts(config)) == 50


def test_a_persons_word_is_another_attempt_with_the_reason(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config()
    for name in "abc":
        world.deliver(f"fir/{name}.parquet", rows(20, start=1_000 * ord(name)))
    run(config)
    assert [one.name for one in waiting(config)] == ["fir/a.parquet", "fir/b.parquet", "fir/c.parquet"]
    taken = rule_on(config, "fir/a.parquet", "accept", "known to be good", InProcess())
    assert (taken.version, taken.decision.decided_by, taken.decision.attempt) == (1, "person", 1)
    assert len(texts(config)) == 20
    rule_on(config, "fir/b.parquet", "discard", "not ours", InProcess())
    rule_on(config, decision_on(config, "fir/c.parquet").digest[:8], "replay", "the rule has changed", InProcess())
    assert [one.why for one in waiting(config)] == ["the rule has changed"]
    summary = run(config)
    assert decided(summary) == {
        "fir/a.parquet": ("accept", "accept"),
        "fir/b.parquet": ("reject", "discard"),
        "fir/c.parquet": ("quarantine", "too small"),
    }
    rule_on(config, "fir/c.parquet", "discard", "enough", InProcess())
    assert publish_gate(run_gate(config, InProcess(), Account())).exit_code == 0  # what a person gave up is settled


@pytest.mark.parametrize(
    ("delivery", "word", "why", "said"),
    [
        ("ash/good.parquet", "accept", "again", "found its rows in it"),
        ("elm/cut.parquet", "accept", "never mind", "none that can be read"),
        ("fir/few.parquet", "accept", "  ", "expected the reason"),
        ("nobody/a.parquet", "discard", "x", "found none"),
    ],
)
def test_words_that_say_nothing_are_refused(delivery: str, word: Any, why: str, said: str, ran: Ran) -> None:
    with pytest.raises(ConfigError, match=said):
        rule_on(ran.config, delivery, word, why, InProcess())


def test_a_folder_that_is_no_table_is_said_before_anything_is_read(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "notes.txt").write_text("mine")
    world.deliver("ash/a.parquet", rows(30, start=1_000))
    with pytest.raises(StorageError, match="expected a Delta table"):
        run(world.config())
    assert [one.name for one in (tmp_path / "state").iterdir()] == ["telemetry"]
    assert metrics_in(tmp_path / "state" / "telemetry" / "ingestion.prom")["mixval_run_success"] == {(): 0.0}


def test_rows_of_the_target_are_dropped_or_refused_and_the_others_go_on(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    world.deliver("ash/a.parquet", rows(80, start=1_000))
    world.deliver("birch/leak.parquet", rows(40, start=0) + rows(40, start=2_000))
    found = {one.decision.name: one for one in run(world.config(policy=ANY)).deliveries}
    assert found["ash/a.parquet"].action == "accept"
    assert (found["birch/leak.parquet"].action, found["birch/leak.parquet"].decision.rule) == ("reject", "row gate")
    assert "target" in found["birch/leak.parquet"].decision.sentence


def test_a_table_that_cannot_be_written_is_the_runs_error(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    (tmp_path / "file").write_text("no folder")
    world.deliver("ash/a.parquet", rows(30, start=1_000))
    with pytest.raises(MixvalError):
        run(world.config(policy=ANY, state=str(tmp_path / "file" / "state")))


def test_no_value_decides_where_the_model_cannot_tell_a_right_answer_from_a_wrong_one(tmp_path: Path) -> None:
    """Answers of the other row: words and letters alone do not show it, so that nothing enters by its value."""
    world = GateWorld(tmp_path, {"task": "instruction"})
    schema = pa.schema(dict.fromkeys(("prompt", "response", "origin"), pa.string()))

    def asked(n: int, start: int) -> bytes:
        told = [(f"Which number follows {one}?", f"The number {one + 1}.") for one in range(start, start + n)]
        return parquet(table([{"prompt": p, "response": r, "origin": "real"} for p, r in told], schema))

    (tmp_path / "target" / "part-0.parquet").write_bytes(asked(40, 0))
    world.deliver("ash/good.parquet", asked(60, 1_000))
    summary = run(world.config())
    assert decided(summary) == {"ash/good.parquet": ("quarantine", "undecided")}
    assert "marginal-value is unknown, since the backbone is made from a seed" in summary.deliveries[0].decision.sentence
    assert UNREAD_ADVICE in summary.findings
    assert summary.deliveries[0].decision.measured.parts == {}
    assert "No delivery has a value" in Path(summary.url.removeprefix("file://"), "report.html").read_text()


def test_what_somebody_has_to_clear_up_is_said_by_every_run_and_published_once(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    for name in ("ash/a.parquet", "contributor=ash/b.parquet"):
        world.deliver(name, rows(30, start=1_000))
    summaries = []
    for _ in range(2):
        found = idle_run(world.config())
        assert isinstance(found, GateRun)
        summaries.append(publish_gate(found))
    assert [one.exit_code for one in summaries] == [3, 3]
    assert [sorted(one.failed) for one in summaries] == [["ash/a.parquet", "contributor=ash/b.parquet"]] * 2
    assert (summaries[0].run_id is None, summaries[1].run_id, summaries[1].url) == (False, None, summaries[0].url)
