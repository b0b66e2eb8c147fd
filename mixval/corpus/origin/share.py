"""The real share of scored texts: a mixture of known real scores and of a reference of synthetic ones.

Under each reference (`scoring.py`) the share is estimated by DyS (Maletzke et al. 2019, as QuaPy has it): the mixture of the
two score distributions that is nearest to the corpus'. Whether the corpus' scores are such a mixture is tested by the
Kolmogorov-Smirnov distance, whose distribution comes from draws of the mixture. References that do not fit are dropped; the
interval covers what the others give, with draws of texts and references; if none fits, or real and synthetic texts cannot be
told apart, neither can the share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mixval.corpus.origin.scoring import KNOWN, Scorer
from mixval.errors import ConfigError
from mixval.installing import install_command

LEVEL = 0.95
N_DRAWS = 60
LEAST_SEPARATION = 0.75
"""Area under the ROC curve below which a share is not told."""
LEAST_FIT = 0.02
"""p-value below which a reference does not fit."""
LEAST_TEXTS = 50
DECIMALS = 4
"""Of a share: QuaPy's search ends within 1e-5 of it, so that none or all would else lie beside every interval."""


@dataclass(frozen=True)
class RealShare:
    """A share of real texts in a corpus, or why there is none."""

    value: float
    """NaN where it cannot be told."""
    low: float
    high: float
    fits: dict[str, float]
    """Reference -> p-value of the corpus' scores being its mixture with real ones."""
    reason: str
    """Why it cannot be told; empty where it can."""

    @property
    def is_told(self) -> bool:
        """Whether there is an estimate."""
        return not self.reason


def real_share(scorer: Scorer, scores: np.ndarray, random: np.random.Generator) -> RealShare:
    """The real share of a corpus by its texts' scores."""
    if len(scores) < LEAST_TEXTS:
        return _untold({}, f"at least {LEAST_TEXTS} texts are needed, and there are {len(scores)}")
    if scorer.separation < LEAST_SEPARATION:
        return _untold({}, f"known real and synthetic texts cannot be told apart (area {scorer.separation:.2f})")
    fits, ends, values = dict[str, float](), list[float](), dict[str, float]()
    for name, synthetic in scorer.synthetic.items():
        values[name] = mixture_share(scorer.real, synthetic, scores)
        fits[name] = fit(scorer.real, synthetic, scores, values[name], random)
        if fits[name] >= LEAST_FIT:
            ends += _ends(scorer.real, synthetic, scores, random)
    if not ends:
        return _untold(fits, "the texts are no mixture of real and synthetic ones as they are known")
    told = KNOWN if fits[KNOWN] >= LEAST_FIT else max(fits, key=lambda name: fits[name])
    return RealShare(values[told], min(ends), max(ends), fits, "")


def mixture_share(real: np.ndarray, synthetic: np.ndarray, scores: np.ndarray) -> float:
    """The real share, by DyS."""
    try:
        from quapy.method.aggregative import DyS
    except ImportError as error:
        raise ConfigError(f"real share: expected the package quapy, found none. Run: {install_command('synthesis')}") from error

    quantifier: Any = DyS(_placeholder(), fit_classifier=False, val_split=None)
    known = np.concatenate([real, synthetic])
    quantifier.aggregation_fit(_pairs(known), np.repeat([0, 1], [len(real), len(synthetic)]))
    return round(float(quantifier.aggregate(_pairs(scores))[0]), DECIMALS)


def fit(real: np.ndarray, synthetic: np.ndarray, scores: np.ndarray, share: float, random: np.random.Generator) -> float:
    """p-value of the scores being `share` real ones and the rest synthetic, of draws in which texts and references vary."""
    found = _distance(real, synthetic, scores, share)
    beyond = 0
    for _ in range(N_DRAWS):
        n_real = int(random.binomial(len(scores), share))
        made = np.concatenate([_resampled(real, random, n_real), _resampled(synthetic, random, len(scores) - n_real)])
        known, other = _resampled(real, random), _resampled(synthetic, random)
        beyond += _distance(known, other, made, mixture_share(known, other, made)) >= found
    return (1 + beyond) / (1 + N_DRAWS)


def _ends(real: np.ndarray, synthetic: np.ndarray, scores: np.ndarray, random: np.random.Generator) -> list[float]:
    """Both ends of the interval under one reference, of draws of texts and references."""
    draws = [
        mixture_share(_resampled(real, random), _resampled(synthetic, random), _resampled(scores, random))
        for _ in range(N_DRAWS)
    ]
    tail = (1 - LEVEL) / 2
    low, high = (float(end) for end in np.quantile(draws, [tail, 1 - tail]))
    return [low, high]


def _distance(real: np.ndarray, synthetic: np.ndarray, scores: np.ndarray, share: float) -> float:
    """Largest difference of the distribution functions of the scores and the mixture."""
    places = np.sort(np.concatenate([real, synthetic, scores]))
    below = [np.searchsorted(np.sort(one), places, side="right") / len(one) for one in (real, synthetic, scores)]
    return float(np.abs(share * below[0] + (1 - share) * below[1] - below[2]).max())


def _resampled(values: np.ndarray, random: np.random.Generator, size: int | None = None) -> np.ndarray:
    return random.choice(values, size=len(values) if size is None else size)


def _pairs(scores: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - scores, scores])


def _untold(fits: dict[str, float], reason: str) -> RealShare:
    return RealShare(math.nan, math.nan, math.nan, fits, reason)


@cache
def _placeholder() -> Any:
    """In the place of the classifier, whose scores are here already: QuaPy asks one for its classes alone."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit([[0.0], [1.0]], [0, 1])
