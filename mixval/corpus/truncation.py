"""Where a synthetic part stops: the rank in a reference from which on it has less and less of what the reference has.

    q(r) = c p(r) g(r),   g(r) = 1 / (1 + (r / k)^(1 / s))

p are the reference's shares by rank, q the synthetic ones, k the cut-off rank, at which half is kept, s the softness, in units
of log r (0: nothing beyond k, everything before it), and sum p (1 - g) the lost mass. c, at most 1 / sum p g, is free, so that
things which the reference lacks do no harm. Synthetic counts are summed over things of like reference counts; a sum has the
variance of counts, of the shares given the reference's counts (`frequencies.py`), and of things that are more or less frequent
for other reasons, whose extent is fitted too. Intervals are of the profile likelihood.

Where the reference's things are all alike there are no ranks; what is surely lacking is said of any counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import beta, chi2

from mixval.corpus.frequencies import Shares, shares_of
from mixval.corpus.gaps import LEAST_IN_TARGET, RARE
from mixval.corpus.jackknife import LEVEL, Estimate
from mixval.corpus.kept_counts import Sums, Things

CUTS = 90
BEYOND = 8.0
"""Ranks that are looked at, over the things that were seen: small losses in the tail."""
SOFT = (0.0, 0.03, 0.06, 0.09, 0.12, 0.16, 0.2, 0.25, 0.3, 0.36, 0.43, 0.52, 0.65, 0.8, 1.0, 1.3)
"""Softness that is looked at."""
SOFT_ENOUGH = 0.2
"""Softness from which on a rank is known no better than how many things have a larger share."""
RANK_SPREAD = 0.75
"""Of the root of the summed variances of what is above a share: over draws, ranks deviate by 0.4 to 0.85 of it."""
LEAST_TOLD, RARE_ERROR = 5.0, 0.1
"""Times that the reference has the things at the last rank that can be told: ranks of rarer ones are off by a tenth."""
HARDEST = 0.01
"""What stands for a softness of 0."""
LEAST_ALONE = 3.0
"""Times, of the reference and expected of the sample, from which on a thing counts by itself."""
LEAST_SUMS = 5
LEAKED = 1e-4
"""Of what lies beyond the cut-off, so that one wrong rank does not make a cut impossible."""
REFINED = 60.0
"""Deviance by sums up to which a pair is looked at thing by thing."""
BUDGET = float(chi2.ppf(LEVEL, 1))
"""Deviance within which a pair is not refused."""
WHOLE_BUDGET = float(chi2.ppf(LEVEL, 2))
"""The same of no cut-off, which has two parameters fewer."""
WIDEST = 20.0
"""Ratio of the ends of the rank's interval from which on the rank cannot be told."""


@dataclass(frozen=True)
class Truncation:
    """Where a sample stops beside a reference."""

    n_reference: int
    n_synthetic: int
    n_things: int
    """Distinct ones in the reference."""
    cut: Estimate
    """k; NaN where it cannot be told. The upper end is NaN where no cut-off is in the interval."""
    softness: Estimate
    lost: Estimate
    """Of the reference's mass; NaN where nothing can be told."""
    n_lacking: int
    """Things of which the sample surely has less than a tenth of the reference's share."""
    lacking: float
    """Their share of the reference."""
    reason: str
    """Why the cut-off cannot be told; empty where it can."""


def truncation(reference: np.ndarray, synthetic: np.ndarray, phi_reference: float = 1.0, phi: float = 1.0) -> Truncation:
    """Of (V,) whole counts; `phi` as `frequencies.excess_variance`."""
    n_reference, n_synthetic = int(reference.sum()), int(synthetic.sum())
    n_lacking, lacking = _lacking(reference, synthetic, phi_reference, phi)
    n_things = int((reference > 0).sum())

    def told(cut: Estimate, softness: Estimate, lost: Estimate, reason: str) -> Truncation:
        return Truncation(n_reference, n_synthetic, n_things, cut, softness, lost, n_lacking, lacking, reason)

    unknown = Estimate(float("nan"))
    if not n_reference or not n_synthetic:
        return told(unknown, unknown, unknown, "there are no counts")
    shares = shares_of(reference, phi_reference)
    cuts, softness = _grid(shares)
    kept = LEAKED + (1 - LEAKED) * expit((np.log(cuts) - np.log(shares.ranks)[:, None]) / np.maximum(softness, HARDEST))
    kept = np.concatenate([kept, np.ones((len(kept), 1))], axis=1)  # last: no cut-off
    least = max(LEAST_ALONE, LEAST_ALONE * n_reference / n_synthetic)
    sums = Sums.of(reference, synthetic, shares, kept, least)
    if len(sums.observed) < LEAST_SUMS:
        return told(unknown, unknown, unknown, "too few rows, or things that are all as frequent, so that there are no ranks")
    deviance = _deviance(sums, Things.of(reference, synthetic, shares, least), shares, kept, phi)
    lost = np.clip(1 - shares.mass @ kept, 0.0, 1.0)
    of_rare = np.where(shares.nodes < LEAST_TOLD, shares.mass, 0.0) @ (1 - kept)
    errors = np.sqrt(phi_reference * lost * (1 - lost) / n_reference + (RARE_ERROR * of_rare) ** 2)
    limit = float(np.interp(LEAST_TOLD, shares.nodes, shares.ranks))
    return told(*_estimates(_Candidates(cuts, softness, lost, deviance, errors, _rank_errors(shares, cuts), limit)))


