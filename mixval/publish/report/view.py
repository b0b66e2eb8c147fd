"""Data for the report's template: numbers as text, names still unescaped (the template escapes)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import yaml

from mixval.contracts.outcomes import Finding, GateOutcome
from mixval.contracts.terms import TERMS
from mixval.publish import numerals
from mixval.publish.manifest import Manifest
from mixval.publish.names import shortened
from mixval.publish.ranking import interval_words, tie_labels, value_decimals, weighted_decimals
from mixval.publish.report.chart_rows import MOST_ROWS
from mixval.publish.term_statistics import TermStatistics
from mixval.publish.verdict_words import buyer_sentences

NAME_LIMIT = 60
SAMPLE_LIMIT = 120


def ranking_lines(ranking: pa.Table) -> list[dict[str, Any]]:
    """One line per contributor; the weighted parts are under `parts`, in the order of Eq. 8."""
    decimals, labels, of_parts = value_decimals(ranking), tie_labels(ranking), weighted_decimals(ranking)
    return [
        {
            "rank": "–" if row["rank"] is None else row["rank"],
            "name": shortened(row["contributor"], NAME_LIMIT),
            "value": numerals.fixed(row["value"], decimals),
            "interval": interval_words(row["value_low"], row["value_high"], decimals),
            "tie": labels.get(row["tie_group"], ""),
            "rows": numerals.count(row["n_rows"]),
            "real": numerals.percent(row["real_share"]),
            "parts": [numerals.signed(row[f"weighted_{term}"], of_parts) for term in TERMS],
            "terms": [numerals.compact(row[term]) for term in TERMS],
            "sampled": numerals.count(row["n_sampled"]),
            "bound": numerals.compact(row["bound"]),
            "verdict": row["verdict"],
            "gate": row["gate_verdict"],
            "sentence": sentence,
        }
        for row, sentence in zip(ranking.to_pylist(), buyer_sentences(ranking, decimals), strict=True)
    ]


def folded(lines: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines shown at once, and those behind a fold."""
    return lines[:MOST_ROWS], lines[MOST_ROWS:]


def statistics_lines(entries: Sequence[TermStatistics], manifest: Manifest) -> list[dict[str, str]]:
    """One line per term, with the weight it had."""
    return [
        {
            "term": entry.term,
            "name": TERMS[entry.term].label,
            "unit": "" if entry.unit == "1" else entry.unit,
            "weight": numerals.compact(manifest.weights.values.get(entry.term, 0.0)),
            "mean": numerals.compact(entry.mean),
            "range": f"{numerals.compact(entry.smallest)} to {numerals.compact(entry.largest)}",
            "spread": numerals.compact(entry.spread),
            "error": numerals.compact(entry.standard_error),
            "influence": numerals.percent(entry.influence),
            "note": _note(entry, manifest),
        }
        for entry in entries
    ]


def rejected_lines(rejected: pa.Table, outcomes: Sequence[GateOutcome]) -> list[dict[str, Any]]:
    """One line per broken expectation, with a link to the contributor's Data Docs where there is one."""
    docs = {outcome.contributor: safe_link(outcome.data_docs) for outcome in outcomes}
    return [
        {
            "name": shortened(row["contributor"], NAME_LIMIT),
            "verdict": row["verdict"],
            "expectation": shortened(row["expectation"], NAME_LIMIT),
            "column": shortened(row["column"], NAME_LIMIT) if row["column"] else "",
            "count": f"{numerals.count(row['count'])} of {numerals.count(row['n_checked'])}",
            "samples": [shortened(sample, SAMPLE_LIMIT) for sample in row["samples"] if sample is not None],
            "reason": shortened(row["reason"], 600),
            "docs": docs.get(row["contributor"]),
        }
        for row in rejected.to_pylist()
    ]


def trimmed_lines(outcomes: Sequence[GateOutcome]) -> list[dict[str, str]]:
    """Admitted contributors of which rows were dropped or cut, most dropped first."""
    touched = [outcome for outcome in outcomes if outcome.is_in and (outcome.n_dropped or outcome.n_truncated)]
    return [
        {
            "name": shortened(outcome.contributor, NAME_LIMIT),
            "rows": numerals.count(outcome.n_rows),
            "dropped": numerals.count(outcome.n_dropped),
            "truncated": numerals.count(outcome.n_truncated),
            "why": "; ".join(sorted({_words(finding) for finding in outcome.findings if finding.severity == "drop"})),
        }
        for outcome in sorted(touched, key=lambda outcome: (-outcome.n_dropped, outcome.contributor))
    ]


def docs_links(outcomes: Sequence[GateOutcome]) -> list[str]:
    """Entry pages of the Data Docs: the index next to the contributors' pages, or the pages themselves where there is none."""
    links = {safe_link(outcome.data_docs) for outcome in outcomes}
    return sorted({_index_of(link) for link in links if link})


def _index_of(link: str) -> str:
    folder, found, _ = link.partition("/contributors/")
    return f"{folder}/index.html" if found else link


def safe_link(url: str | None) -> str | None:
    """The URL when a browser may follow it (http, https, file, or a path relative to the report), else None."""
    if not url:
        return None
    parts = urlsplit(url.strip())
    relative = not parts.scheme and not parts.netloc and ":" not in url
    return url.strip() if parts.scheme in ("http", "https", "file") or relative else None


def rerun(manifest: Manifest) -> dict[str, Any]:
    """Configuration as YAML, versions, seeds, timings, and what was computed or reused."""
    kinds = sorted(manifest.recomputed.keys() | manifest.reused.keys())
    shards = [shard for found in manifest.inputs.values() for shard in found]
    return {
        "yaml": yaml.safe_dump(manifest.config, sort_keys=False, allow_unicode=True, width=88),
        "versions": {"mixval": manifest.mixval_version, **manifest.versions},
        "seeds": manifest.seeds,
        "timings": [(stage, numerals.seconds(took)) for stage, took in manifest.timings_seconds.items()],
        "total": numerals.seconds(sum(manifest.timings_seconds.values())),
        "work": [(kind, manifest.recomputed.get(kind, 0), manifest.reused.get(kind, 0)) for kind in kinds],
        "inputs": f"{numerals.counted(len(shards), 'shard')}, {numerals.size(sum(shard.size_bytes for shard in shards))}",
    }


def confidence(manifest: Manifest) -> float | None:
    """Level of the intervals by the configuration. None when it has none."""
    value = manifest.config.get("value")
    level = value.get("confidence") if isinstance(value, dict) else None
    return float(level) if isinstance(level, (int, float)) else None


def _note(entry: TermStatistics, manifest: Manifest) -> str:
    if entry.term in manifest.weights.dropped:
        return "weight 0: not informative"
    return "not informative" if entry.uninformative else ""


def _words(finding: Finding) -> str:
    name = finding.expectation.removeprefix("expect_").replace("_", " ")
    return f"{shortened(finding.column, NAME_LIMIT)}: {name}" if finding.column else name
