"""The reduce stage: regression values, or terms and weights -> values, intervals, ranks. No model, no rows, seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import VALUE_KINDS, terms_schema
from mixval.contracts.terms import TERMS
from mixval.publish.ranking import ranking_table
from mixval.stages.gating import open_store
from mixval.storage.root import open_location
from mixval.terms.bound import bound
from mixval.terms.ntk.value import run_values
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.fitting import read_fit
from mixval.valuation.score import Valuation, valuation_of, value, weighted_terms
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
    config: ValuationConfig, measured: dict[str, ArtifactRef], outcomes: dict[str, GateOutcome], identity: dict[str, object]
) -> Reduced:
    """Values of the measured contributors under the configured weight rule."""
    store = open_store(config)
    names = sorted(measured)
    stored = [store.read_tensors(measured[name]) for name in names]
    deviations = np.stack([one["deviations"] for one in stored], axis=1) if config.value.half_samples else None
    estimates = TermEstimates(
        tuple(names),
        _terms(stored),
        np.stack([one["standard_errors"] for one in stored]),
        deviations,
    )
    fitted = _fitted(config, identity) if config.value.fitted_weights else None
    weights = weigh(estimates, config.value.rule, fitted, config.value.uninformative)
    valuation = _valued(config, stored, estimates, weights)
    n_sampled = [int(one["n_gradient_rows"][0]) for one in stored]
    rows = [
        _row(config, i, outcomes[name], estimates, valuation, n_sampled[i]) for i, name in enumerate(estimates.contributors)
    ]
    tables = [store.read_table(measured[name], "terms") for name in names]
    terms = _as_ranked(pa.concat_tables(tables), estimates) if tables else terms_schema().empty_table()
    return Reduced(ranking_table(rows), terms, estimates, weights, valuation)


def _valued(
    config: ValuationConfig, stored: list[dict[str, np.ndarray]], estimates: TermEstimates, weights: Weights
) -> Valuation:
    """By the configured method: Eq. 8, the measured regression values, or gains from training at the measured slopes."""
    if config.value.method == "eq8":
        return value(estimates, weights, config.value.confidence)
    regression_values = np.array([float(one["regression_value"][0]) for one in stored])
    replicated = bool(config.value.half_samples)
    weighted = weighted_terms(estimates, weights)

    def stacked(name: str) -> np.ndarray | None:
        return np.stack([one[name] for one in stored], axis=1) if replicated else None

    deviations = stacked("regression_deviations")
    if config.has_trained_gain:
        moved = np.array([float(one["displacement"][0]) for one in stored])
        found = run_values(regression_values, deviations, moved, stacked("slope_deviations"))
    else:
        found = run_values(regression_values, deviations)
    return valuation_of(found.values, found.deviations, weighted, config.value.confidence)


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
        "value_low": None if valuation.low is None else float(valuation.low[i]),
        "value_high": None if valuation.high is None else float(valuation.high[i]),
        "tie_group": int(valuation.tie_groups[i]),
        **terms,
        **{f"weighted_{term}": float(x) for term, x in zip(TERMS, valuation.contributions[i], strict=True)},
        "n_rows": n,
        "n_real": outcome.n_real,
        "real_share": outcome.n_real / n,
        "n_sampled": n_sampled,
        "bound": limit,
        "verdict": outcome.verdict,
    }


def _fitted(config: ValuationConfig, identity: dict[str, object]) -> Weights:
    url = str(config.value.fitted_weights)
    document = open_location(url, config.source.storage).read_bytes()
    return read_fit(document, config.task, identity, where=url, accepts_others=config.value.fitted_elsewhere == "accept")
