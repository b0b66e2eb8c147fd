"""How much each term of Eq. 8 (arXiv 2511.13640) varies over the contributors, compared with its standard error.

A term's parts are joined as in the value, pi real + (1 - pi) synthetic, so their standard errors join as
sqrt((pi se_real)^2 + ((1 - pi) se_synthetic)^2): the parts are disjoint rows.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixval.contracts.parts import PARTS
from mixval.contracts.terms import TERMS


@dataclass(frozen=True)
class TermStatistics:
    """One term over all contributors. Units are the term's own."""

    term: str
    unit: str
    mean: float
    smallest: float
    largest: float
    spread: float
    """Standard deviation over contributors; 0 with a single one."""
    standard_error: float | None
    """Mean of the contributors' standard errors. None where none is known."""
    influence: float
    """Share (0 to 1) of the term in the spread of the weighted parts; 0 when it carries no weight."""

    @property
    def uninformative(self) -> bool:
        """Whether contributors differ by no more than a single contributor's standard error."""
        return self.standard_error is not None and self.standard_error > 0 and self.spread <= self.standard_error


def term_statistics(ranking: pa.Table, terms: pa.Table) -> list[TermStatistics]:
    """One entry per term, in the order of Eq. 8. Empty for an empty ranking."""
    if not ranking.num_rows:
        return []
    errors = standard_errors(ranking, terms)
    spreads = {term: _spread(ranking[f"weighted_{term}"].to_pylist()) for term in TERMS}
    total = sum(spreads.values())
    found = []
    for term in TERMS:
        values = ranking[term].to_pylist()
        known = [errors[name, term] for name in ranking["contributor"].to_pylist() if (name, term) in errors]
        found.append(
            TermStatistics(
                term=term,
                unit=(ranking.schema.field(term).metadata or {}).get(b"unit", b"").decode(),
                mean=statistics.fmean(values),
                smallest=min(values),
                largest=max(values),
                spread=_spread(values),
                standard_error=statistics.fmean(known) if known else None,
                influence=spreads[term] / total if total > 0 else 0.0,
            )
        )
    return found


def standard_errors(ranking: pa.Table, terms: pa.Table) -> dict[tuple[str, str], float]:
    """(contributor, term) -> standard error of the term as it enters the value. Absent where a part has none."""
    shares = dict(zip(ranking["contributor"].to_pylist(), ranking["real_share"].to_pylist(), strict=True))
    parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in terms.to_pylist():
        if row["contributor"] in shares:
            parts.setdefault((row["contributor"], row["term"]), []).append(row)
    joined = {key: _joined(rows, shares[key[0]]) for key, rows in parts.items()}
    return {key: error for key, error in joined.items() if error is not None}


def _joined(rows: list[dict[str, Any]], real_share: float) -> float | None:
    whole = [row for row in rows if row["part"] == "all"]
    if whole:
        return None if whole[0]["standard_error"] is None else float(whole[0]["standard_error"])
    weight = dict(zip(PARTS, (real_share, 1.0 - real_share), strict=True))
    counted = [row for row in rows if weight[row["part"]] > 0]
    if any(row["standard_error"] is None for row in counted):
        return None
    return math.hypot(*(weight[row["part"]] * row["standard_error"] for row in counted)) if counted else None


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
