"""Half-samples of an MMD from mean embeddings alone: replicate r keeps the same half of the row groups of T and of the part.

Letters: R replicates, G groups, F frequencies. Equal rows share a group, wherever they are, so contributors that share rows
share them in every replicate.
"""

import numpy as np

from mixval.terms.arrays import Floats, Masks
from mixval.terms.discrepancy.mmd import Estimator, Scale, scaled, squared_mmd
from mixval.terms.discrepancy.random_features import MeanEmbedding

FEWEST = 4
"""Rows below which a half is too small for an unbiased MMD: the replicate then takes the whole set."""


def embedded_half_samples(
    target: MeanEmbedding,
    part: MeanEmbedding,
    kept: Masks,  # (R, G) bool
    estimator: Estimator = "unbiased",
    scale: Scale = "root",
) -> Floats:  # (R,)
    """The MMD of each half of the part against the same half of T. Cost: 2 R G F products for each."""
    (m, t), (n, s) = _halves(target, kept), _halves(part, kept)
    at_zero = float(target.settings.weights.sum())
    tt, ss = (t**2).sum(axis=1) - m * at_zero, (s**2).sum(axis=1) - n * at_zero
    return scaled(squared_mmd(tt, ss, (t * s).sum(axis=1), m, n, at_zero, estimator), scale)


def halved(counts: Floats, kept: Masks) -> Masks:
    """(R, G) the groups that each replicate keeps of a set with (G,) rows: all where it would keep fewer than `FEWEST` rows."""
    return np.asarray(kept | (kept @ counts < FEWEST)[:, None])


def _halves(embedding: MeanEmbedding, kept: Masks) -> tuple[Floats, Floats]:
    """(R,) rows and (R, 2F) sums of phi of each half."""
    mask = halved(embedding.group_counts, kept).astype(np.float64)
    return mask @ embedding.group_counts, mask @ embedding.group_sums
