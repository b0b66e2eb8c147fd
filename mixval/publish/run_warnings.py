"""Warnings about a ranking, found in its own numbers. One small function per warning.

Sources: arXiv 2511.13640, Eq. 8 (terms) and Table 1 (K = 4, where a perfect order has chance 1/24).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import pyarrow as pa

from mixval.contracts.outcomes import Finding, GateOutcome
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.warnings import RunWarning, by_severity, warning
from mixval.publish.numerals import count, counted, percent
from mixval.publish.solve_warnings import diagnostics_of, solve_warnings
from mixval.publish.term_statistics import term_statistics
from mixval.publish.value_kind import kind_of
from mixval.publish.verdict_words import is_ordered, standing

FEW_CONTRIBUTORS = 10
UNEQUAL_ROWS = 1.2
"""Largest over smallest number of gradient rows up to which the NTK terms count as comparable."""
NOTED_SHARE = 0.01
"""Share of rows dropped or truncated from which there is a warning."""
GUESSING_MARGIN = 0.1
"""A loss within this relative distance of log C counts as uniform guessing."""
UNKNOWN_SPREAD = (
    "Nothing is known of how much values would vary with other rows: there is only one row, or the model gives the same output "
    "for every target row."
)
MOST_PAIRS = 3
"""Pairs of contributors with rows in common that have a warning of their own."""


def find_warnings(
    ranking: pa.Table,  # ranking_schema()
    terms: pa.Table,  # terms_schema()
    outcomes: Sequence[GateOutcome] = (),
    n_classes: int | None = None,
) -> list[RunWarning]:
    """Every warning that the numbers give, worst first.

    With `n_classes` (classification only) a loss near log C is reported as uniform guessing.
    """
    if not ranking.num_rows:
        return []
    rows = ranking.to_pylist()
    adds_terms = kind_of(ranking).adds_terms
    found = [*_order(ranking), *_few(ranking), *_intervals(rows, terms), *_origins(rows), *_gate(outcomes)]
    found += [*near_warnings(outcomes), *_repeated(terms), *solve_warnings(terms, adds_terms)]
    if adds_terms:
        found += [*_uninformative(ranking, terms, n_classes), *_gradient_rows(rows), *_composition(rows)]
    # Warnings about Eq. 8's terms do not apply to a ranking by another value; see `regression_warnings.py` for that one's.
    return by_severity(found)


def _order(ranking: pa.Table) -> Iterator[RunWarning]:
    found = standing(ranking)
    if found not in ("ordered", "one", "unread"):
        words = "Values or their differences may be noise, so no contributor has a rank."
        more = " More rows of contributors or target, or a better pretrained model, may tell contributors apart."
        yield warning("not-ranked", words + ("" if found == "no-intervals" else more))


def unread_warnings(reads_answers: bool, contributors: Sequence[str]) -> list[RunWarning]:
    """That the model hardly reads whether an answer fits its prompt: then nobody is ranked or gets the verdict take."""
    words = (
        "The backbone is made from a seed and has learnt no language: values hardly show whether an answer fits its prompt, so "
        "no contributor has a rank. Take a pretrained model (`backbone.path`); `mixval init` names one."
    )
    return [] if reads_answers or not contributors else [warning("answers-unread", words, sorted(contributors))]


def near_warnings(outcomes: Sequence[GateOutcome]) -> Iterator[RunWarning]:
    """Whose rows nearly repeat the target's, and whose another contributor's."""
    ranked = [one for one in outcomes if one.is_in]
    if near := {one.contributor: one.near_target for one in ranked if one.near_target}:
        words = (
            f"Up to {percent(max(near.values()))} of a contributor's rows are closer to a row of the target than rows of the "
            "target are to each other, as copies of it with small changes are. Rows of the target add nothing to training, "
            "whatever their value: inspect these rows, and store the target where contributors cannot read it."
        )
        yield warning("near-target", words, sorted(near))
    yield from _near_copies(ranked)


def _near_copies(ranked: Sequence[GateOutcome]) -> Iterator[RunWarning]:
    shares: dict[frozenset[str], tuple[float, str, str]] = {}
    for one in ranked:
        for other, share in one.near_copies.items():
            both, found = frozenset((one.contributor, other)), (share, one.contributor, other)
            shares[both] = max(shares.get(both, found), found)
    pairs = sorted(shares.values(), key=lambda pair: (-pair[0], pair[1:]))
    for share, name, other in pairs[:MOST_PAIRS]:
        words = f"{percent(share)} of a contributor's rows repeat rows of another one, exactly or with small changes."
        yield warning("near-copies", words, [name, other])
    if rest := sorted({name for _, *both in pairs[MOST_PAIRS:] for name in both}):
        words = f"{counted(len(pairs) - MOST_PAIRS, 'more pair')} of contributors have rows that nearly repeat each other's."
        yield warning("near-copies", words, rest)


def _repeated(terms: pa.Table) -> Iterator[RunWarning]:
    rows = [row for row in terms.to_pylist() if (row["term"], row["part"]) == ("discrepancy", "all")]
    if any(diagnostics_of(row).get("target_repeated") for row in rows):
        words = (
            "More than half of the pairs of target rows have equal features, so the discrepancy's bandwidths come from the "
            "pairs that differ. Look for repeated rows in the target: they count as often as they occur in every value."
        )
        yield warning("repeated-target", words)


def _few(ranking: pa.Table) -> Iterator[RunWarning]:
    if is_ordered(ranking) and ranking.num_rows < FEW_CONTRIBUTORS:
        k, orders = ranking.num_rows, count(math.factorial(ranking.num_rows))
        words = f"Only {k} contributors have a value: a random order is perfect with probability 1 in {orders}."
        yield warning("few-contributors", words)


def _intervals(rows: list[dict[str, Any]], terms: pa.Table) -> Iterator[RunWarning]:
    known = [row for row in rows if row["value_low"] is not None and row["value_high"] is not None]
    if not known:
        has_replicates = terms["low"].null_count < terms.num_rows
        remedy = f"{UNKNOWN_SPREAD} Give more rows." if has_replicates else "Set value.replicates above 0."
        yield warning(
            "no-intervals", f"Values have no intervals, so differences cannot be compared with sampling noise. {remedy}"
        )
        return
    pairs = list(combinations(known, 2))
    apart = sum(a["value_low"] > b["value_high"] or b["value_low"] > a["value_high"] for a, b in pairs)
    if pairs and apart < len(pairs) / 2:
        more = (
            "All rows were measured, so only new rows of contributors or target can narrow them."
            if all(row["n_sampled"] >= row["n_rows"] for row in rows)
            else "More rows per contributor (sample.count, ntk.sample) narrow them."
        )
        among = f"{count(len(pairs) - apart)} of {counted(len(pairs), 'pair')} of contributors"
        yield warning("wide-intervals", f"Intervals are wide: they overlap in {among}. {more}")


def _uninformative(ranking: pa.Table, terms: pa.Table, n_classes: int | None) -> Iterator[RunWarning]:
    if ranking.num_rows < 2:
        return
    for entry in term_statistics(ranking, terms):
        guessing = _guesses(entry.term, ranking, n_classes)
        if not entry.uninformative and not guessing:
            continue
        words = (
            f"The {entry.term} term is not informative: it varies by {entry.spread:.3g} over contributors (standard deviation)"
        )
        if entry.standard_error is not None:
            words += f", with a standard error of {entry.standard_error:.3g} for each"
        words += "."
        if guessing:
            words += f" All losses are near log {n_classes}, as with uniform guessing before any training."
        yield warning("uninformative-term", words)


def _guesses(term: str, ranking: pa.Table, n_classes: int | None) -> bool:
    if term != "loss" or n_classes is None or n_classes < 2:
        return False
    chance = math.log(n_classes)
    return all(abs(loss - chance) <= GUESSING_MARGIN * chance for loss in ranking["loss"].to_pylist())


def _gradient_rows(rows: list[dict[str, Any]]) -> Iterator[RunWarning]:
    sampled = [row["n_sampled"] for row in rows]
    if min(sampled) > 0 and max(sampled) / min(sampled) <= UNEQUAL_ROWS:
        return
    words = (
        f"Gradients were taken of {count(min(sampled))} to {counted(max(sampled), 'row')} per contributor. "
        "The NTK term depends on that number, so part of its differences is due to the number of rows."
    )
    yield warning("unequal-gradient-rows", words)


def _origins(rows: list[dict[str, Any]]) -> Iterator[RunWarning]:
    for missing, alone in ((SYNTHETIC, 1.0), (REAL, 0.0)):
        if all(row["real_share"] == alone for row in rows):
            words = f"No contributor has {missing} rows, so nothing is learnt about mixing real and synthetic rows."
            yield warning("one-origin-only", words)


def _composition(rows: list[dict[str, Any]]) -> Iterator[RunWarning]:
    pure = [row["contributor"] for row in rows if row["real_share"] in (0.0, 1.0)]
    if len({row["real_share"] for row in rows} & {0.0, 1.0}) == 2:
        words = (
            "The composition term, sqrt(max(pi, 1 - pi) / |S|), is the same for a purely real and a purely "
            "synthetic contributor of the same size. That is the published formula."
        )
        yield warning("composition-blind", words, pure)


def _gate(outcomes: Iterable[GateOutcome]) -> Iterator[RunWarning]:
    admitted = [outcome for outcome in outcomes if outcome.is_in and outcome.n_rows > 0]
    dropped = [o for o in admitted if o.n_dropped / o.n_rows >= NOTED_SHARE]
    if dropped:
        worst = max(o.n_dropped / o.n_rows for o in dropped)
        words = (
            f"Bad rows were dropped before measuring, up to {percent(worst)} of a contributor; values are those of the "
            "remaining rows."
        )
        yield warning("dropped-rows", words, [o.contributor for o in dropped])
    cut = [o for o in admitted if o.n_truncated / o.n_rows >= NOTED_SHARE]
    if cut:
        worst = max(o.n_truncated / o.n_rows for o in cut)
        words = (
            f"Rows were cut to backbone.max_length or the model's own context, up to {percent(worst)} of a contributor; the "
            "tokens cut off have no influence on values."
        )
        yield warning("truncated-rows", words, [o.contributor for o in cut])
    if denied := [o.contributor for o in admitted if o.origin_denied]:
        words = (
            "These contributors' own column of origins says otherwise of some rows than `source.origin`, which was followed, "
            "so their real and synthetic parts are not those that they name. Leave `source.origin` out to read the column."
        )
        yield warning("origin-denied", words, denied)
    if unsaid := [o.contributor for o in admitted if o.class_names_unsaid]:
        words = (
            "Only the target's files or only these contributors' say what the classes are called, so nothing shows whether "
            "their integers mean the same classes. Write the names into the metadata of both, or use them as labels."
        )
        yield warning("class-names-unsaid", words, unsaid)
    sharing = [o.contributor for o in admitted if any(_is_shared(finding) for finding in o.findings)]
    if sharing:
        words = "These contributors have rows in common; each is valued as if the others did not have them."
        yield warning("shared-rows", words, sharing)


def _is_shared(finding: Finding) -> bool:
    return "shared" in (finding.column or "") or "shared" in finding.expectation
