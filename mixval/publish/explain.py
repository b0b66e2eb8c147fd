"""Why one contributor has its rank, or why it was rejected."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.contracts.results import NTK_REGRESSION, VALUE_KINDS
from mixval.contracts.terms import TERMS
from mixval.contracts.warnings import SEVERITIES, RunWarning
from mixval.errors import ConfigError
from mixval.publish.coalition_values import coalition_values
from mixval.publish.group_values import GroupValues, group_lines, group_values
from mixval.publish.marginal_values import MarginalValues, marginal_values, marginal_words
from mixval.publish.names import listed, unknown_name, visible
from mixval.publish.numerals import compact, count, counted, decimals_for, fixed, percent, signed
from mixval.publish.part_values import PartValues, part_lines, part_values
from mixval.publish.ranking import interval_words, value_decimals
from mixval.publish.term_statistics import standard_errors
from mixval.publish.truncation_values import Truncated, truncated, truncation_lines
from mixval.publish.value_kind import kind_of, kind_of_row
from mixval.publish.verdict_words import buyer_sentences, headline, is_ordered
from mixval.publish.warning_words import warning_words

ERRORS_APART = 1.96
"""Standard errors from which a term's difference from the median contributor's is reported."""


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
    """take, leave or cannot say; of one that was not valued, rejected or failed."""
    sentence: str = ""
    """The verdict with its reason, for who could buy the rows. Empty for one that was not valued."""
    headline: str = ""
    """What the run as a whole says: who is worth most, or why there is no ranking."""
    decimals: int = 4
    """With which the run's values are shown."""
    gate_verdict: str = ""
    """The gate's: admitted, or trimmed after bad rows were dropped; rejected, or failed."""
    n_ranked: int
    rank: int | None = None
    """None where the run has no order, and for one whose value has no interval."""
    value: float | None = None
    value_kind: str = VALUE_KINDS[0]
    """What the value is, and its unit."""
    rank_by_eq8: int | None = None
    """The rank by Eq. 8, where that is not the value."""
    value_of_empty: float | None = None
    """The value of training on no rows, where there is one."""
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
    real_and_synthetic: PartValues | None = None
    """Values of its parts, and of mixtures of them by weight. None where the run has none."""
    groups: list[GroupValues] = Field(default_factory=list)
    """Values of its rows' groups, by column. Empty where rows are not grouped."""
    truncation: list[Truncated] = Field(default_factory=list)
    """Where its synthetic rows stop. Empty where it has none, or too few."""
    broken: list[BrokenExpectation] = Field(default_factory=list)
    warnings: list[RunWarning] = Field(default_factory=list)
    """Those that name it and those about the whole run, worst first; of one severity those that name it first."""

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
    parts: pa.Table | None = None,  # PARTS_TABLE
    mixture: pa.Table | None = None,  # MIXTURE
    mixture_best: pa.Table | None = None,  # MIXTURE_BEST
    groups: pa.Table | None = None,  # GROUPS
    truncation: pa.Table | None = None,  # TRUNCATION
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
        marginal = None if found is None else marginal_values(found, contributor, kind_of(ranking).alone)
        by_part = part_values(contributor, parts, mixture, mixture_best)
        more = {
            "coalitions": marginal,
            "real_and_synthetic": by_part,
            "groups": group_values(contributor, groups),
            "truncation": truncated(contributor, truncation),
        }
        return _ranked(own, ranking, terms, warnings).model_copy(update=more)
    if refused:
        broken = [BrokenExpectation(**{k: v for k, v in row.items() if k in BrokenExpectation.model_fields}) for row in refused]
        gate = refused[0]["verdict"]
        return Explanation(contributor=contributor, verdict=gate, gate_verdict=gate, n_ranked=len(ranked), broken=broken)
    raise ConfigError(unknown_name(contributor, [row["contributor"] for row in ranked] + rejected["contributor"].to_pylist()))


