"""A gate's report and its history: what they say, that names from outside stay text, and how they look in a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from published_run import NAMES, make_results

from mixval.config.policy import Action, Budget
from mixval.contracts.gate_run import DeliveryOutcome, GateRunSummary
from mixval.contracts.ingestion import Decision, Measured, Quantity
from mixval.lake.decision_table import decisions_schema
from mixval.publish.gate_page.history import render_history, spent
from mixval.publish.gate_page.render import render_gate_report
from mixval.publish.gate_page.words import headline
from mixval.publish.gate_run import GateManifest, GateResults
from mixval.publish.history.values import PastRuns, past_runs, render_values
from mixval.publish.stored_run import StoredRun
from mixval.storage.root import open_location
from tests.browser import complaints, open_page

EVIL = '<script>alert(1)</script>/"ü\u202e$x$.parquet'
BUDGET = Budget(most=500, every="day")
ACTIONS: tuple[Action, ...] = ("accept", "quarantine", "reject")
MARKS = """
const svg = document.querySelector(`svg[data-chart="${arguments[0]}"][data-layout="${arguments[1]}"]`);
const box = svg.getBoundingClientRect();
return {shown: box.width > 300, dots: [...svg.querySelectorAll('g[id]')].filter(g => g.id.includes('-dot-')).map(g => {
  const b = g.getBoundingClientRect(); return b.x >= box.x - 1 && b.right <= box.right + 1 && b.width > 2; })};
