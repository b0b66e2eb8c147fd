"""Eq. 8 of arXiv 2511.13640 as a rival in ratios: its terms of the very rows that are trained on, weighed over the ratios.

A linear head that starts at zero has the same loss, log C, for all rows, and the kernel x . x' where labels agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.mixing.worlds import MixingWorld, Rows
from mixval.contracts.terms import TERMS
from mixval.evidence.baselines.eq8 import DAMPING, MULTIPLIERS
from mixval.terms.arrays import Floats
from mixval.terms.composition.term import composition_term
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.discrepancy.mmd import TargetStatistics, measure_part, target_statistics
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.score import value
from mixval.valuation.weights import weigh

RULE = "equal-z"
Mixture = tuple[Rows, Rows]
"""Real and generated rows."""


def eq8_values(world: MixingWorld, drawn: Sequence[Sequence[Mixture]]) -> list[float]:
    """By ratio, from the draws of rows of each: terms are means over draws."""
    features = world.target.features
    median = median_bandwidth(features)
    target = target_statistics(features, [median * multiplier for multiplier in MULTIPLIERS])
    measured = [np.array([_terms(world, target, *one) for one in draws]) for draws in drawn]
    errors = [terms.std(axis=0, ddof=1) / math.sqrt(len(terms)) for terms in measured]
    names = tuple(str(place) for place in range(len(drawn)))
    estimates = TermEstimates(names, np.array([terms.mean(axis=0) for terms in measured]), np.array(errors), None)
    return [float(one) for one in value(estimates, weigh(estimates, RULE)).values]


def _terms(world: MixingWorld, target: TargetStatistics, real: Rows, synthetic: Rows) -> Floats:
    rows = real + synthetic
    n_real, n = len(real.labels), len(rows.labels)
    parts = [(len(one.labels) / n, measure_part(target, one.features).value) for one in (real, synthetic) if len(one.labels)]
    theta = rows.features @ rows.features.T * (rows.labels[:, None] == rows.labels)
    found = {
        "loss": math.log(world.n_classes),
        "discrepancy": sum(share * distance for share, distance in parts),
        "ntk": quadratic_form(theta, np.ones(n), DAMPING).term,
        "composition": composition_term(n_real, n - n_real),
    }
    return np.array([found[term] for term in TERMS])
