"""Weights fitted to truth, and how well weights fitted the same way order contributors that they have not seen.

Letters: K contributors, S seeds; terms t (K, T), truth y (K,), the mean metric over seeds; w the fitted weights.

For each fold of left-out contributors, weights and the strength of the ridge are chosen on the others alone (nested, so that
the choice of the strength is tested, too), and those left out get -(t - mean t) . w. The mean is over all contributors: it
knows no truth and moves everybody alike. The mean truth of a fold's others is left out of the score on purpose: it falls as
the left-out truth rises, so that predictions which hold it are anti-correlated with the truth when the terms say nothing.

Over worlds, whose terms and truths have scales of their own, both are standardised within each world first, so that weights
travel: a world's contributors get -z(t) . w, with w fitted to z(t) and z(y) of other worlds together.

The interval of the Spearman correlation r is that of Bonett and Wright (Psychometrika 65, 2000): tanh(atanh r -+ z s) with
s^2 = (1 + r^2 / 2) / (K - 3). A perfect r is moved by half of the smallest step that ranks of K can make, 6 / (K (K^2 - 1)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from mixval.errors import ConfigError
from mixval.valuation.estimates import Floats
from mixval.valuation.fitting import Fit, fit_weights

FEWEST = 6
"""Contributors: leaving one out, weights are fitted to five."""
MOST_FOLDS = 20
"""Up to as many contributors each is left out alone; beyond, every twentieth is in one fold."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class RankAgreement:
    """A Spearman correlation with its interval."""

    spearman: float
    """NaN where one side does not vary."""
    low: float
    high: float
    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class CalibratedFit:
    """Weights from all contributors, and what weights from the others say of each."""

    fit: Fit
    left_out: Floats
    """(K,) scores of contributors that their weights have not seen; higher is better."""
    agreement: RankAgreement
    """Of `left_out` with the truth."""


def calibrate_weights(terms: Floats, truth: Floats, provenance: str) -> CalibratedFit:
    """Non-negative ridge weights for `terms` (K, T) on `truth` (K,). Raises ConfigError for less than six contributors."""
    if len(truth) < FEWEST:
        raise ConfigError(
            f"calibration: expected at least {FEWEST} contributors with terms and truth, found {len(truth)}. Add contributors, "
            "or see in the run why some have none."
        )
    left_out = left_out_scores(terms, truth)
    return CalibratedFit(fit_weights(terms, truth, provenance), left_out, rank_agreement(left_out, truth))


def left_out_scores(terms: Floats, truth: Floats) -> Floats:  # (K, T), (K,) -> (K,)
    """Each contributor's score under weights from the other folds. Folds go by position: the same order, the same scores."""
    fold = np.arange(len(truth)) % min(len(truth), MOST_FOLDS)
    centred = terms - terms.mean(axis=0)
    scores = np.empty(len(truth))
    for out in np.unique(fold):
        kept = fold != out
        coefficients = fit_weights(terms[kept], truth[kept], "cross-validation").weights.coefficients
        scores[~kept] = -centred[~kept] @ coefficients
    return scores


def transferred_scores(
    terms: Floats,  # (K, T)
    others: Sequence[tuple[Floats, Floats]],  # terms and truth of each other world
) -> Floats:  # (K,)
    """Scores under weights from other worlds alone. Raises ConfigError where these have less than five contributors."""
    stacked = np.concatenate([standardised(of_world) for of_world, _ in others])
    truth = np.concatenate([standardised(of_world) for _, of_world in others])
    coefficients = fit_weights(stacked, truth, f"{len(others)} other worlds").weights.coefficients
    return np.asarray(-standardised(terms) @ coefficients)


def standardised(values: Floats) -> Floats:
    """Mean 0 and standard deviation 1 over contributors, column by column; 0 where all are equal up to rounding."""
    spread = values.std(axis=0)
    varies = spread > 1e-12 * np.abs(values).max(axis=0)
    return np.asarray(np.divide(values - values.mean(axis=0), spread, out=np.zeros_like(values), where=varies))


def rank_agreement(scores: Floats, truth: Floats) -> RankAgreement:  # (K,), (K,)
    """Spearman correlation of scores and truth, ties by mean rank. All NaN where one of them is constant."""
    a, b = (rankdata(side) - (len(side) + 1) / 2 for side in (scores, truth))
    scale = np.sqrt((a @ a) * (b @ b))
    if scale == 0:
        return RankAgreement(np.nan, np.nan, np.nan)
    n, r = len(scores), float(a @ b / scale)
    limit = 1 - 6 / (n * (n**2 - 1))
    inner = float(np.clip(r, -limit, limit))
    half = norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt((1 + inner**2 / 2) / (n - 3))
    return RankAgreement(r, float(np.tanh(np.arctanh(inner) - half)), float(np.tanh(np.arctanh(inner) + half)))
