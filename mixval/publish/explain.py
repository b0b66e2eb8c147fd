"""Why one contributor has its rank, or why it was rejected."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.contracts.results import VALUE_KINDS
from mixval.contracts.terms import TERMS
from mixval.contracts.warnings import RunWarning
from mixval.errors import ConfigError
from mixval.publish.coalition_values import coalition_values
from mixval.publish.marginal_values import MarginalValues, marginal_values, marginal_words
from mixval.publish.names import listed, visible
from mixval.publish.numerals import compact, count, decimals_for, fixed, percent, signed
from mixval.publish.ranking import interval_words
from mixval.publish.value_kind import kind_of
from mixval.publish.warning_words import warning_words


class TermContribution(FrozenModel):
    """One term of one contributor by Eq. 8, against the median contributor."""

    term: str
    estimate: float
    weighted: float
    """What it adds to the value, or to Eq. 8's where that is not the value."""
    against_median: float
    """`weighted` less the median contributor's; negative where it costs places."""
    rank_at_median: int
    """The rank by Eq. 8 if this term alone were the median contributor's, all else equal."""


class PartReading(FrozenModel):
    """One measured number behind the terms."""

    term: str
    part: str
    estimate: float
    standard_error: float | None
    n: int


class BrokenExpectation(FrozenModel):
    """One reason for which the contributor was not ranked."""

    expectation: str
    column: str | None
    count: int
    n_checked: int
    samples: list[str]
    reason: str


class Explanation(FrozenModel):
    """All results of a run about one contributor."""

    contributor: str
    verdict: str
    n_ranked: int
    rank: int | None = None
    value: float | None = None
    value_kind: str = VALUE_KINDS[0]
    """What the value is, and its unit."""
    rank_by_eq8: int | None = None
    """The rank by Eq. 8, where that is not the value."""
    value_low: float | None = None
    value_high: float | None = None
    n_rows: int | None = None
    real_share: float | None = None
    tied_with: list[str] = Field(default_factory=list)
    contributions: list[TermContribution] = Field(default_factory=list)
    parts: list[PartReading] = Field(default_factory=list)
    would_help_most: str | None = None
    """The term that costs it most, and what would change it. None when it was not ranked."""
    coalitions: MarginalValues | None = None
    """Its coalition values. None where the run or the contributor has none."""
    broken: list[BrokenExpectation] = Field(default_factory=list)
    warnings: list[RunWarning] = Field(default_factory=list)
    """Those that name it, then those about the whole ranking."""

    def __str__(self) -> str:
        """In words, as `mixval explain` prints it."""
        return explanation_text(self)


def explain(
    ranking: pa.Table,  # ranking_schema()
    terms: pa.Table,  # terms_schema()
    rejected: pa.Table,  # REJECTED
    contributor: str,
    warnings: Sequence[RunWarning] = (),
    coalitions: pa.Table | None = None,  # COALITIONS
    redundancy: pa.Table | None = None,  # REDUNDANCY
) -> Explanation:
    """All results about one contributor, from the run's tables.

    Raises:
        ConfigError: the run has no contributor of that name; the message offers similar names.
        ContractError: coalition values do not fit the ranking.
    """
    ranked, refused = ranking.to_pylist(), [row for row in rejected.to_pylist() if row["contributor"] == contributor]
    own = next((row for row in ranked if row["contributor"] == contributor), None)
    if own is not None:
        found = coalition_values(ranking, coalitions, redundancy)
        marginal = None if found is None else marginal_values(found, contributor)
        return _ranked(own, ranked, terms, warnings, kind_of(ranking).adds_terms).model_copy(update={"coalitions": marginal})
    if refused:
        broken = [BrokenExpectation(**{k: v for k, v in row.items() if k in BrokenExpectation.model_fields}) for row in refused]
        return Explanation(contributor=contributor, verdict=refused[0]["verdict"], n_ranked=len(ranked), broken=broken)
    raise ConfigError(_unknown(contributor, [row["contributor"] for row in ranked] + rejected["contributor"].to_pylist()))


def explanation_text(found: Explanation) -> str:
    """The explanation as plain text, for a terminal or a log."""
    lines = [f"{visible(found.contributor)}: {_marginal(found)}"]
    lines += _contribution_lines(found)
    if found.would_help_most:
        lines += ["", found.would_help_most]
    if found.coalitions:
        lines += ["", *marginal_words(found.coalitions)]
    if found.parts:
        lines += ["", "Measured:"]
        for part in found.parts:
            error = "" if part.standard_error is None else f" ± {compact(part.standard_error)}"
            lines.append(f"  {part.term:<14} {part.part:<10} {compact(part.estimate)}{error}  ({count(part.n)} rows)")
    for broken in found.broken:
        column = f", column {visible(broken.column)}" if broken.column else ""
        lines += ["", f"{visible(broken.expectation)}{column}: {count(broken.count)} of {count(broken.n_checked)}"]
        lines += [f"  {visible(broken.reason)}"] + [f"  e.g. {visible(sample)}" for sample in broken.samples]
    if found.warnings:
        lines += ["", "Warnings:"] + [f"  - {one.severity}: {warning_words(one)}" for one in found.warnings]
    return "\n".join(lines) + "\n"


