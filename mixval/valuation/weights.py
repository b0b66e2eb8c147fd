"""Weights of the terms: v = -sum_j w_j (t_j - c_j), higher is better (Eq. 8, arXiv 2511.13640).

The published regression onto the average of loss and MMD gives (1/2, 1/2, 0, 0) exactly; `davinz` is the value of
DAVINZ, v = -kappa NTK - MMD with kappa = mean MMD / mean NTK; the other rules are ours.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

import numpy as np

from mixval.contracts.terms import TERMS
from mixval.errors import ConfigError
from mixval.terms.arrays import Masks
from mixval.valuation.estimates import Floats, TermEstimates

SHIPPED = "shipped_weights.json"
"""Written by `python -m benchmarks.evidence.weights`."""


@dataclass(frozen=True)
class Weights:
    """Weights and where they come from."""

    rule: str
    coefficients: Floats
    """(T,) w_j, in score per unit of the term; never negative."""
    centres: Floats
    """(T,) c_j; 0 for rules that do not centre. A shift common to all contributors changes no rank."""
    provenance: str
    """In one sentence."""

    def as_dict(self) -> dict[str, float]:
        """Weight by term."""
        return dict(zip(TERMS, map(float, self.coefficients), strict=True))


def published(_: TermEstimates) -> Weights:
    """The published regression taken literally: each term's `published_weight`, (1/2, 1/2, 0, 0)."""
    coefficients = np.array([term.published_weight for term in TERMS.values()])
    return Weights("published", coefficients, _uncentred(), "regression onto (loss + MMD) / 2, as published")


def scale_matched(estimates: TermEstimates) -> Weights:
    """w_j = 1 / mean of term j; 0 where the mean is 0."""
    means = np.abs(estimates.terms.mean(axis=0))
    return Weights("scale-matched", _inverse(means), _uncentred(), "1 / mean of each term over these contributors")


def equal_z(estimates: TermEstimates, uninformative: str = "drop") -> Weights:
    """Each term standardised over contributors, then averaged; a term within its own noise is dropped unless `keep`."""
    used = _used(estimates, uninformative)
    coefficients = np.where(used, _inverse(estimates.spread()), 0.0) / max(int(used.sum()), 1)
    names = ", ".join(term for term, use in zip(TERMS, used, strict=True) if use) or "none"
    return Weights(
        "equal-z",
        coefficients,
        estimates.terms.mean(axis=0),
        f"1 / spread over these contributors; terms used: {names}",
    )


def shipped(estimates: TermEstimates, uninformative: str = "drop") -> Weights:
    """w_j = b_j / spread of term j, b fitted to other contributors' truth (`shipped_weights.json`); noise as in `equal_z`."""
    shipped_file = json.loads(resources.files("mixval.valuation").joinpath(SHIPPED).read_text(encoding="utf-8"))
    standard = np.array(TERMS.ordered(shipped_file["weights"], where="weights: shipped"))
    coefficients = np.where(_used(estimates, uninformative), standard * _inverse(estimates.spread()), 0.0)
    return Weights("shipped", coefficients, estimates.terms.mean(axis=0), str(shipped_file["provenance"]))


def davinz(estimates: TermEstimates) -> Weights:
    """v = -kappa NTK - MMD with kappa = mean MMD / mean NTK over these contributors."""
    discrepancy, ntk = (float(estimates.of(term).mean()) for term in ("discrepancy", "ntk"))
    kappa = discrepancy / ntk if ntk > 0 else 0.0
    coefficients = np.array(TERMS.ordered(dict.fromkeys(TERMS, 0.0) | {"discrepancy": 1.0, "ntk": kappa}, where="davinz"))
    return Weights("davinz", coefficients, _uncentred(), f"kappa = mean MMD / mean NTK = {kappa:.6g}")


STANDARDISED: dict[str, Callable[[TermEstimates, str], Weights]] = {"equal-z": equal_z, "shipped": shipped}
"""Rules that standardise terms, and so would amplify a term that is noise only."""
RULES: dict[str, Callable[[TermEstimates], Weights]] = {
    "published": published,
    "scale-matched": scale_matched,
    "davinz": davinz,
}


def weigh(estimates: TermEstimates, rule: str, fitted: Weights | None = None, uninformative: str = "drop") -> Weights:
    """Weights by the rule's name. `fitted` must be given for, and only for, the rule of that name."""
    if rule == "fitted":
        if fitted is None:
            raise ConfigError("weights: expected a calibration artifact for `fitted`, found none. Set `value.fitted_weights`.")
        return fitted
    if rule in STANDARDISED:
        return STANDARDISED[rule](estimates, uninformative)
    if rule not in RULES:
        raise ConfigError(f"weights: expected one of {[*STANDARDISED, *RULES, 'fitted']}, found {rule!r}")
    return RULES[rule](estimates)


def _used(estimates: TermEstimates, uninformative: str) -> Masks:
    """(T,) terms that vary, and by more than their noise unless `uninformative` is `keep`."""
    varies: Masks = estimates.spread() > 0
    return varies & estimates.informative() if uninformative == "drop" else varies


def _uncentred() -> Floats:
    """(T,) the centres of a rule that has none."""
    return np.zeros(len(TERMS))


def _inverse(values: Floats) -> Floats:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
