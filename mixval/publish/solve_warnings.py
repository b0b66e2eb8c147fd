"""Warnings about what decides a value or a term besides its formula, from the diagnostics of the solve behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixval.contracts.results import NTK_REGRESSION
from mixval.contracts.warnings import RunWarning, warning
from mixval.errors import ContractError
from mixval.publish.numerals import percent
from mixval.terms.ntk.objective import damping_excess
from mixval.terms.ntk.regression import LEAST_CENTRED
from mixval.terms.ntk.two_phase import LEAST_SHARE

DOUBLED_DAMPING = 1.0
"""Relative increase of lambda by the sketch from which there is a warning. Lambdas of 0.01 to 0.1 give similar rankings
(docs/laboratory.md)."""
ILL_CONDITIONED = 1e12
"""Condition number above which float64 leaves fewer than about four digits of a solve."""


@dataclass(frozen=True)
class _Decider:
    """What decides besides the formula, and how its warning says so."""

    term: str
    """The solve in whose diagnostics it is seen."""
    decides: Callable[[dict[str, Any]], bool]
    """Whether it did, by these diagnostics."""
    kind: str
    words: str


def solve_warnings(terms: pa.Table, adds_terms: bool) -> list[RunWarning]:
    """One warning for each thing that decided, with whom it concerns; `terms` has the schema `terms_schema()`.

    Of Eq. 8's NTK term where its terms add up to the value (`adds_terms`), else of the regression behind the value.
    """
    solved = "ntk" if adds_terms else NTK_REGRESSION
    found = [(row["contributor"], diagnostics_of(row)) for row in terms.to_pylist() if row["term"] == solved]
    return [
        warning(one.kind, one.words, named)
        for one in _DECIDERS
        if one.term == solved and (named := [name for name, diagnostics in found if one.decides(diagnostics)])
    ]


def diagnostics_of(row: dict[str, Any]) -> dict[str, Any]:
    """The diagnostics of a row of the terms table. Raises ContractError where they are no JSON object."""
    try:
        return dict(json.loads(row["diagnostics"]))
    except (ValueError, TypeError) as error:
        raise ContractError(
            f"terms, contributor {row['contributor']!r}, term {row['term']!r}: diagnostics must be a JSON object, "
            f"found {row['diagnostics'][:80]!r}. Write the terms again."
        ) from error


def _has(entry: str) -> Callable[[dict[str, Any]], bool]:
    return lambda found: bool(found.get(entry))


def _is_steep(found: dict[str, Any]) -> bool:
    # Of a sketch, rounding is stated by itself; its matrix is steep where there are fewer rows than features.
    return "cancellation" not in found and (found.get("condition") or 0.0) > ILL_CONDITIONED


def _is_full(found: dict[str, Any]) -> bool:
    return "sketch_features" in found and damping_excess(found["effective_rank"] / found["sketch_features"]) > DOUBLED_DAMPING


_DECIDERS = (
    _Decider(
        NTK_REGRESSION,
        _is_full,
        "full-sketch-regression",
        "The gradient sketch is too small: it at least doubles the damping of the regression (see effective_rank in "
        "terms.parquet). Raise ntk.sketch_features or value.damping.",
    ),
    _Decider(
        NTK_REGRESSION,
        _has("least_damping"),
        "least-damping",
        "The gradients of these contributors' rows hardly differ, so lambda of the value was taken from "
        f"{LEAST_CENTRED:g} of the kernel's mean diagonal and is larger than value.damping says. The value depends "
        "little on single rows: look for rows that are all alike.",
    ),
    _Decider(
        NTK_REGRESSION,
        _has("jitter"),
        "value-jitter",
        "The kernel of the value's regression was not positive definite with the configured damping; a small amount was "
        "added (jitter in terms.parquet). Raise value.damping, or set backbone.dtype: float64.",
    ),
    _Decider(
        NTK_REGRESSION,
        _has("ratio_bounded"),
        "value-by-a-bound",
        "The rows with gradients gain too little over guessing for the ratio that covers the other rows, so a bound of it "
        "set the value, which is that of the rows with gradients where these gain nothing. Raise ntk.sample.",
    ),
    _Decider(
        NTK_REGRESSION,
        _has("head_floored"),
        "value-by-a-bound",
        f"The regression on frozen features classifies nearly every target row, so its cross-entropy was taken for "
        f"{percent(LEAST_SHARE)} of that of guessing in the ratio that covers rows without gradients. Raise ntk.sample.",
    ),
    _Decider(
        "ntk",
        _has("jitter"),
        "ntk-jitter",
        "The NTK matrix was not positive definite with the configured damping; a small amount was added (see terms.parquet).",
    ),
    _Decider(
        "ntk",
        _is_steep,
        "ntk-ill-conditioned",
        f"The NTK matrix is ill-conditioned (above {ILL_CONDITIONED:.0e}): few digits of the term are accurate. Raise "
        "ntk.damping.",
    ),
    _Decider(
        "ntk",
        _has("is_full"),
        "full-sketch",
        "The gradient sketch is too small for an estimate of its bias (see effective_rank in terms.parquet), so the NTK "
        "term of all contributors is used without correction. Raise ntk.sketch_features or ntk.damping.",
    ),
)