def explanation_text(found: Explanation) -> str:
    """The explanation as plain text, for a terminal or a log."""
    lines = _marginal(found) + _contribution_lines(found)
    if found.would_help_most:
        lines += ["", found.would_help_most]
    if found.real_and_synthetic and (by_part := part_lines(found.real_and_synthetic, found.decimals)):
        lines += ["", *by_part]
    if by_group := group_lines(found.groups, found.decimals):
        lines += ["", *by_group]
    if stops := truncation_lines(found.truncation):
        lines += ["", *stops]
    if found.coalitions:
        lines += ["", *marginal_words(found.coalitions, found.decimals)]
    if found.parts:
        lines += ["", "Measured, with standard errors:", *_measured(found)]
    for broken in found.broken:
        column = f", column {visible(broken.column)}" if broken.column else ""
        lines += ["", f"{visible(broken.expectation)}{column}: {count(broken.count)} of {count(broken.n_checked)}"]
        lines += [f"  {visible(broken.reason)}"] + [f"  e.g. {visible(sample)}" for sample in broken.samples]
    if found.warnings:
        lines += ["", "Warnings:"] + [f"  - {one.severity}: {warning_words(one)}" for one in found.warnings]
    return "\n".join(lines) + "\n"


def _ranked(own: dict[str, Any], ranking: pa.Table, terms: pa.Table, warnings: Sequence[RunWarning]) -> Explanation:
    adds_terms, ordered = kind_of(ranking).adds_terms, is_ordered(ranking)
    ranked = [row if adds_terms else row | {"by_eq8": _by_eq8(row)} for row in ranking.to_pylist()]
    own = own if adds_terms else own | {"by_eq8": _by_eq8(own)}
    key = "value" if adds_terms else "by_eq8"
    place = 1 + sum(row[key] > own[key] for row in ranked)
    contributions = [_contribution(own, ranked, term) for term in TERMS]
    parts = [
        PartReading(**{key: row[key] for key in PartReading.model_fields})
        for row in terms.to_pylist()
        if row["contributor"] == own["contributor"]
    ]
    others = [row for row in ranked if row["contributor"] != own["contributor"]]
    tied = [row["contributor"] for row in others if row["tie_group"] == own["tie_group"]]
    copied = [name for name in ranking.column_names if name in Explanation.model_fields]
    names = ranking["contributor"].to_pylist()
    concerned = [one for one in warnings if own["contributor"] in one.contributors]
    return Explanation(
        **{name: own[name] for name in copied},
        sentence=buyer_sentences(ranking, value_decimals(ranking))[names.index(own["contributor"])],
        headline=headline(ranking).plain(),
        decimals=value_decimals(ranking),
        n_ranked=len(ranked),
        tied_with=tied if ordered else [],
        contributions=contributions,
        parts=parts,
        rank_by_eq8=place if ordered and not adds_terms else None,
        would_help_most=_lever(contributions, place, adds_terms, _unsure(own, ranking, terms)) if ordered else None,
        warnings=sorted(
            [*concerned, *(one for one in warnings if not one.contributors)], key=lambda one: SEVERITIES.index(one.severity)
        ),
    )


def _unsure(own: dict[str, Any], ranking: pa.Table, terms: pa.Table) -> set[str]:
    """Terms whose difference from the median contributor's is within their sampling error."""
    errors = standard_errors(ranking, terms)
    medians = {term: statistics.median(ranking[term].to_pylist()) for term in TERMS}
    return {
        term
        for term in TERMS
        if abs(own[term] - medians[term]) <= ERRORS_APART * errors.get((own["contributor"], term), math.inf)
    }


