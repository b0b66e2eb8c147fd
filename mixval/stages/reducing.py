"""The reduce stage: regression values, or terms and weights -> values, intervals, ranks. No model, no rows, seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import VALUE_KINDS, terms_schema
from mixval.contracts.terms import TERMS
from mixval.contracts.warnings import accusations
from mixval.publish.ranking import ranking_table
from mixval.publish.run_warnings import near_warnings, unread_warnings
from mixval.publish.solve_warnings import solve_warnings
from mixval.stages.gating import open_store
from mixval.storage.held import held
from mixval.storage.root import open_location
from mixval.terms.bound import bound
from mixval.terms.ntk.value import run_values
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.fitting import read_fit
from mixval.valuation.score import Valuation, valuation_of, value, weighted_terms
from mixval.valuation.verdict import ValueInterval, ranks_shown, standing_of, verdicts_of, withheld
from mixval.valuation.weights import Weights, weigh


@dataclass(frozen=True)
class Reduced:
    """What the reduce stage hands to publication."""

    ranking: pa.Table
    """Schema `ranking_schema()`."""
    terms: pa.Table
    """Schema `terms_schema()`."""
    estimates: TermEstimates
    weights: Weights
    valuation: Valuation


def reduce_terms(
    config: ValuationConfig,
    measured: dict[str, ArtifactRef],
    outcomes: dict[str, GateOutcome],
    identity: dict[str, object],
    classes: list[int] | None,
    fitted_digest: str | None = None,
) -> Reduced:
    """Values of the measured contributors under the configured weight rule, with verdicts and, where there is one, an order.

    `fitted_digest` is that of the file of fitted weights when the run was planned: ChangedFileError is raised for another one.
    """
    store = open_store(config)
    names = sorted(measured)
    stored = [store.read_tensors(measured[name]) for name in names]
    deviations = np.stack([one["deviations"] for one in stored], axis=1) if config.value.replicates else None
    estimates = TermEstimates(
        tuple(names),
        _terms(stored),
        np.stack([one["standard_errors"] for one in stored]),
        deviations,
    )
    fitted = _fitted(config, identity, fitted_digest) if config.value.fitted_weights else None
    weights = weigh(estimates, config.value.rule, fitted, config.value.uninformative)
    valuation = _valued(config, stored, estimates, weights)
    n_sampled = [int(one["n_gradient_rows"][0]) for one in stored]
    rows = [
        _row(config, i, outcomes[name], estimates, valuation, n_sampled[i]) for i, name in enumerate(estimates.contributors)
    ]
    tables = [store.read_table(measured[name], "terms") for name in names]
    terms = _as_ranked(pa.concat_tables(tables), estimates) if tables else terms_schema().empty_table()
    unread = unread_warnings(config.reads_answers, names)
    accused = accusations(
        [*near_warnings(tuple(outcomes.values())), *unread, *solve_warnings(terms, config.value.method == "eq8")]
    )
    found = _with_verdicts(rows, value_of_empty(config, classes), _gain_highs(config, stored), accused)
    ranking = ranking_table([row | {"rank": None} for row in found] if unread else found)
    return Reduced(ranking, terms, estimates, weights, valuation)


def _valued(
    config: ValuationConfig, stored: list[dict[str, np.ndarray]], estimates: TermEstimates, weights: Weights
) -> Valuation:
    """By the configured method: Eq. 8, the measured regression values, or gains from training at the measured slopes."""
    if config.value.method == "eq8":
        return value(estimates, weights, config.value.confidence)
    regression_values = np.array([float(one["regression_value"][0]) for one in stored])
    replicated = bool(config.value.replicates)
    weighted = weighted_terms(estimates, weights)

    def stacked(name: str) -> np.ndarray | None:
        return np.stack([one[name] for one in stored], axis=1) if replicated else None

    deviations = stacked("regression_deviations")
    if config.has_trained_gain:
        moved = np.array([float(one["displacement"][0]) for one in stored])
        found = run_values(regression_values, deviations, moved, stacked("displacement_deviations"))
    else:
        found = run_values(regression_values, deviations)
    return valuation_of(found.values, found.deviations, weighted, config.value.confidence)


def _gain_highs(config: ValuationConfig, stored: list[dict[str, np.ndarray]]) -> list[float | None]:
    """(K,) upper ends of the gains' intervals, where values are gains less a penalty; None elsewhere."""
    if not (config.has_trained_gain and config.value.replicates):
        return [None] * len(stored)
    gains = np.array([float(one["regression_value"][0]) for one in stored])
    deviations = np.stack([one["regression_deviations"] for one in stored], axis=1)
    high = valuation_of(gains, deviations, np.zeros((len(stored), 0)), config.value.confidence).high
    return [None] * len(stored) if high is None else high.tolist()


