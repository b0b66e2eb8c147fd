"""Weights fitted to the true performance of calibration contributors: non-negative ridge, cross-validated.

Terms are standardised first, so that one ridge strength applies to all; the weights returned are on the
terms' own scale. Non-negative because Eq. 8 is a bound: more loss, discrepancy, NTK term or imbalance never helps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from mixval.contracts.json_text import read_json
from mixval.contracts.terms import TERMS
from mixval.errors import ConfigError, ContractError, ShapeError
from mixval.valuation.estimates import Floats
from mixval.valuation.weights import Weights

RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True)
class Fit:
    """Fitted weights and how well they predict contributors that were left out."""

    weights: Weights
    ridge: float
    """Chosen strength, relative to the number of contributors. Dimensionless."""
    cross_validated_r2: float
    """1 - error / variance over left-out contributors; below 0 means worse than the mean."""
    n_contributors: int


def fit_weights(terms: Floats, performance: Floats, provenance: str) -> Fit:
    """Non-negative weights for -terms (K, T) that predict performance (K,), ridge chosen by leave-one-out."""
    if terms.ndim != 2 or terms.shape != (len(performance), len(TERMS)):
        raise ShapeError(f"terms must be {(len(performance), len(TERMS))}: performances by terms; found {terms.shape}")
    if len(performance) < 5:
        raise ConfigError(f"calibration: expected at least 5 contributors with known performance, found {len(performance)}")
    errors = {ridge: _left_out_error(terms, performance, ridge) for ridge in RIDGES}
    ridge = min(errors, key=lambda key: errors[key])
    coefficients, centres = _solve(terms, performance, ridge)
    variance = float(np.mean((performance - performance.mean()) ** 2))
    r2 = 1.0 - errors[ridge] / variance if variance > 0 else 0.0
    weights = Weights("fitted", coefficients, centres, provenance)
    return Fit(weights, ridge, r2, len(performance))


def write_fit(fit: Fit, task: str, backbone: dict[str, Any], evidence: Mapping[str, Any] | None = None) -> bytes:
    """The calibration artifact: JSON with weights, fit and what they were fitted on.

    `evidence` is further documentation of the calibration; nothing in it is checked when weights are read.
    """
    document = {
        "weights": fit.weights.as_dict(),
        "centres": dict(zip(TERMS, map(float, fit.weights.centres), strict=True)),
        "provenance": fit.weights.provenance,
        "ridge": fit.ridge,
        "cross_validated_r2": fit.cross_validated_r2,
        "n_contributors": fit.n_contributors,
        "task": task,
        "backbone": backbone,
        "evidence": dict(evidence or {}),
    }
    return json.dumps(document, indent=2, sort_keys=True).encode()


def read_fit(document: bytes, task: str, backbone: dict[str, Any], where: str, accepts_others: bool = False) -> Weights:
    """Weights of a calibration artifact; refuses one that was fitted for another task or backbone, unless it is to be accepted.

    Accepted weights of another task or backbone are marked so in their provenance.
    """
    try:
        found = read_json(document)
        coefficients = np.array(TERMS.ordered(found["weights"], where="weights"))
        centres = np.array(TERMS.ordered(found["centres"], where="centres"))
        provenance = str(found["provenance"])
    except (ValueError, KeyError, TypeError, ConfigError, ContractError) as error:
        raise ConfigError(
            f"{where}: expected a calibration artifact with a weight and a centre for each of {', '.join(TERMS)}, found "
            f"{error}. Calibrate again."
        ) from error
    if not np.isfinite(coefficients).all() or (coefficients < 0).any():
        raise ConfigError(f"{where}: weights must be finite and not negative, found {coefficients.tolist()}")
    for what, here in (("task", task), ("backbone", backbone)):
        if found.get(what) == here:
            continue
        if not accepts_others:
            raise ConfigError(
                f"{where}: fitted for {what} {found.get(what)!r}, this run has {here!r}. Calibrate for this one, or set "
                "`value.fitted_elsewhere: accept`."
            )
        provenance += f"; accepted though fitted for another {what}"
    return Weights("fitted", coefficients, centres, provenance)


def _solve(terms: Floats, performance: Floats, ridge: float) -> tuple[Floats, Floats]:
    centres, spread = terms.mean(axis=0), terms.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    design = -(terms - centres) / scale * (spread > 0)
    aim = performance - performance.mean()
    # Ridge as extra rows: |A w - b|^2 + ridge K |w|^2.
    rows = np.vstack([design, np.sqrt(ridge * len(aim)) * np.eye(len(TERMS))])
    solution, _ = nnls(rows, np.concatenate([aim, np.zeros(len(TERMS))]))
    return solution / scale, centres


def _left_out_error(terms: Floats, performance: Floats, ridge: float) -> float:
    errors = []
    for out in range(len(performance)):
        kept = np.arange(len(performance)) != out
        coefficients, centres = _solve(terms[kept], performance[kept], ridge)
        predicted = performance[kept].mean() - (terms[out] - centres) @ coefficients
        errors.append((performance[out] - predicted) ** 2)
    return float(np.mean(errors))
