"""Eq. 8 of arXiv 2511.13640 in one process: its terms from shared quantities, its weight rules, its single terms.

Terms are those of the package's defaults: mean loss by example; unbiased MMD over five bandwidths about T's median, by part;
exact NTK of the own label's logit over a sample of rows, residual 1 - f, damping 0.01 of the mean diagonal. Loss and
discrepancy have standard errors, in closed form; the NTK term has none here. A part of a single row, for which there is no
unbiased MMD, is counted with the other part in the discrepancy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from mixval.contracts.parts import PARTS
from mixval.contracts.terms import TERMS
from mixval.evidence.baselines.forward_pass import Pass
from mixval.evidence.baselines.inputs import Contributor, Inputs
from mixval.evidence.baselines.method import Need
from mixval.terms.arrays import Floats, Masks
from mixval.terms.composition.term import composition_term
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.discrepancy.mmd import TargetStatistics, measure_part, target_statistics
from mixval.terms.loss.mean import estimate_loss
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.terms.parts import combine_parts, combine_variances
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.score import value
from mixval.valuation.weights import weigh

MULTIPLIERS = (0.25, 0.5, 1.0, 2.0, 4.0)
DAMPING = 0.01
Term = Callable[[Inputs, int], tuple[Floats, Floats]]
"""From inputs and a seed to (K,) terms and (K,) standard errors."""


def loss_term(inputs: Inputs, _: int) -> tuple[Floats, Floats]:
    """(K,) pi L(S1) + (1 - pi) L(S2), nats."""
    return _by_contributor(inputs, lambda one, own: _mixed(one.is_real, one.is_real, lambda rows: _part_loss(own, rows)))


def discrepancy_term(inputs: Inputs, _: int) -> tuple[Floats, Floats]:
    """(K,) pi D(T,S1) + (1 - pi) D(T,S2)."""
    features = inputs.passes().target.features
    median = median_bandwidth(features)
    target = target_statistics(features, [median * multiplier for multiplier in MULTIPLIERS])
    return _by_contributor(
        inputs, lambda one, own: _mixed(one.is_real, _paired(one.is_real), lambda rows: _part_mmd(target, own, rows))
    )


def ntk_term(inputs: Inputs, seed: int) -> tuple[Floats, Floats]:
    """(K,) sqrt(r' (Theta + lambda I)^-1 r / n)."""
    terms = [quadratic_form(gram.theta, 1 - gram.outputs, DAMPING).term for gram in inputs.grams(seed)]
    return np.array(terms), np.zeros(len(terms))


def composition(inputs: Inputs, _: int) -> tuple[Floats, Floats]:
    """(K,) sqrt(max(pi, 1 - pi) / n)."""
    terms = [composition_term(one.n_real, one.n_rows - one.n_real) for one in inputs.contributors]
    return np.array(terms), np.zeros(len(terms))


class SingleTerm(NamedTuple):
    """A term as measured here, and the method that ranks by it alone."""

    method: str
    measure: Term
    needs: frozenset[Need] = frozenset()


SINGLE_TERMS: dict[str, SingleTerm] = {
    "loss": SingleTerm("loss", loss_term, frozenset({"features"})),
    "discrepancy": SingleTerm("mmd", discrepancy_term, frozenset({"features"})),
    "ntk": SingleTerm("ntk-term", ntk_term, frozenset({"gradients"})),
    "composition": SingleTerm("composition", composition),
}
"""By the term's name. One that is not among them is 0 for all contributors, and so has no weight there."""


def term_estimates(inputs: Inputs, seed: int, terms: Collection[str] = SINGLE_TERMS.keys()) -> TermEstimates:
    """The terms, in the order of `TERMS`; those that are not among `terms` are 0 for all."""
    zeros = np.zeros(len(inputs.contributors))
    found = [SINGLE_TERMS[term].measure(inputs, seed) if term in terms else (zeros, zeros) for term in TERMS]
    names = tuple(one.name for one in inputs.contributors)
    return TermEstimates(names, np.stack([each[0] for each in found], 1), np.stack([each[1] for each in found], 1), None)


def weighted(inputs: Inputs, seed: int, rule: str) -> Floats:
    """(K,) values under a weight rule that needs no truth. What `published` weighs with 0 is not paid for."""
    weighed = [term for term in SINGLE_TERMS if TERMS[term].published_weight > 0 or rule != "published"]
    estimates = term_estimates(inputs, seed, weighed)
    return value(estimates, weigh(estimates, rule)).values


def single(inputs: Inputs, seed: int, term: Term) -> Floats:
    """(K,) minus one term."""
    return -term(inputs, seed)[0]


def _by_contributor(inputs: Inputs, measure: Callable[[Contributor, Pass], tuple[float, float]]) -> tuple[Floats, Floats]:
    passes = inputs.passes().contributors
    pairs = [measure(one, own) for one, own in zip(inputs.contributors, passes, strict=True)]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


def _mixed(is_real: Masks, part: Masks, measure: Callable[[Masks], tuple[float, float]]) -> tuple[float, float]:
    """A term over both parts with its standard error; `part` says which rows are measured as real."""
    rows = dict(zip(PARTS, (part, ~part), strict=True))
    n_real = int(part.sum())
    found = {name: measure(chosen) if chosen.any() else (0.0, 0.0) for name, chosen in rows.items()}
    counts = n_real, len(is_real) - n_real
    variance = combine_variances({name: each[1] ** 2 for name, each in found.items()}, *counts)
    return combine_parts({name: each[0] for name, each in found.items()}, *counts), math.sqrt(variance)


def _paired(is_real: Masks) -> Masks:
    """Which rows are measured as real: all or none, where a part has a single row."""
    n_real = int(is_real.sum())
    if min(n_real, len(is_real) - n_real) != 1:
        return is_real
    return np.full(len(is_real), 2 * n_real >= len(is_real))


def _part_loss(own: Pass, rows: Masks) -> tuple[float, float]:
    estimate = estimate_loss(own.losses[rows], own.counts[rows], "example")
    return estimate.mean, estimate.standard_error or 0.0


def _part_mmd(target: TargetStatistics, own: Pass, rows: Masks) -> tuple[float, float]:
    """The MMD and, by the delta method, its standard error; at 0, where the root has no slope, that of the square's root."""
    estimate = measure_part(target, own.features[rows])
    error = estimate.standard_error or 0.0
    return estimate.value, error / (2 * estimate.value) if estimate.value**2 > error else math.sqrt(error) / 2