def _with_verdicts(
    rows: list[dict[str, Any]], empty: float | None, gain_highs: list[float | None], accused: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The rows with a verdict each, and ranks only where the contributors have an order.

    `accused` has the kind of a serious warning for each contributor that one names.
    """
    found = [
        ValueInterval(row["value"], row["value_low"], row["value_high"], gain_high)
        for row, gain_high in zip(rows, gain_highs, strict=True)
    ]
    verdicts = verdicts_of(found, empty)
    groups = [row["tie_group"] for row in rows]
    ranks = ranks_shown([row["rank"] for row in rows], groups, standing_of(verdicts, groups, empty is not None))
    verdicts, doubts = withheld(verdicts, [accused.get(row["contributor"]) for row in rows])
    return [
        row | {"verdict": verdict, "doubted_by": doubt, "rank": rank, "value_of_empty": empty}
        for row, verdict, doubt, rank in zip(rows, verdicts, doubts, ranks, strict=True)
    ]


def value_of_empty(config: ValuationConfig, classes: list[int] | None) -> float | None:
    """The value of training on no rows: of guessing, or no gain. None by Eq. 8, which leaves it open."""
    if config.value.method == "eq8":
        return None
    return -math.log(len(classes)) if classes else 0.0


def value_kind(config: ValuationConfig) -> str:
    """What the value is, one of `VALUE_KINDS`."""
    eq8, cross_entropy, gain, trained = VALUE_KINDS
    if config.value.method == "eq8":
        return eq8
    if config.task_spec.has_labels:
        return cross_entropy
    return trained if config.has_trained_gain else gain


def _terms(stored: list[dict[str, np.ndarray]]) -> np.ndarray:
    """(K, T). Where the sketch's bias is unknown for one contributor, it is left in for all, so that terms compare."""
    terms = np.stack([one["terms"] for one in stored])
    if any("is_full" in one and one["is_full"][0] for one in stored):
        terms[:, TERMS.position("ntk")] = [one["ntk_as_sketched"][0] for one in stored]
    return terms


def _as_ranked(table: pa.Table, estimates: TermEstimates) -> pa.Table:
    """The terms table with the NTK terms that were ranked: see `_terms`."""
    ntk = dict(zip(estimates.contributors, estimates.of("ntk"), strict=True))
    rows = table.to_pylist()
    ranked = [float(ntk[row["contributor"]]) if row["term"] == "ntk" else row["estimate"] for row in rows]
    at = table.schema.get_field_index("estimate")
    return table.set_column(at, table.schema.field(at), pa.array(ranked, pa.float64()))


def _row(
    config: ValuationConfig, i: int, outcome: GateOutcome, estimates: TermEstimates, valuation: Valuation, n_sampled: int
) -> dict[str, object]:
    terms = dict(zip(TERMS, map(float, estimates.terms[i]), strict=True))
    n = outcome.n_real + outcome.n_synthetic
    limit = bound(
        terms["loss"],
        terms["discrepancy"],
        terms["ntk"],
        outcome.n_real,
        outcome.n_synthetic,
        delta=config.value.delta,
        constant=config.value.bound_constant,
    )
    return {
        "contributor": outcome.contributor,
        "rank": int(valuation.ranks[i]),
        "value": float(valuation.values[i]),
        "value_kind": value_kind(config),
        "value_low": _known(valuation.low, i),
        "value_high": _known(valuation.high, i),
        "tie_group": int(valuation.tie_groups[i]) or None,
        **terms,
        **{f"weighted_{term}": float(x) for term, x in zip(TERMS, valuation.contributions[i], strict=True)},
        "n_rows": n,
        "n_real": outcome.n_real,
        "real_share": outcome.n_real / n,
        "n_sampled": n_sampled,
        "bound": limit,
        "gate_verdict": outcome.verdict,
    }


def _known(ends: np.ndarray | None, i: int) -> float | None:
    """An interval's end; None without replicates, and for a contributor or target of too few rows to know a spread."""
    return None if ends is None or math.isnan(ends[i]) else float(ends[i])


def _fitted(config: ValuationConfig, identity: dict[str, object], digest: str | None) -> Weights:
    url = str(config.value.fitted_weights)
    with held(open_location(url, config.source.storage), digest) as file:
        document = bytes(file.source().read())
    return read_fit(document, config.task, identity, where=url, accepts_others=config.value.fitted_elsewhere == "accept")