def _deviance(sums: Sums, things: Things, shares: Shares, kept: np.ndarray, phi: float) -> np.ndarray:
    """(C,) -2 log likelihood ratio to the best pair; infinite for those that sums alone refuse."""
    coarse, scale, other = sums.fitted(phi)
    found = np.full(len(coarse), -np.inf)
    for at in np.flatnonzero(2 * (coarse.max() - coarse) < REFINED).tolist():
        mean = scale[at] * shares.nodes * kept[:, at]
        found[at] = sums.of_rare(at, scale[at], other[at], phi) + things.log_likelihood(mean, other[at], phi)
    gap: np.ndarray = 2 * (found.max() - found)
    return gap


@dataclass(frozen=True)
class _Candidates:
    """C pairs of k and s; `lost`, its `errors` and `deviance` have no cut-off as one more."""

    cuts: np.ndarray
    softness: np.ndarray
    lost: np.ndarray
    deviance: np.ndarray
    errors: np.ndarray
    rank_errors: np.ndarray
    """(C,) of the logarithm of k, for how many things are above a share is estimated too."""
    limit: float
    """The last rank at which things come often enough to be told from others."""


def _estimates(found: _Candidates) -> tuple[Estimate, Estimate, Estimate, str]:
    """Best ones and their intervals: ends are those of all candidates that are not refused."""
    cuts, softness, deviance = found.cuts, found.softness, found.deviance
    budget = np.append(np.full(len(cuts), BUDGET), WHOLE_BUDGET)
    left = np.sqrt(np.maximum(budget - deviance, 0.0))
    best, inside = int(np.argmin(deviance)), left > 0
    wide = left * found.errors
    low, high = (found.lost - wide)[inside].min(), (found.lost + wide)[inside].max()
    of_lost = Estimate(float(found.lost[best]), max(0.0, float(low)), min(1.0, float(high)))
    unknown, chosen = Estimate(float("nan")), inside[:-1]
    if not chosen.any():
        return unknown, unknown, of_lost, "no cut-off is shown"
    at = int(np.argmin(deviance[:-1]))
    # At a hard cut the counts themselves tell which things are kept; the softer it is, the less.
    error = float(left[at] * found.rank_errors[at] * min(1.0, softness[at] / SOFT_ENOUGH))
    first, last = _ends(np.log(cuts), deviance[:-1])
    middle = math.log(cuts[at])
    first, last = (math.exp(middle + sign * math.hypot(end - middle, error)) for sign, end in ((-1, first), (1, last)))
    if inside[-1]:
        return Estimate(float("nan"), min(first, found.limit)), unknown, of_lost, "no cut-off is shown"
    if last / first > WIDEST or last > found.limit:
        why = "the counts do not tell at which rank it stops"
        return Estimate(float("nan"), min(first, found.limit)), unknown, of_lost, why
    below, above = _ends(softness, deviance[:-1])
    soft = Estimate(float(softness[at]), below, float("nan") if above >= SOFT[-1] else above)
    return Estimate(float(cuts[at]), first, last), soft, of_lost, ""


def _ends(values: np.ndarray, deviance: np.ndarray) -> tuple[float, float]:
    """Where the profile of the deviance over these values crosses the level, straight between those looked at."""
    known, places = np.unique(values, return_inverse=True)
    profile = np.full(len(known), REFINED)
    np.minimum.at(profile, places, deviance)
    inside, level = np.flatnonzero(profile <= BUDGET), BUDGET
    ends = []
    for place, step in ((int(inside[0]), -1), (int(inside[-1]), 1)):
        beyond = place + step
        if not 0 <= beyond < len(known):
            ends.append(float(known[place]))
            continue
        share = (level - profile[place]) / (profile[beyond] - profile[place])
        ends.append(float(known[place] + share * (known[beyond] - known[place])))
    return ends[0], ends[1]


def _rank_errors(shares: Shares, cuts: np.ndarray) -> np.ndarray:
    """(C,) standard errors of log k: of how many things have a larger share, given all counts."""
    above = np.cumsum(shares.given[:, ::-1], axis=1)[:, ::-1]
    variance = shares.multiplicity @ (above * (1 - above))
    at_cuts = np.interp(-np.log(cuts), -np.log(shares.ranks), variance)
    found: np.ndarray = RANK_SPREAD * np.sqrt(np.maximum(at_cuts, 0.0)) / cuts
    return found


def _grid(shares: Shares) -> tuple[np.ndarray, np.ndarray]:
    """(C,) cut-off ranks and softness, in all pairs; ranks are within those that the counts tell apart."""
    last = max(2.0, float(shares.multiplicity.sum()))
    ranks = np.unique(np.concatenate([np.arange(1.0, min(last, 12.0) + 1), np.geomspace(1.0, BEYOND * last, CUTS)]))
    cuts, softness = np.meshgrid(ranks, SOFT)
    return cuts.ravel(), softness.ravel()


def _lacking(reference: np.ndarray, synthetic: np.ndarray, phi_reference: float, phi: float) -> tuple[int, float]:
    """Things whose synthetic share is surely below a tenth of the reference's, and their share of the reference."""
    n, m = float(reference.sum()), float(synthetic.sum())
    if not n or not m:
        return 0, 0.0
    often = np.flatnonzero(reference >= LEAST_IN_TARGET)
    ours, theirs = synthetic[often] / phi, reference[often] / phi_reference
    # Of both counts' sum the synthetic share has a beta distribution; at a tenth of the reference's share it is `even`.
    even = RARE * (m / phi) / (RARE * (m / phi) + n / phi_reference)
    sure = np.asarray(beta.ppf((1 + LEVEL) / 2, ours + 1, theirs) < even)
    return int(sure.sum()), float(reference[often][sure].sum() / n)
