"""Agreement of scores with truth: Spearman, Kendall, Pearson, and the regret of choosing the five with the best scores.

Letters: R pairs of rows, K contributors. Every function takes scores and truth, both (R, K), and gives one number a row, so
that the statistic of a whole world and those of its resamples are one and the same code. Ties have average ranks. A row
whose scores or truth are all equal has correlations 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import Floats

TOP = 5
"""Contributors that `top_regret` picks; half of them where there are fewer than ten."""
PAIR_SIGNS = 2**22
"""Signs of pairs of contributors that `kendall` has in memory at a time: 4 MiB a side."""
Statistic = Callable[[Floats, Floats], Floats]


def spearman(scores: Floats, truth: Floats) -> Floats:
    """(R,) Spearman's rho: the Pearson correlation of average ranks."""
    return pearson(rankdata(scores, axis=1), rankdata(truth, axis=1))


def pearson(scores: Floats, truth: Floats) -> Floats:
    """(R,) Pearson's r."""
    a, b = (_standardised(side) for side in (scores, truth))
    correlations: Floats = np.clip((a * b).sum(1), -1.0, 1.0)
    return correlations


def kendall(scores: Floats, truth: Floats) -> Floats:
    """(R,) Kendall's tau-b, (P - Q) / sqrt(pairs untied in scores * pairs untied in truth), Kendall 1945."""
    at_once = max(1, PAIR_SIGNS // scores.shape[1] ** 2)
    found = np.zeros(len(scores))
    for start in range(0, len(scores), at_once):
        a, b = (_pair_signs(side[start : start + at_once]) for side in (scores, truth))
        concordance, untied = (a * b).sum((1, 2), dtype=np.float64), np.sqrt(_untied(a) * _untied(b))
        np.divide(concordance, untied, out=found[start : start + at_once], where=untied > 0)
    return found


def top_regret(scores: Floats, truth: Floats) -> Floats:
    """(R,) mean truth of the truly best five, less that of the five that scores name, in units of best five less worst five.

    0 for the best choice, 1 for the worst; 0 where truth does not vary. Contributors whose scores tie for the last places
    share them: the regret is then that of a fair lot.
    """
    n = max(1, min(TOP, scores.shape[1] // 2))
    ordered = np.sort(truth, axis=1)
    best, worst = ordered[:, -n:].mean(1), ordered[:, :n].mean(1)
    last = np.partition(scores, -n, axis=1)[:, [-n]]
    above, tied = scores > last, scores == last
    shared = (truth * tied).sum(1) / tied.sum(1)
    chosen = ((truth * above).sum(1) + (n - above.sum(1)) * shared) / n
    spread = best - worst
    return np.asarray(np.divide(best - chosen, spread, out=np.zeros(len(scores)), where=spread > 0))


STATISTICS: dict[str, Statistic] = {
    "spearman": spearman,
    "kendall": kendall,
    "pearson": pearson,
    "top_regret": top_regret,
}


def of_world(name: str, scores: Floats, truth: Floats) -> float:
    """The statistic of one world's scores (K,) and truth (K,). Raises for what cannot be compared."""
    check(scores, truth)
    return float(STATISTICS[name](scores[None], truth[None])[0])


def check(scores: Floats, truth: Floats) -> None:
    """Raises ShapeError unless both are (K,) with K of at least 2, NumericalError for what is not finite."""
    if scores.ndim != 1 or scores.shape != truth.shape or len(scores) < 2:
        raise ShapeError(
            f"scores and truth must hold one number for each of at least two contributors; found shapes {scores.shape} and "
            f"{truth.shape}. Compare the same contributors."
        )
    if not (np.isfinite(scores).all() and np.isfinite(truth).all()):
        raise NumericalError("scores and truth must be finite, found NaN or infinity. Leave those contributors out.")


def _standardised(rows: Floats) -> Floats:
    """Rows of mean 0 and length 1; a row of one value becomes zeros."""
    is_constant = (rows == rows[:, :1]).all(1, keepdims=True)
    centred = np.where(is_constant, 0.0, rows - rows.mean(1, keepdims=True))
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 0))


def _pair_signs(rows: Floats) -> np.ndarray:
    above, below = (compare(rows[:, :, None], rows[:, None, :]) for compare in (np.greater, np.less))
    return above.astype(np.int8) - below.astype(np.int8)


def _untied(signs: np.ndarray) -> Floats:
    counts: Floats = np.abs(signs).sum((1, 2), dtype=np.float64)
    return counts
