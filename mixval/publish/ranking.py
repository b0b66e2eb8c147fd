"""The ranking and the rejected as Arrow tables, and as rows for a Prefect artifact or Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from mixval.contracts.outcomes import Finding, GateOutcome
from mixval.contracts.results import REJECTED, ranking_schema
from mixval.contracts.terms import TERMS
from mixval.errors import ContractError, NumericalError
from mixval.publish.coalition_values import shapley_ranks
from mixval.publish.names import visible
from mixval.publish.numerals import decimals_for, fixed, percent, signed
from mixval.publish.value_kind import kind_of
from mixval.publish.verdict_words import buyer_sentences, is_ordered


def ranking_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """(K rows) the schema `ranking_schema()`, sorted by rank, then name: by name alone where nobody has a rank.

    Raises:
        ContractError: a column is missing, unknown, of the wrong type or null, or a contributor appears twice.
        NumericalError: a number is NaN or infinite.
    """
    for row in rows:
        _check_row(row)
    repeated = [name for name, times in Counter(row["contributor"] for row in rows).items() if times > 1]
    if repeated:
        raise ContractError(f"ranking: expected one row per contributor, found several for {repeated[0]!r}. Merge its rows.")
    ordered = sorted(rows, key=lambda row: (row["rank"] is None, row["rank"], row["contributor"]))
    return _as_table(ordered, ranking_schema(), "ranking")


def rejected_table(outcomes: Iterable[GateOutcome]) -> pa.Table:
    """(one row per broken expectation) the REJECTED schema, sorted by contributor: rejected and failed contributors.

    A contributor that failed after the gate has one row, whose expectation names the step by its verdict.
    """
    rows: list[dict[str, Any]] = []
    for outcome in sorted(outcomes, key=lambda outcome: outcome.contributor):
        if outcome.is_in:
            continue
        fatal = [finding for finding in outcome.findings if finding.severity == "reject"]
        rows += [_finding_row(outcome, finding) for finding in fatal] if fatal else [_bare_row(outcome)]
    return _as_table(rows, REJECTED, "rejected")


def tie_labels(table: pa.Table) -> dict[int, str]:
    """Tie group -> letter (`A`, `B`, ... `Z`, `AA`), for groups of more than one contributor, best first.

    Empty where the contributors have no order.
    """
    groups = table["tie_group"].to_pylist() if is_ordered(table) else []
    shared = [group for group, members in Counter(groups).items() if members > 1]
    return {group: _letters(index) for index, group in enumerate(sorted(shared, key=groups.index))}


def ranking_rows(
    table: pa.Table,  # ranking_schema()
    coalitions: pa.Table | None = None,  # COALITIONS: adds the rank by Shapley value
    in_words: bool = True,
) -> list[dict[str, str | int]]:
    """One plain dict per contributor, ready for a Prefect table artifact: text and whole numbers only.

    Ranks and letters of ties are included where the contributors have an order, what Eq. 8's terms add where their sum is the
    value, and with `in_words` the sentence for who could buy the rows.
    """
    rows, kind, ordered = table.to_pylist(), kind_of(table), is_ordered(table)
    shapley = {} if coalitions is None or not ordered else shapley_ranks(coalitions)
    decimals = value_decimals(table)
    labels = tie_labels(table)
    return [
        {
            **({"rank": "–" if row["rank"] is None else row["rank"]} if ordered else {}),
            **({"shapley rank": shapley.get(row["contributor"], "–")} if shapley else {}),
            "contributor": visible(row["contributor"]),
            "verdict": row["verdict"],
            kind.head: fixed(row["value"], decimals),
            "interval": interval_words(row["value_low"], row["value_high"], decimals),
            **({"tied": labels.get(row["tie_group"], "")} if ordered else {}),
            **(_weighted(row, decimals) if kind.adds_terms else {}),
            "rows": row["n_rows"],
            "real": percent(row["real_share"]),
            "gate": row["gate_verdict"],
            **({"in words": sentence} if in_words else {}),
        }
        for row, sentence in zip(rows, buyer_sentences(table, decimals), strict=True)
    ]


def value_decimals(table: pa.Table) -> int:
    """Decimals that every value, interval and weighted part of this ranking is shown with."""
    return decimals_for(table["value"].to_pylist())


def interval_words(low: float | None, high: float | None, decimals: int) -> str:
    """`-0.12 to 0.34`, or a dash where there is no interval."""
    return "–" if low is None or high is None else f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def weighted_decimals(table: pa.Table) -> int:
    """Decimals for the weighted terms of Eq. 8: those of its values, which may differ from the ranking's."""
    return value_decimals(table) if kind_of(table).adds_terms else decimals_for(eq8_values(table))


def eq8_values(table: pa.Table) -> list[float]:
    """(K,) values by Eq. 8: the sums of its weighted terms."""
    return [sum(row[f"weighted_{term}"] for term in TERMS) for row in table.to_pylist()]


def adds_anything(table: pa.Table) -> bool:
    """Whether any term of Eq. 8 has a weight that adds to it."""
    return any(row[f"weighted_{term}"] for row in table.to_pylist() for term in TERMS)


def _weighted(row: dict[str, Any], decimals: int) -> dict[str, str]:
    return {term: signed(row[f"weighted_{term}"], decimals) for term in TERMS}


def _check_row(row: dict[str, Any]) -> None:
    name = visible(str(row.get("contributor", "(no name)")))
    if missing := [column for column in ranking_schema().names if column not in row]:
        raise ContractError(f"ranking, contributor {name!r}: expected column {missing[0]!r}, found none. Give it.")
    if unknown := [column for column in row if column not in ranking_schema().names]:
        raise ContractError(f"ranking, contributor {name!r}: column {unknown[0]!r} is not in the schema. Leave it out.")
    for column, value in row.items():
        if value is None and not ranking_schema().field(column).nullable:
            raise ContractError(f"ranking, contributor {name!r}: column {column!r} must have a value, found none.")
        if isinstance(value, float) and not math.isfinite(value):
            raise NumericalError(
                f"ranking, contributor {name!r}: column {column!r} must be finite, found {value}. "
                "See the diagnostics of this contributor in terms.parquet."
            )


def _as_table(rows: Sequence[dict[str, Any]], schema: pa.Schema, where: str) -> pa.Table:
    try:
        return pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ContractError(f"{where}: expected the published schema, found {error}. Correct the row's types.") from error


def _finding_row(outcome: GateOutcome, finding: Finding) -> dict[str, Any]:
    return {
        "contributor": outcome.contributor,
        "verdict": outcome.verdict,
        "expectation": finding.expectation,
        "column": finding.column,
        "count": finding.count,
        "n_checked": finding.n_checked,
        "samples": finding.samples,
        "reason": finding.message,
    }


def _bare_row(outcome: GateOutcome) -> dict[str, Any]:
    step = "measurement" if outcome.verdict == "failed" else "gate"
    return {
        "contributor": outcome.contributor,
        "verdict": outcome.verdict,
        "expectation": step,
        "column": None,
        "count": outcome.n_rows,
        "n_checked": outcome.n_rows,
        "samples": [],
        "reason": outcome.reason or f"The {step} gave no reason.",
    }


def _letters(index: int) -> str:
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
