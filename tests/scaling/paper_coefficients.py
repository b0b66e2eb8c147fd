"""Coefficients of arXiv 2510.01631, Tables 4 and 5, as the paper prints them; D in billions of tokens, N of parameters."""

from __future__ import annotations

import numpy as np

from mixval.experiments.study.paper import TABLE_4
from mixval.scaling.fitting import Fit
from mixval.scaling.laws import LAWS

NAMES = ("CC", "HQ", "67HQ", "33HQ", "QA", "67QA", "33QA", "TX", "67TX", "33TX")
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
