"""The report of a gate's run: one self-contained HTML file. No script, no request; a content security policy forbids both."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml
from markupsafe import Markup

from mixval.config.value import ValueConfig
from mixval.gate.docs import page_name
from mixval.publish.gate_page.value_chart import drawn, value_chart
from mixval.publish.gate_page.words import DONE, SHOWN, lines, measured_words, value_unit
from mixval.publish.gate_run import GateResults
from mixval.publish.names import visible
from mixval.publish.numerals import count
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.templates import templates
from mixval.publish.writers.gate_results import DOCS

COMMANDS = (
    "mixval gate gate.yaml --explain DELIVERY                     # which rule decided, with its numbers",
    "mixval quarantine list gate.yaml                             # what waits, and why",
    'mixval quarantine accept gate.yaml DELIVERY --why "TEXT"     # or replay, or discard',
)


def render_gate_report(results: GateResults) -> str:
    """The report as HTML text; the same results give the same text."""
    summary, manifest = results.summary, results.manifest
    decisions = [one.decision for one in summary.deliveries]
    rows, unit = drawn(decisions), value_unit(decisions)
    n_hidden = len(decisions) - len(rows)
    others = [*summary.failed.items(), *summary.ignored.items()]
    return rendered(
        "report.html.j2",
        manifest=manifest,
        summary=summary,
        table=visible(summary.table),
        counts=[(DONE[action], summary.count(action)) for action in SHOWN],
        appended=count(summary.n_appended),
        findings=[visible(words) for words in summary.findings],
        lines=lines(summary.deliveries),
        charts=[value_chart(rows, layout, unit) for layout in LAYOUTS] if rows else [],
        unit="as a score" if unit == "score" else "in nats",
        level=level_words(manifest.config),
        n_hidden=f"Not drawn, without a value: {n_hidden}." if n_hidden else "",
        numbers={one.digest[:16]: measured_words(one.measured) for one in decisions},
        pages=pages_of(results),
        others=[(visible(name), visible(reason)) for name, reason in others],
        commands=COMMANDS,
        configuration=visible_lines(yaml.safe_dump(manifest.config, sort_keys=False, allow_unicode=True)),
    )


def pages_of(results: GateResults) -> dict[str, str]:
    """First digits of a delivery's digest -> its page of the Data Docs, from the run's folder; of those that have one."""
    if results.checks is None or results.checks.read_page is None:
        return {}
    return {digest[:16]: f"{DOCS}/{page_name(label)}" for digest, label in results.labels.items()}


def rendered(template: str, **given: Any) -> str:
    """A page of this folder, in the style of all reports."""
    style = resources.files("mixval.publish.report").joinpath("report.css").read_text(encoding="utf-8")
    page = templates("mixval.publish.gate_page").get_template(template)
    text: str = page.render(style=Markup(style), **given)  # noqa: S704  (our own file)
    return text


def level_words(config: dict[str, Any]) -> str:
    """The confidence of the intervals, `95 %`, from a gate's configuration."""
    default = ValueConfig.model_fields["confidence"].default
    level = config.get("valuation", {}).get("value", {}).get("confidence", default)
    return f"{100 * level:g} %"


def visible_lines(text: str) -> str:
    """A text of several lines, each made visible."""
    return "\n".join(visible(line) for line in text.splitlines())
