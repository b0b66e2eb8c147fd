"""DAVINZ: data valuation at initialisation (Wu, Shu, Low, ICML 2022), v = -kappa NTK - MMD, kappa = mean MMD / mean NTK.

The NTK term is its permuted block-diagonal one, sqrt(r' Theta^-1 r / n) in 100 blocks, f the own label's logit, r = 1 - f, with
1e-4 added to the diagonal. The MMD is on pixels with one bandwidth of 5; for texts, which have no pixels, on frozen features
with T's median distance.
"""

from __future__ import annotations

import numpy as np

from mixval.config.tasks import spec_of
from mixval.evidence.baselines.discrepancies import DAVINZ_BANDWIDTH, pooled_mmd
from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.ntk.quadratic import quadratic_form

DAMPING = 1e-4
BLOCKS = 100


def davinz(inputs: Inputs, seed: int) -> Floats:
    """(K,) values; rows of a Gram matrix come in random order."""
    if "pixels" in spec_of(inputs.task).features:
        pixels = inputs.pixels()
        distances = pooled_mmd(pixels.contributors, pixels.target, [DAVINZ_BANDWIDTH])
    else:
        passes = inputs.passes()
        parts = [one.features for one in passes.contributors]
        distances = pooled_mmd(parts, passes.target.features, [median_bandwidth(passes.target.features)])
    return balanced(ntk_terms(inputs, seed), distances)


def ntk_terms(inputs: Inputs, seed: int) -> Floats:
    """(K,) its NTK terms."""
    forms = [quadratic_form(gram.theta, 1 - gram.outputs, DAMPING, "absolute", BLOCKS) for gram in inputs.grams(seed)]
    return np.array([form.term for form in forms])


def balanced(terms: Floats, distances: Floats) -> Floats:
    """-kappa NTK - MMD."""
    kappa = distances.mean() / terms.mean() if terms.mean() > 0 else 0.0
    return -kappa * terms - distances
