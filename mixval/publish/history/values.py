"""The history of valuations: value with interval and verdict of each contributor over the runs of an output. One HTML file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from mixval.config.policy import Action
from mixval.contracts.results import CANNOT_SAY, LEAVE, TAKE
from mixval.errors import MixvalError
from mixval.publish.difference import RunDifference, compare_runs
from mixval.publish.gate_page.time_chart import Panel, Point, time_chart
from mixval.publish.names import listed, shortened, visible
from mixval.publish.numerals import counted, decimals_for, fixed
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.run_manifest import MANIFEST
from mixval.publish.stored_run import StoredRun, open_run_at
from mixval.publish.templates import templates
from mixval.storage.layout import Layout
from mixval.storage.root import Location

MOST_RUNS = 60
"""Runs that are read, the last ones."""
MOST_CONTRIBUTORS = 12
"""That have a panel of their own: those with most runs, and of these the best of the latest."""
SHAPES: dict[str, Action] = {TAKE: "accept", CANNOT_SAY: "quarantine", LEAVE: "reject"}
"""Verdict -> whose colour and shape it is drawn in."""
Row = dict[str, Any]


@dataclass(frozen=True)
class PastRuns:
    """Runs of an output, oldest first."""

    runs: Sequence[StoredRun]
    n_earlier: int = 0
    """Further ones, not read."""
    unread: Sequence[str] = ()
    """Ids of those that this mixval cannot read."""


def past_runs(output: Location) -> PastRuns:
    """The last runs below an output root."""
    names = sorted(output.child("runs").folders()) if output.child("runs").exists() else []
    names = [name for name in names if Layout(output).run(name).child(MANIFEST).exists()]
    runs, unread = list[StoredRun](), list[str]()
    for name in names[-MOST_RUNS:]:
        try:
            runs.append(open_run_at(Layout(output).run(name)))
        except MixvalError:
            unread.append(name)
    return PastRuns(runs, max(len(names) - MOST_RUNS, 0), unread)


def render_values(past: PastRuns, source: str) -> str:
    """The page as HTML text; the same runs give the same text."""
    tables: list[dict[str, Row]] = [{row["contributor"]: row for row in one.ranking.to_pylist()} for one in past.runs]
    dates = [one.manifest.created[:10] for one in past.runs]
    changes = [compare_runs(before, after) for before, after in pairwise(past.runs)]
    panels, names = _panels(tables, dates), {name for one in tables for name in one}
    title = "Value over time"
    style = resources.files("mixval.publish.report").joinpath("report.css").read_text(encoding="utf-8")
    page: str = (
        templates("mixval.publish.history")
        .get_template("page.html.j2")
        .render(
            style=Markup(style),  # noqa: S704  (our own file)
            source=visible(source),
            headline=f"{counted(len(past.runs), 'run')} of {counted(len(names), 'contributor')}",
            period=f"{dates[0]} to {dates[-1]}" if dates else "",
            title=title,
            charts=[time_chart("values", panels, dates, layout, title, "runs") for layout in LAYOUTS] if panels else [],
            n_hidden=len(names) - len(panels),
            latest=_latest(tables, changes),
            runs=[_run(one, changes[at - 1] if at else None) for at, one in enumerate(past.runs)][::-1],
            n_earlier=past.n_earlier,
            unread=listed(list(past.unread)) if past.unread else "",
        )
    )
    return page


def _panels(tables: Sequence[dict[str, Row]], dates: Sequence[str]) -> list[Panel]:
    valued = Counter(name for one in tables for name in one)
    latest = list(tables[-1]) if tables else []
    order = sorted(valued, key=lambda name: (-valued[name], latest.index(name) if name in latest else len(latest), name))
    return [
        Panel(
            name,
            [_point(at, one[name], dates[at]) for at, one in enumerate(tables) if name in one],
            gid=f"c{place}",
        )
        for place, name in enumerate(order[:MOST_CONTRIBUTORS])
    ]


def _point(at: int, row: Row, date: str) -> Point:
    words = f"{date} {shortened(row['contributor'], 60)}: {row['verdict']}, {row['value']:.4g}"
    return Point(at, row["value"], row["value_low"], row["value_high"], SHAPES[row["verdict"]], words)


def _latest(tables: Sequence[dict[str, Row]], changes: Sequence[RunDifference]) -> list[dict[str, str]]:
    """A line for each contributor of the latest run."""
    if not tables:
        return []
    moved = {one.contributor: one for one in changes[-1].contributors} if changes else {}
    decimals = decimals_for([row["value"] for row in tables[-1].values()])
    lines = []
    for name, row in tables[-1].items():
        ends = (
            "–" if row["value_low"] is None else f"{fixed(row['value_low'], decimals)} to {fixed(row['value_high'], decimals)}"
        )
        change = moved.get(name)
        lines.append(
            {
                "contributor": shortened(name, 60),
                "action": SHAPES[row["verdict"]],
                "verdict": row["verdict"],
                "value": fixed(row["value"], decimals),
                "interval": ends,
                "change": "–" if change is None else change.verdict,
                "why": "" if change is None else visible(change.why),
                "runs": str(sum(name in one for one in tables)),
            }
        )
    return lines


def _run(one: StoredRun, change: RunDifference | None) -> dict[str, str]:
    verdicts = Counter(one.ranking["verdict"].to_pylist())
    return {
        "when": one.manifest.created[:16].replace("T", " "),
        "run": one.manifest.run_id,
        "take": str(verdicts[TAKE]),
        "cannot": str(verdicts[CANNOT_SAY]),
        "leave": str(verdicts[LEAVE]),
        "out": str(len(set(one.rejected["contributor"].to_pylist()))),
        "changed": "first that is read" if change is None else _changed(change),
    }


def _changed(change: RunDifference) -> str:
    """What differs from the run before, in words: settings and target first, as values do not compare across them."""
    said = [f"settings: {listed(list(change.settings))}"] if change.settings else []
    said += ["the target"] if change.target_changed else []
    for verdict in ("rose", "fell"):
        names = [one.contributor for one in change.contributors if one.verdict == verdict]
        said += [f"{verdict}: {listed(names)}"] if names else []
    for data in ("new", "changed", "gone"):
        names = [one.contributor for one in change.contributors if one.data == data]
        said += [f"data {data}: {listed(names)}"] if names else []
    return "; ".join(said) or "nothing beyond the uncertainty"
