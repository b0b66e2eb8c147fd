"""A run's results, made up but consistent: 12 contributors ranked, one rejected, one failed; and sizes from 0 to 200."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.contracts.outcomes import Finding, GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import VALUE_KINDS, terms_schema
from mixval.contracts.terms import TERMS
from mixval.contracts.warnings import RunWarning
from mixval.publish.manifest import InputShard, Manifest, WeightsUsed
from mixval.publish.ranking import ranking_table, rejected_table
from mixval.publish.results import ValuationResults
from mixval.publish.run_warnings import find_warnings
from mixval.valuation.verdict import ValueInterval, ranks_shown, standing_of, verdicts_of

NAMES = (
    "news-agency", "wiki-mix", "rephrased-hq", "forum-2024", "textbook-gen", "support-tickets",
    "crawl-eu", "qa-rephrase", "lectures", "small-lab", "mono-synth", "scraped-08",
)  # fmt: skip

EMPTY = {VALUE_KINDS[0]: None, VALUE_KINDS[1]: -0.2, VALUE_KINDS[2]: 0.0, VALUE_KINDS[3]: 0.0}
"""Value of training on no rows, by value kind; the cross-entropy's is set so that values lie on both sides of it."""
CONFIG = {
    "task": "text-classification",
    "source": {"contributors": "s3://lake/contributors", "target": "s3://lake/target.parquet"},
    "output": "s3://lake/values",
    "backbone": {"path": "org/encoder-small", "revision": "4f1c9d2"},
    "value": {"weights": "equal-z", "replicates": 200, "confidence": 0.95},
    "seed": 0,
}


@dataclass(frozen=True, kw_only=True)
class Results(ValuationResults):
    """What a run hands to the terminal and to the report."""

    outcomes: list[GateOutcome]
    warnings: list[RunWarning]


def make_results(
    names: tuple[str, ...] = NAMES, intervals: bool = True, refused: bool = True, seed: int = 3, kind: str = VALUE_KINDS[0]
) -> Results:
    """Terms drawn per contributor, values by equal-z from them, ties where an interval reaches the leader of its group."""
    rng = np.random.default_rng(seed)
    k = len(names)
    if not k:
        outcomes = _refused()
        return _results(ranking_table([]), terms_schema().empty_table(), outcomes, make_manifest(names, outcomes, []), [])
    share = np.round(rng.beta(1.2, 1.2, k), 2)
    if names == NAMES:
        share = np.array([1.0, 0.72, 0.12, 0.96, 0.05, 0.88, 0.6, 0.2, 0.75, 0.4, 0.0, 0.98])
    n = np.exp(rng.uniform(math.log(80), math.log(6000), k)).astype(int)
    n_real = np.round(share * n).astype(int)
    pi = n_real / n
    estimates = {
        "loss": 0.69 + 0.25 * (1 - pi) + rng.normal(0, 0.08, k),
        "discrepancy": np.abs(0.11 + 0.1 * (1 - pi) + rng.normal(0, 0.03, k)),
        "ntk": 0.3 + 2.2 / np.sqrt(n) * 4 + np.abs(rng.normal(0, 0.08, k)),
        "composition": np.sqrt(np.maximum(pi, 1 - pi) / n),
    }
    spread = {term: float(np.std(estimates[term])) or 1.0 for term in TERMS}
    weighted = {term: -(estimates[term] - estimates[term].mean()) / (4 * spread[term]) for term in TERMS}
    value = sum(weighted.values())
    order = np.argsort(-value, kind="stable")
    half = 0.06 + 0.9 / np.sqrt(n)
    rows: list[dict[str, Any]] = []
    group, leader = 0, max(value)
    for place, i in enumerate(order):
        if place and (not intervals or value[i] + half[i] < leader):
            group, leader = group + 1, value[i]
        rows.append(
            {
                "contributor": names[i],
                "rank": place + 1,
                "value": float(value[i]),
                "value_kind": kind,
                "value_low": float(value[i] - half[i]) if intervals else None,
                "value_high": float(value[i] + half[i]) if intervals else None,
                "tie_group": group if intervals else None,
                **{term: float(estimates[term][i]) for term in TERMS},
                **{f"weighted_{term}": float(weighted[term][i]) for term in TERMS},
                "n_rows": int(n[i]),
                "n_real": int(n_real[i]),
                "real_share": float(pi[i]),
                "n_sampled": int(min(n[i], 500)),
                "bound": float(2.0 + estimates["loss"][i]),
                "value_of_empty": EMPTY[kind],
                "gate_verdict": "trimmed" if i % 5 == 1 else "admitted",
            }
        )
    rows = with_verdicts(rows)
    outcomes = [_admitted(row) for row in rows] + (_refused() if refused else [])
    ranking, terms = ranking_table(rows), terms_table(rows, intervals)
    warnings = find_warnings(ranking, terms, outcomes, n_classes=2)
    manifest = make_manifest(names, outcomes, warnings)
    return _results(ranking, terms, outcomes, manifest, warnings)


def _results(
    ranking: pa.Table, terms: pa.Table, outcomes: list[GateOutcome], manifest: Manifest, warnings: list[RunWarning]
) -> Results:
    rejected = rejected_table(outcomes)
    return Results(manifest=manifest, ranking=ranking, terms=terms, rejected=rejected, outcomes=outcomes, warnings=warnings)


