"""Coefficients of arXiv 2510.01631, Tables 4 and 5, as the paper prints them; D in billions of tokens, N of parameters."""

from __future__ import annotations

import numpy as np

from mixval.scaling.fitting import Fit
from mixval.scaling.laws import LAWS

NAMES = ("CC", "HQ", "67HQ", "33HQ", "QA", "67QA", "33QA", "TX", "67TX", "33TX")
TABLE_4 = {
    "CC": (1.75424788, 0.55550749, 2.82671678),
    "HQ": (2.08762692, 0.48937729, 2.74887338),
    "67HQ": (1.87764133, 0.51033911, 2.53811788),
    "33HQ": (1.78983191, 0.48672269, 2.50490252),
    "QA": (1.95783297, 0.54444664, 2.70446033),
    "67QA": (1.73878781, 0.52813484, 2.53989634),
    "33QA": (1.71111225, 0.50447156, 2.54857649),
    "TX": (2.25602694, 0.38402667, 3.26734143),
    "67TX": (2.2130317, 0.42750747, 2.73600177),
    "33TX": (2.06636438, 0.44070694, 2.6117112),
}
"""B, beta, E of L(D) = E + B / D^beta at 1B parameters."""
TABLE_5 = {
    "CC": (0.56088365, 0.37639592, 2.491062),
    "HQ": (0.41624816, 0.48890806, 2.6459769),
    "67HQ": (0.44475769, 0.45415438, 2.35668164),
    "33HQ": (0.43919198, 0.4587784, 2.3364956),
    "QA": (0.35099494, 0.59004325, 2.68957867),
    "67QA": (0.49017589, 0.40797778, 2.31629037),
    "33QA": (0.69735727, 0.31327323, 2.09815169),
    "TX": (0.60660315, 0.41653062, 3.17632391),
    "67TX": (0.55037357, 0.42453172, 2.61596734),
    "33TX": (0.48812362, 0.45212858, 2.49067997),
}
"""A, alpha, E of L(N) = E + A / N^alpha at 50B tokens."""


def paper_fit(law: str, coefficients: tuple[float, float, float]) -> Fit:
    """A law with the paper's coefficients, as if it had been fitted."""
    scale, exponent, asymptote = coefficients
    return Fit(
        law=LAWS[law],
        shift=np.zeros(1),
        theta=np.array([exponent]),
        coefficients=np.array([asymptote, scale]),
        delta=1e-3,
        objective=0.0,
        n_starts=1,
        share_at_best=1.0,
        at_bounds=(),
        residuals=np.zeros(1),
        sigma=0.0,
    )


DATA = {name: paper_fit("data", one) for name, one in TABLE_4.items()}
SIZE = {name: paper_fit("size", one) for name, one in TABLE_5.items()}