"""


def decision(place: int, name: str, unit: Literal["nats", "score"]) -> Decision:
    """The decision on delivery number `place`; every third has no value."""
    action = ACTIONS[place % 3]
    value = Quantity(value=0.01 * (2 - place % 5), low=-0.02, high=0.04)
    return Decision(
        digest=f"{place:064x}",
        attempt=0,
        contributor=name.partition("/")[0],
        name=name,
        action=action,
        rule="worth it",
        sentence=f"because of {name}",
        measured=Measured(
            quantities={} if place % 4 == 3 else {"marginal-value": value},
            table_version=place,
            n_rows=100,
            n_dropped=0,
            unit=unit,
        ),
        policy="p" * 32,
        seed=0,
        decided="2026-11-30T02:15:00+00:00",
    )


def report(names: list[str], unit: Literal["nats", "score"] = "nats") -> str:
    """The report of a run that decided these deliveries."""
    outcomes = [DeliveryOutcome(decision=decision(place, name, unit), is_new=place > 0) for place, name in enumerate(names)]
    summary = GateRunSummary(
        headline=headline(outcomes, 1, 100, shadow=False),
        run_id="20261130T021500Z-00000000",
        url="file:///state/runs/1",
        table="file:///table",
        version=7,
        n_appended=100,
        deliveries=outcomes,
        failed={EVIL: "it changed <b>while</b> it was copied"},
        ignored={"_x": "hidden"},
        findings=["found <i>something</i>"],
    )
    manifest = GateManifest(
        run_id="20261130T021500Z-00000000",
        fingerprint="0" * 32,
        created="2026-11-30T02:16:00+00:00",
        config={"inbox": EVIL},
        policy="p" * 32,
        summary=summary,
    )
    return render_gate_report(GateResults(manifest))


def history(n: int, shadow: int = 0) -> str:
    """The history of `n` decisions on deliveries of three contributors, one in seven hours; the first ones in shadow mode."""
    return render_history(decisions(n, shadow), "file:///state/tables/decisions", BUDGET)


def decisions(n: int, shadow: int = 0) -> pa.Table:
    began = datetime(2026, 11, 1, tzinfo=UTC)
    rows: list[dict[str, Any]] = []
    for place in range(n):
        name = EVIL if place == 1 else f"{'abc'[place % 3]}/{place}.parquet"
        known = place % 4 != 3
        rows.append(
            {
                "digest": f"{place:064x}", "attempt": 0, "contributor": name.partition("/")[0], "name": name,
                "action": ACTIONS[place % 3], "rule": "worth it", "sentence": "s", "decided_by": "policy", "why": "",
                "policy": "p", "shadow": place < shadow, "seed": 0, "n_rows": 100, "n_dropped": 0, "table_version": place,
                "decided": began + timedelta(hours=7 * place), "marginal_value": 0.01 * (place % 5) if known else None,
                "marginal_low": -0.01 if known else None, "marginal_high": 0.05 if known else None,
                "redundancy": min(1.0, place / n) if known else None, "drift": 1.5 if known else None,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=decisions_schema())


def test_a_report_tells_values_in_their_unit() -> None:
    names = ["ash/a.parquet", "beech/b.parquet"]
    in_nats, as_score = report(names), report(names, "score")
    assert "to the table, in nats, with" in in_nats
    assert "score" not in in_nats
    assert "to the table, as a score, with" in as_score
    assert "nats" not in as_score


def test_a_report_names_outcomes_reasons_and_what_was_not_decided() -> None:
    page = report(["ash/a.parquet", "beech/b.parquet", EVIL, "elm/d.parquet"])
    assert "5 deliveries: 2 accepted, 1 quarantined, 1 rejected, 1 not decided; 100 rows entered the table." in page
    for words in ("because of ash/a.parquet", "version 7", "hidden", "Not drawn, without a value: 1."):
        assert words in page


def test_names_from_outside_stay_text() -> None:
    for page in (report([EVIL, "a/b.parquet"]), history(6)):
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert "\u202e" not in page
    assert "<b>while" not in report([EVIL])


def test_the_history_counts_what_entered() -> None:
    page = history(30)
    assert "30 decisions on 30 deliveries" in page
    assert "<dd>1,000</dd>" in page  # ten of a hundred rows
    assert page.count('data-chart="value"') == page.count('data-chart="table"') == 2


def test_what_shadow_mode_decided_is_counted_apart() -> None:
    facts = history(30, shadow=3).partition("</dl>")[0]
    for name, number in (("accepted", 9), ("quarantined", 9), ("rejected", 9), ("in shadow", 3), ("rows that entered", 900)):
        assert f"<dt>{name}</dt><dd>{number}</dd>" in facts


def test_what_a_budget_has_spent_begins_anew_with_each_period() -> None:
    """One of three deliveries enters, every 21 hours, so a day has one or two; by the week they add up."""
    rows = decisions(30).to_pylist()
    by_day = list(spent(rows, Budget(most=500, every="day")))
    assert (max(by_day), by_day[0], by_day[-1]) == (200, 100, 0)
    assert list(spent(rows, Budget(most=500, every="month")))[-1] == 1000
    assert set(spent(rows, Budget(most=500, of="price"))) == {0}  # whose prices nobody knows


def test_nothing_decided_is_a_page_too() -> None:
    assert "Nothing was decided yet." in render_history(decisions_schema().empty_table(), "file:///x")


def values_page() -> str:
    """Five nights of a valuation; from the third night on one more contributor, with a name that nobody should have."""
    runs = []
    for night in range(5):
        found = make_results(names=NAMES[:5] if night < 2 else (*NAMES[:5], EVIL), seed=night)
        changes = {"run_id": f"2026112{night}T021500Z-0000000{night}", "created": f"2026-11-2{night}T02:16:00+00:00"}
        if night == 4:
            changes |= {"config": found.manifest.config | {"seed": 1}}
        tables = {"ranking": found.ranking, "terms": found.terms, "rejected": found.rejected}
        folder = open_location(f"memory://values/{night}")
        runs.append(StoredRun(folder=folder, manifest=found.manifest.model_copy(update=changes), **tables))
    return render_values(PastRuns(runs, n_earlier=3, unread=["20260101T000000Z-00000000"]), "s3://lake/values")


def test_the_history_of_valuations_has_each_run_and_what_changed() -> None:
    page = values_page()
    assert "5 runs of 6 contributors" in page
    rows = page.partition('data-table="runs"')[2].partition("</table>")[0].split("<tr>")[1:]
    assert [row.partition('scope="row">')[2][:16] for row in rows[1:]] == [
        f"2026-11-2{night} 02:16" for night in (4, 3, 2, 1, 0)
    ]
    assert "settings: seed" in rows[1]
    assert "data new: &lt;script&gt;" in rows[3]
    assert "first that is read" in rows[5]
    assert "3 earlier runs were not read." in page
    assert "20260101T000000Z-00000000" in page
    latest = page.partition('data-table="latest"')[2].partition("</table>")[0]
    assert latest.count('scope="row"') == 6
    assert "<script" not in page
    assert "\u202e" not in page


def test_an_output_without_runs_has_a_page_that_says_so() -> None:
    assert "No run has been published here." in render_values(past_runs(open_location("memory://nowhere")), "memory://nowhere")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_their_screen_and_ask_nobody(width: int, browser: Any, tmp_path: Path) -> None:
    layout = "wide" if width > 720 else "narrow"
    names = [f"{'abc'[place % 3]}/delivery-number-{place:03d}.parquet" for place in range(12)] + [EVIL]
    for name, page, charts in (
        ("report", report(names), {"deliveries": 10}),
        ("history", history(40), {"value": 30, "table": 60}),
        ("values", values_page(), {"values": 28}),
    ):
        file = tmp_path / f"{name}.html"
        file.write_text(page, encoding="utf-8")
        open_page(browser, file, width)
        assert complaints(browser, width) == []
        for chart, n_dots in charts.items():
            drawn = browser.execute_script(MARKS, chart, layout)
            assert drawn["shown"]
            assert (len(drawn["dots"]), all(drawn["dots"])) == (n_dots, True), (name, chart)


@pytest.mark.browser
def test_the_tables_of_a_history_scroll_by_keyboard_and_say_verdicts_in_words(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "values.html"
    file.write_text(values_page(), encoding="utf-8")
    open_page(browser, file, 390)
    reached = []
    for _ in range(4):
        browser.switch_to.active_element.send_keys("\ue004")  # Tab
        reached.append(browser.execute_script("return document.activeElement.getAttribute('aria-labelledby')"))
    assert {"h-latest", "h-runs"} <= set(reached)
    words = browser.execute_script(
        "return [...document.querySelectorAll('[data-table=latest] tbody tr td:nth-child(2)')].map(c => c.innerText)"
    )
    assert set(words) <= {"take", "leave", "cannot say"}