def with_verdicts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the verdicts and, where there is an order, the ranks that a run gives them."""
    verdicts = verdicts_of(
        [ValueInterval(r["value"], r["value_low"], r["value_high"]) for r in rows], rows[0]["value_of_empty"]
    )
    groups = [row["tie_group"] for row in rows]
    standing = standing_of(verdicts, groups, rows[0]["value_of_empty"] is not None)
    ranks = ranks_shown([row["rank"] for row in rows], groups, standing)
    return [
        row | {"verdict": verdict, "doubted_by": None, "rank": rank}
        for row, verdict, rank in zip(rows, verdicts, ranks, strict=True)
    ]


def terms_table(rows: list[dict[str, Any]], errors: bool = True) -> pa.Table:
    """Parts around each contributor's terms, with standard errors like one over the root of the rows."""
    found = []
    for row in rows:
        for part, n in (("real", row["n_real"]), ("synthetic", row["n_rows"] - row["n_real"])):
            for term in ("loss", "discrepancy") if n else ():
                found.append(
                    _term(row, part, term, row[term], 0.4 / math.sqrt(n) if errors else None, n, {"estimator": "mean"})
                )
        solve = {"estimator": "exact", "damping": 0.01, "jitter": 0.0, "condition": 4.1e4, "residual_norm": 1e-13}
        found.append(_term(row, "all", "ntk", row["ntk"], 0.01 if errors else None, row["n_sampled"], solve))
        found.append(_term(row, "all", "composition", row["composition"], 0.0, row["n_rows"], {"estimator": "exact"}))
    return pa.Table.from_pylist(found, schema=terms_schema())


def make_manifest(names: tuple[str, ...], outcomes: list[GateOutcome], warnings: list[RunWarning]) -> Manifest:
    """A manifest for these contributors."""
    shard = {"name": "part-0.parquet", "size_bytes": 1_482_113, "digest": "9f2c" * 8, "n_rows": 1200}
    return Manifest(
        run_id="20261120T181400Z-5b1e",
        fingerprint="5b1e7c0d93a84f62b7d0c4e19a3f8d21",
        created="2026-11-20T18:14:00+00:00",
        versions={"python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6", "pyarrow": "26.0.1"},
        config=CONFIG,
        inputs={name: [InputShard(url=f"s3://lake/contributors/{i}/part-0.parquet", **shard)] for i, name in enumerate(names)},
        target=[InputShard(url="s3://lake/target.parquet", **shard)],
        outcomes=outcomes,
        seeds={"run": 0, "replicates": 4181927342},
        timings_seconds={"plan": 0.8, "gate": 12.4, "measure": 371.5, "reduce": 2.1},
        recomputed={"features": 3, "losses": 3, "ntk-term": 3},
        reused={"features": 9, "losses": 9, "ntk-term": 9},
        weights=WeightsUsed(
            rule="equal-z",
            values={"loss": 2.31, "discrepancy": 6.74, "ntk": 1.92, "composition": 41.0},
            provenance="1 / (4 sd) of each term over the contributors of this run",
        ),
        paper_deviations=["NTK: the paper does not state lambda; here 0.01, times the kernel's mean diagonal."],
        warnings=warnings,
        artifacts=[ArtifactRef(kind="terms", fingerprint="ab" * 16, root="s3://lake/values")],
    )


def _admitted(row: dict[str, Any]) -> GateOutcome:
    trimmed = row["gate_verdict"] == "trimmed"
    empty = Finding(
        expectation="expect_column_value_lengths_to_be_between",
        column="text",
        severity="drop",
        count=7,
        n_checked=row["n_rows"] + 7,
        message="7 rows have an empty text. They were left out.",
    )
    return GateOutcome(
        contributor=row["contributor"],
        findings=[empty] if trimmed else [],
        verdict=row["gate_verdict"],
        n_rows=row["n_rows"] + (7 if trimmed else 0),
        n_real=row["n_real"],
        n_synthetic=row["n_rows"] - row["n_real"],
        n_dropped=7 if trimmed else 0,
        n_truncated=row["n_rows"] // 20 if row["n_rows"] % 4 == 0 else 0,
        data_docs="https://docs.example.org/run/index.html",
    )


def _refused() -> list[GateOutcome]:
    message = (
        "contributor 'broken-export', shard 'part-0007.parquet', row 14: column 'text' must not be empty, found null. "
        "Fill the rows in, or leave them out."
    )
    finding = Finding(
        expectation="expect_column_values_to_not_be_null",
        column="text",
        severity="reject",
        count=412,
        n_checked=900,
        samples=["null", "<b>not bold</b>"],
        message=message,
    )
    empty = {"n_real": 0, "n_synthetic": 0, "n_dropped": 0}
    return [
        GateOutcome(contributor="broken-export", verdict="rejected", n_rows=900, findings=[finding], reason=message, **empty),
        GateOutcome(
            contributor="oom-giant",
            verdict="failed",
            n_rows=90_000,
            reason="Its worker died four times. Lower runtime.batch_rows.",
            **empty,
        ),
    ]


def _term(
    row: dict[str, Any], part: str, term: str, estimate: float, error: float | None, n: int, notes: dict[str, Any]
) -> dict[str, Any]:
    return {
        "contributor": row["contributor"], "part": part, "term": term, "estimate": estimate,
        "standard_error": error, "n": n, "diagnostics": json.dumps(notes),
    }  # fmt: skip
