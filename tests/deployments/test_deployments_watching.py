"""Dashboards and alert rules: every metric that they name is one that runs write, and every alert has its section."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from mixval.telemetry.metrics import COMMON, METRICS

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deployments" / "grafana" / "mixval.json").read_text(encoding="utf-8"))
[GROUP] = yaml.safe_load((ROOT / "deployments" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
NAMES = re.compile(r"\bmixval_\w+")
LABELS = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")


def expressions() -> list[str]:
    """All that dashboards and rules ask Prometheus."""
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return asked + [one["query"] for one in DASHBOARD["templating"]["list"]] + [rule["expr"] for rule in GROUP["rules"]]


def test_every_metric_that_is_asked_for_is_written_with_these_labels() -> None:
    asked = [(name, text) for text in expressions() for name in NAMES.findall(text)]
    assert {name for name, _ in asked} <= set(METRICS)
    for name, text in asked:
        assert set(LABELS.findall(text)) <= {*COMMON, *METRICS[name].labels}, text


def test_every_metric_of_a_run_is_on_the_dashboard_or_alarms() -> None:
    asked = {name for text in expressions() for name in NAMES.findall(text)}
    told_elsewhere = {
        "mixval_build_info", "mixval_contributor_value_high", "mixval_contributor_value_low", "mixval_input_files",
        "mixval_run_seconds", "mixval_run_timestamp_seconds", "mixval_run_up_to_date", "mixval_table_version",
    }  # fmt: skip
    assert set(METRICS) - asked == told_elsewhere


def test_legends_name_labels_that_are_there() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            [name] = set(NAMES.findall(target["expr"]))
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= {*COMMON, *METRICS[name].labels}


def test_panels_lie_side_by_side() -> None:
    taken = set[tuple[int, int]]()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    headings = {
        line.lstrip("# ").strip().lower()
        for line in (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    }
    for rule in GROUP["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/runbook.md"
        assert anchor == rule["alert"].lower()
        assert anchor in headings