def _contribution(own: dict[str, Any], ranked: list[dict[str, Any]], term: str) -> TermContribution:
    weighted = own[f"weighted_{term}"]
    against = weighted - statistics.median(row[f"weighted_{term}"] for row in ranked)
    key = "by_eq8" if "by_eq8" in own else "value"
    better = sum(row[key] > own[key] - against for row in ranked if row["contributor"] != own["contributor"])
    return TermContribution(term=term, estimate=own[term], weighted=weighted, against_median=against, rank_at_median=better + 1)


def _by_eq8(row: dict[str, Any]) -> float:
    return float(sum(row[f"weighted_{term}"] for term in TERMS))


def _lever(contributions: list[TermContribution], place: int, adds_terms: bool, unsure: set[str]) -> str | None:
    if len(unsure) == len(contributions):
        return None
    worst = min((one for one in contributions if one.term not in unsure), key=lambda one: one.against_median)
    if worst.against_median >= 0:
        return None
    whose = "its value" if adds_terms else "Eq. 8's value"
    opening = "The" if adds_terms else "By Eq. 8, which is no part of the value, the"
    moved = f" to rank {worst.rank_at_median}" if worst.rank_at_median < place else " without changing its rank"
    gain = signed(-worst.against_median, decimals_for([worst.against_median]))
    return (
        f"{opening} {worst.term} term costs it most. With the median contributor's {worst.term}, {whose} would change by "
        f"{gain}{moved}, all else equal. What improves this term: {TERMS[worst.term].lever}."
    )


def _marginal(found: Explanation) -> list[str]:
    if found.value is None:
        valued = counted(found.n_ranked, "valued contributor")
        return [f"{visible(found.contributor)}: {found.verdict}, so it is not among the {valued}."]
    decimals = found.decimals
    unit = " nats" if kind_of_row({"value_kind": found.value_kind}).unit else ""
    rank = "no rank" if found.rank is None else f"rank {found.rank} of {count(found.n_ranked)}"
    words = f"{rank}, value {fixed(found.value, decimals)}{unit}"
    if found.value_low is not None:
        words += f" ({interval_words(found.value_low, found.value_high, decimals)})"
    if found.value_of_empty is not None:
        words += f", training on no rows has {fixed(found.value_of_empty, decimals)}"
    words += f"; {count(found.n_rows or 0)} rows, {percent(found.real_share or 0.0)} real, {found.gate_verdict}."
    tied = f" Cannot be told apart from {listed(found.tied_with)}." if found.tied_with else ""
    facts = f"{words[0].upper()}{words[1:]}{tied}"
    return [f"{visible(found.contributor)}: {found.sentence}", "", facts, f"The run: {found.headline}"]


def _measured(found: Explanation) -> list[str]:
    """A line for each number behind the value; the regression's goes by the name that it has elsewhere."""
    alone = kind_of_row({"value_kind": found.value_kind}).alone
    names = [f"{alone}, by regression" if part.term == NTK_REGRESSION else part.term for part in found.parts]
    width = max(map(len, names))
    return [
        f"  {name:<{width}} {part.part:<10} {compact(part.estimate)}"
        f"{'' if part.standard_error is None else f' ± {compact(part.standard_error)}'}  ({counted(part.n, 'row')})"
        for name, part in zip(names, found.parts, strict=True)
    ]


def _contribution_lines(found: Explanation) -> list[str]:
    if not found.contributions:
        return []
    decimals = decimals_for([entry.weighted for entry in found.contributions])
    adds_terms = found.value_of_empty is None
    rank = "" if found.rank_by_eq8 is None else f", by which it has rank {found.rank_by_eq8}"
    by_eq8 = [] if adds_terms else [f"For comparison, no part of the value: the terms of Eq. 8{rank}."]
    lines = ["", *by_eq8, f"  {'term':<12} {'estimate':>11} {'adds':>10} {'vs median':>10}"]
    for entry in found.contributions:
        adds, against = signed(entry.weighted, decimals), signed(entry.against_median, decimals)
        lines.append(f"  {entry.term:<12} {compact(entry.estimate):>11} {adds:>10} {against:>10}")
    return lines
