"""What arXiv 2510.01631 says: fitted coefficients as it prints them, and its findings in words."""

from __future__ import annotations

import math

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
"""B, beta, E of L(D) = E + B / D^beta at 1B parameters; D in billions of tokens."""
SHORT = {"hq-rephrase": "HQ", "qa-rephrase": "QA", "textbook": "TX"}
"""Recipe -> its name in the table."""
FIRST, LAST = 1.0, 200.0
"""Billions of tokens between which it trained."""
RATIOS = {
    "hq-rephrase": "about 30 % at all sizes and budgets (200M to 1B parameters, 1B to 50B tokens)",
    "qa-rephrase": "from about 50 % at small sizes and budgets to 30 % at large ones",
    "textbook": "less than 5 % at small sizes and budgets, more at larger ones",
}
"""Good ratios of its section 5.1."""
COLLAPSE = (
    "Its abstract says that mixtures with textbooks show patterns that model collapse predicts, and rephrased text none. By "
    "its Table 4 all gaps of textbooks to web text shrink with data"
)


def gap(recipe: str, per_cent: float, tokens: float) -> float | None:
    """Loss of a mixture less that of web text alone at 1B parameters, by Table 4. None for a mixture that it does not have."""
    prefix = {100.0: "", 67.0: "67", 33.0: "33"}.get(per_cent)
    if prefix is None or recipe not in SHORT:
        return None
    return _loss(f"{prefix}{SHORT[recipe]}", tokens) - _loss("CC", tokens)


def _loss(name: str, tokens: float) -> float:
    scale, exponent, asymptote = TABLE_4[name]
    return asymptote + scale * math.exp(-exponent * math.log(tokens))
