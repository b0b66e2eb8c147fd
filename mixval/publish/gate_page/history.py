"""The history of a gate: value and decisions over time a contributor, redundancy, drift, and what was spent. One HTML file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

from mixval.config.policy import Budget
from mixval.publish.gate_page.render import rendered
from mixval.publish.gate_page.time_chart import Panel, Point, time_chart
from mixval.publish.gate_page.words import DONE, SHOWN
from mixval.publish.names import shortened, visible
from mixval.publish.numerals import MINUS, count, counted, percent
from mixval.publish.report.theme import LAYOUTS

MOST_CONTRIBUTORS = 12
"""That have a panel of their own: those with most decisions."""
MOST_LINES = 200
"""Decisions in the table of the page, the last ones."""
MOST_POINTS = 400
"""Decisions that are drawn, the last ones."""

OF_VALUE = "Marginal value with its interval, a contributor a panel. In nats, of causal models as a score."
OF_TABLE = (
    "Redundancy: how much of a delivery's own value the table brings already. Overlap: how many of its rows are in it. Drift: "
    "how far it lies from what its contributor delivered before."
)

Rows = Sequence[Mapping[str, Any]]


def render_history(decisions: pa.Table, source: str, budget: Budget | None = None) -> str:
    """The page from the table of decisions (`mixval/lake/decision_table.py`); `budget` is the policy's, if any."""
    rows = sorted(decisions.to_pylist(), key=lambda row: (row["decided"], row["name"], row["attempt"]))
    drawn = rows[-MOST_POINTS:]
    dates = [row["decided"].date().isoformat() for row in drawn]
    counts = Counter(row["action"] for row in rows if not row["shadow"])
    n_shadow = len(rows) - counts.total()
    charts = [
        ("value", "Value over time", OF_VALUE, _by_contributor(drawn)),
        ("table", "What the table makes of it", OF_TABLE, _of_table(drawn) + _sums(rows, budget)),
    ]
    return rendered(
        "history.html.j2",
        source=visible(source),
        headline=f"{counted(len(rows), 'decision')} on {counted(len({row['digest'] for row in rows}), 'delivery')}".replace(
            "deliverys", "deliveries"
        ),
        period=f"{rows[0]['decided'].date()} to {rows[-1]['decided'].date()}" if rows else "",
        counts=[(DONE[action], counts[action]) for action in SHOWN] + ([("in shadow", n_shadow)] if n_shadow else []),
        appended=count(sum(row["n_rows"] for row in rows if _entered(row))),
        charts=[
            (title, caption, [time_chart(name, panels, dates, layout, title) for layout in LAYOUTS])
            for name, title, caption, panels in charts
            if panels
        ],
        lines=[_line(row) for row in rows[::-1][:MOST_LINES]],
        n_hidden=max(len(rows) - MOST_LINES, 0),
    )


def _by_contributor(rows: Rows) -> list[Panel]:
    """A panel for each of the contributors with most decisions: marginal value with its interval."""
    known = [(at, row) for at, row in enumerate(rows) if row["marginal_value"] is not None]
    names = [name for name, _ in Counter(row["contributor"] for _, row in known).most_common(MOST_CONTRIBUTORS)]
    return [
        Panel(
            name,
            [
                _point(at, row, "marginal_value", "marginal_low", "marginal_high")
                for at, row in known
                if row["contributor"] == name
            ],
            gid=f"c{place}",
        )
        for place, name in enumerate(sorted(names))
    ]


def _of_table(rows: Rows) -> list[Panel]:
    """Redundancy, overlap and drift."""
    panels = []
    for gid, title, column in (
        ("redundancy", "redundancy (share of its value)", "redundancy"),
        ("overlap", "overlap (share of its rows)", "overlap_share"),
        ("drift", "drift (standard errors)", "drift"),
    ):
        points = [_point(at, row, column) for at, row in enumerate(rows) if row[column] is not None]
        panels += [Panel(title, points, gid=gid)] if points else []
    return panels


def _sums(rows: Rows, budget: Budget | None) -> list[Panel]:
    """The rows that entered so far and, of a budget, what was spent in each period: over all decisions, the last ones drawn."""
    if not rows:
        return []
    grown = accumulate(row["n_rows"] if _entered(row) else 0 for row in rows)
    panels = [Panel("rows that entered", _steps(grown), is_line=True, gid="rows")]
    if budget is not None:
        title = f"{budget.of} spent of the budget of a {budget.every}"
        panels.append(Panel(title, _steps(spent(rows, budget)), is_line=True, limit=budget.most, gid="budget"))
    return panels


def _steps(values: Iterable[float]) -> list[Point]:
    return [Point(at, float(value), None, None, "accept", "") for at, value in enumerate(list(values)[-MOST_POINTS:])]


def spent(rows: Rows, budget: Budget) -> Iterator[float]:
    """After each decision, what those of its period have taken; an amount that is not known counts as none."""
    column, period, spent = {"rows": "n_rows", "tokens": "n_tokens", "price": "price"}[budget.of], None, 0.0
    for row in rows:
        began = budget.began(row["decided"])
        if began != period:
            period, spent = began, 0.0
        spent += (row[column] or 0.0) if _entered(row) else 0.0
        yield spent


def _point(at: int, row: Mapping[str, Any], value: str, low: str | None = None, high: str | None = None) -> Point:
    words = f"{row['decided'].date()} {shortened(row['name'], 60)}: {DONE[row['action']]}, {row[value]:.4g}"
    return Point(at, row[value], None if low is None else row[low], None if high is None else row[high], row["action"], words)


def _entered(row: Mapping[str, Any]) -> bool:
    return row["action"] == "accept" and not row["shadow"]


def _line(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "action": row["action"],
        "done": f"would be {DONE[row['action']]}" if row["shadow"] else DONE[row["action"]],
        "when": row["decided"].strftime("%Y-%m-%d %H:%M"),
        "file": shortened(row["name"], 80),
        "contributor": shortened(row["contributor"], 40),
        "rule": visible(row["rule"]),
        "rows": count(row["n_rows"]),
        "value": "–" if row["marginal_value"] is None else _signed(row["marginal_value"]),
        "redundancy": "–" if row["redundancy"] is None else percent(row["redundancy"]),
        "by": "a person" if row["decided_by"] == "person" else "the policy",
    }


def _signed(value: float) -> str:
    return (f"{value:+.4g}" if value else "0").replace("-", MINUS)