def _ranked(
    own: dict[str, Any], ranked: list[dict[str, Any]], terms: pa.Table, warnings: Sequence[RunWarning], adds_terms: bool
) -> Explanation:
    ranked = ranked if adds_terms else [row | {"by_eq8": _by_eq8(row)} for row in ranked]
    own = own if adds_terms else own | {"by_eq8": _by_eq8(own)}
    rank = own["rank"] if adds_terms else 1 + sum(row["by_eq8"] > own["by_eq8"] for row in ranked)
    contributions = [_contribution(own, ranked, term) for term in TERMS]
    parts = [
        PartReading(**{key: row[key] for key in PartReading.model_fields})
        for row in terms.to_pylist()
        if row["contributor"] == own["contributor"]
    ]
    others = [row["contributor"] for row in ranked if row["contributor"] != own["contributor"]]
    tied = [row["contributor"] for row in ranked if row["tie_group"] == own["tie_group"] and row["contributor"] in others]
    copied = ("contributor", "verdict", "rank", "value", "value_kind", "value_low", "value_high", "n_rows", "real_share")
    concerned = [warning for warning in warnings if own["contributor"] in warning.contributors]
    return Explanation(
        **{key: own[key] for key in copied},
        n_ranked=len(ranked),
        tied_with=tied,
        contributions=contributions,
        parts=parts,
        rank_by_eq8=None if adds_terms else rank,
        would_help_most=_lever(contributions, rank, len(ranked), "its value" if adds_terms else "Eq. 8's value"),
        warnings=concerned + [warning for warning in warnings if not warning.contributors],
    )


def _contribution(own: dict[str, Any], ranked: list[dict[str, Any]], term: str) -> TermContribution:
    weighted = own[f"weighted_{term}"]
    against = weighted - statistics.median(row[f"weighted_{term}"] for row in ranked)
    key = "by_eq8" if "by_eq8" in own else "value"
    better = sum(row[key] > own[key] - against for row in ranked if row["contributor"] != own["contributor"])
    return TermContribution(term=term, estimate=own[term], weighted=weighted, against_median=against, rank_at_median=better + 1)


def _by_eq8(row: dict[str, Any]) -> float:
    return float(sum(row[f"weighted_{term}"] for term in TERMS))


def _lever(contributions: list[TermContribution], rank: int, n_ranked: int, whose: str) -> str | None:
    if n_ranked < 2:
        return None
    worst = min(contributions, key=lambda entry: entry.against_median)
    if worst.against_median >= 0:
        return "No term lowers its value compared with the median contributor."
    moved = f" to rank {worst.rank_at_median}" if worst.rank_at_median < rank else " without changing its rank"
    gain = signed(-worst.against_median, decimals_for([worst.against_median]))
    return (
        f"The {worst.term} term costs it most. With the median contributor's {worst.term}, {whose} would change by "
        f"{gain}{moved}, all else equal. What improves this term: {TERMS[worst.term].lever}."
    )


def _marginal(found: Explanation) -> str:
    if found.rank is None or found.value is None:
        return f"{found.verdict}, so it is not among the {count(found.n_ranked)} ranked contributors."
    decimals = decimals_for([found.value, found.value_low, found.value_high])
    unit = " nats" if found.rank_by_eq8 is not None else ""
    words = f"rank {found.rank} of {count(found.n_ranked)}, value {fixed(found.value, decimals)}{unit}"
    if found.value_low is not None:
        words += f" ({interval_words(found.value_low, found.value_high, decimals)})"
    words += f", {count(found.n_rows or 0)} rows, {percent(found.real_share or 0.0)} real, {found.verdict}."
    return f"{words} Cannot be told apart from {listed(found.tied_with)}." if found.tied_with else words


def _contribution_lines(found: Explanation) -> list[str]:
    if not found.contributions:
        return []
    decimals = decimals_for([entry.weighted for entry in found.contributions])
    by_eq8 = "" if found.rank_by_eq8 is None else f"For comparison, rank {found.rank_by_eq8} by Eq. 8:"
    lines = ["", *([by_eq8] if by_eq8 else []), f"  {'term':<12} {'estimate':>11} {'adds':>10} {'vs median':>10}"]
    for entry in found.contributions:
        adds, against = signed(entry.weighted, decimals), signed(entry.against_median, decimals)
        lines.append(f"  {entry.term:<12} {compact(entry.estimate):>11} {adds:>10} {against:>10}")
    return lines


def _unknown(contributor: str, known: list[str]) -> str:
    unique = sorted(set(known))
    similar = difflib.get_close_matches(contributor, unique, n=3, cutoff=0.5)
    offered = " or ".join(repr(visible(name)) for name in similar)
    hint = f"Did you mean {offered}?" if similar else f"They are {listed(unique, 10)}."
    return f"expected one of the run's {len(unique)} contributors, found {contributor!r}. {hint}"
