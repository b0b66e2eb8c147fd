"""The report: one self-contained HTML file. No script, no request; a content security policy forbids both."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.terms import TERMS
from mixval.contracts.warnings import RunWarning, counted_by_severity
from mixval.publish.manifest import Manifest
from mixval.publish.names import shortened
from mixval.publish.numerals import count
from mixval.publish.ranking import adds_anything, tie_labels
from mixval.publish.report import view
from mixval.publish.report.answer import answer
from mixval.publish.report.chart_rows import chart_rows
from mixval.publish.report.coalition_section import coalition_section
from mixval.publish.report.corpus_section import corpus_section
from mixval.publish.report.groups_section import groups_section
from mixval.publish.report.parts_section import parts_section
from mixval.publish.report.ranking_chart import ranking_chart
from mixval.publish.report.share_chart import references, share_chart
from mixval.publish.report.term_chart import term_chart
from mixval.publish.report.theme import LAYOUTS, term_style
from mixval.publish.report.truncation_section import truncation_section
from mixval.publish.templates import templates
from mixval.publish.term_statistics import standard_errors, term_statistics
from mixval.publish.value_kind import kind_of
from mixval.publish.verdict_words import NOTHING_ADDED, TIES, is_ordered


def render_report(
    ranking: pa.Table,  # ranking_schema()
    terms: pa.Table,  # terms_schema()
    rejected: pa.Table,  # REJECTED
    outcomes: Sequence[GateOutcome],
    manifest: Manifest,
    warnings: Sequence[RunWarning],
    coalitions: pa.Table | None = None,  # COALITIONS
    redundancy: pa.Table | None = None,  # REDUNDANCY
    parts: pa.Table | None = None,  # PARTS_TABLE
    mixture: pa.Table | None = None,  # MIXTURE
    mixture_best: pa.Table | None = None,  # MIXTURE_BEST
    groups: pa.Table | None = None,  # GROUPS
    corpora: pa.Table | None = None,  # CORPORA
    truncation: pa.Table | None = None,  # TRUNCATION
) -> str:
    """The report as HTML text; the same results give the same text.

    Raises:
        ContractError: coalition values do not fit the ranking, or the manifest lacks the account of how they were made.
    """
    style = resources.files("mixval.publish.report").joinpath("report.css").read_text(encoding="utf-8")
    template = templates("mixval.publish.report").get_template("report.html.j2")
    text: str = template.render(
        style=Markup(style + term_style()),  # noqa: S704  (our own file, and colours of our own)
        **_answer(ranking, rejected, outcomes, manifest, warnings),
        **_charts(ranking, terms),
        **_tables(ranking, terms, rejected, outcomes, manifest),
        coalition_results=coalition_section(ranking, coalitions, redundancy, manifest),
        parts_results=parts_section(ranking, parts, mixture, mixture_best),
        group_results=groups_section(ranking, groups),
        corpus_results=corpus_section(ranking, corpora),
        truncation_results=truncation_section(ranking, truncation),
    )
    return text


def _answer(
    ranking: pa.Table, rejected: pa.Table, outcomes: Sequence[GateOutcome], manifest: Manifest, warnings: Sequence[RunWarning]
) -> dict[str, Any]:
    level = view.confidence(manifest)
    return {
        "answer": answer(ranking, rejected, level),
        "kind": kind_of(ranking),
        "n_ranked": ranking.num_rows,
        "n_planned": len(outcomes),
        "n_refused": len(set(rejected["contributor"].to_pylist())),
        "n_rows": count(sum(ranking["n_rows"].to_pylist())),
        "has_intervals": ranking.num_rows > 0 and ranking["value_low"].null_count == 0,
        "level": None if level is None else f"{100 * level:g} %",
        "has_ties": bool(tie_labels(ranking)),
        "ties": TIES,
        "is_ordered": is_ordered(ranking),
        "nothing_added": "" if adds_anything(ranking) else NOTHING_ADDED,
        "counted_warnings": counted_by_severity(warnings),
        "warnings": [
            (one.severity, one.words, [shortened(name, view.NAME_LIMIT) for name in one.contributors]) for one in warnings
        ],
    }


def _charts(ranking: pa.Table, terms: pa.Table) -> dict[str, Any]:
    if not ranking.num_rows:
        return {"charts": {}, "aggregated": False, "from_median": False}
    rows, labels, kind = chart_rows(ranking), tie_labels(ranking), kind_of(ranking)
    errors = standard_errors(ranking, terms)
    many = (
        f"{len(rows)} rows for {ranking.num_rows} contributors"
        if any(row.is_bin for row in rows)
        else f"{len(rows)} contributors"
    )
    order = "best first" if is_ordered(ranking) else "by name, not ranked"
    first, last = (shortened(row.words, 120) for row in (rows[0], rows[-1]))
    words = f"{many}, {order}. First: {first}. Last: {last}. The table above has every number."
    parts = f"{many}, {order}, one bar per term. The table under the chart has every number."
    *others, last = (term.word for term in TERMS.values())
    panels = (
        f"One panel per term: {', '.join(others)} and {last} against the share of real rows, then against the number of rows."
    )
    return {
        "charts": {
            "ranking": [ranking_chart(rows, labels, layout, words, kind.axis) for layout in LAYOUTS],
            "shares": [share_chart(rows, layout, parts, kind.adds_terms) for layout in LAYOUTS],
            "terms": [term_chart(ranking, errors, layout, panels) for layout in LAYOUTS],
        },
        "aggregated": any(row.is_bin for row in rows),
        "from_median": any(references(rows).values()),
    }


def _tables(
    ranking: pa.Table, terms: pa.Table, rejected: pa.Table, outcomes: Sequence[GateOutcome], manifest: Manifest
) -> dict[str, Any]:
    lines = view.ranking_lines(ranking)
    first, rest = view.folded(lines)
    return {
        "lines": lines,
        "first": first,
        "rest": rest,
        "terms": [(term.name, term.label) for term in TERMS.values()],
        "statistics": view.statistics_lines(term_statistics(ranking, terms), manifest),
        "rejected": view.rejected_lines(rejected, outcomes),
        "trimmed": view.trimmed_lines(outcomes),
        "docs": view.docs_links(outcomes),
        "manifest": manifest,
        "rerun": view.rerun(manifest),
    }
