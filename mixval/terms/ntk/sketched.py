"""The NTK term of Eq. 8 (arXiv 2511.13640) from mergeable statistics of sketched gradients, and how far the sketch puts it off.

Letters: n rows; q sketch features; Phi (n, q); A = Phi'Phi; c = Phi'r; lambda as in `quadratic.py`, relative: damping times
trace(A) / n, the mean diagonal of Phi Phi'. By the push-through identity, with x = (A + lambda I)^-1 c,

    r'(Phi Phi' + lambda I)^-1 r = (r'r - c'x) / lambda = min over w of |r - Phi w|^2 / lambda + |w|^2     (at w = x)

The minimum is what is computed, (r'r - 2 c'x + x'Ax) / lambda + x'x: an error in x, or jitter, enters it squared only.

The sketch makes the term too high (the inverse is convex), and noisy. Both come from the statistics alone:

    bias    a sketch acts like the exact kernel with a larger damping kappa = lambda' / (1 - d(lambda') / q), d the effective
            rank trace(A (A + lambda' I)^-1): value(lambda') = (kappa / lambda') r'(Theta + kappa I)^-1 r (Jacot et al., arXiv
            2002.08404; LeJeune et al., arXiv 2211.03751). `extrapolated` takes the lambda' whose kappa is lambda.
    noise   adding the features of q up to sign in random pairs gives a sketch of q / 2 features, and its additional error has
            the variance of the error at q. `extrapolated_error` is the root mean square over `N_FOLDS` such foldings.

This is for features of equal, independent weight, as a count-sketch has. Where Phi is not a sketch but the whole gradient,
`term` is exact, and neither `extrapolated` nor `error` means anything.

Seen with count-sketches of six random spectra and of a small CNN's gradients (n = 96, damping 0.1 to 1e-4, 40 sketches each),
as root mean square errors in % of the exact term, and the largest share of sketches off by more than three times the estimate:

    n / q           1/16     1/4      1/2      1
    term            1-4      2-18     4-46     5-1200   5 % of sketches at most beyond 3 `error` up to 1, 12 % at 2
    extrapolated    1-2      2-5      3-9      4-22     5 % at most beyond 3 `extrapolated_error` up to 1/2, 7 % at 1, 15 % at 2
                                                       (where there is one: not once the sketch is full)

2 term(q) - term(q / 2) (Richardson; two of the worlds) was off by 2-4, 5-16 and 10-800 %. |term(q) - term(q / 2)| is no
estimate of the error: up to 32 % of sketches were beyond three times it at 1/16, and 88 % at 2.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from mixval.errors import NumericalError, ShapeError
from mixval.seeds import generator
from mixval.terms.arrays import Floats
from mixval.terms.ntk.quadratic import DampingMode, _condition, _damped, _solve, _Solved, damping_shift
from mixval.terms.ntk.statistics import GradientStatistics

N_FOLDS = 8
"""Random foldings to q / 2 behind the noise. Together they cost about one factorisation at q."""
LEAST_SCALE = 0.05
"""Least lambda' / lambda: below, the effective rank nearly fills the sketch, and nothing is known of the exact term."""
MOST_STEPS = 30
"""Steps towards lambda': 2 to 7 were seen up to n / q = 1/2, about 14 as the sketch fills. Without an end, it is too full."""


@dataclass(frozen=True)
class SketchedForm:
    """The NTK term with its diagnostics. Everything is dimensionless but `damping` and `jitter`, in units of Theta."""

    value: float
    """r' (Phi Phi' + lambda I)^-1 r."""
    term: float
    """sqrt(value / n)."""
    n: int
    """Rows."""
    q: int
    """Sketch features."""
    damping: float
    """lambda as added to the diagonal."""
    jitter: float
    """Added on top of lambda to find x; 0 unless the factorisation failed without."""
    residual_norm: float
    """|(A + (lambda + jitter) I) x - c| / |c|; 0 when c is 0."""
    condition: float
    """1-norm condition number of A + lambda I, as LAPACK estimates it."""
    effective_rank: float
    """trace(A (A + lambda I)^-1), 0 to min(n, q). Near q, the sketch is full."""
    cancellation: float
    """Relative error of `value` from rounding: the terms that cancel times 2^-52, and an inexact x."""
    extrapolated: float | None
    """The term without the sketch's bias, for q to infinity; None when the sketch is too full to tell."""
    extrapolated_error: float | None
    """Estimated standard error of `extrapolated`; |term - extrapolated| where sketches of q / 2 would be too full."""
    error: float
    """Estimated absolute error of `term` against the exact one, bias, noise and rounding. The term itself when the sketch is
    too full: the exact one lies somewhere below."""


def sketched_form(statistics: GradientStatistics, damping: float, mode: DampingMode = "relative") -> SketchedForm:
    """The NTK term of n rows from sums over them. Cost: 5 to 8 factorisations of q x q; memory: about 5 q^2 float64.

    Raises ShapeError for an odd q, which cannot be folded; NumericalError for no rows, no damping, gradients that are all zero
    under relative damping, a matrix that stays indefinite, or a damping so small that rounding leaves no digit.
    """
    _require_fit(statistics)
    shift = _shift(statistics, damping, mode)
    damped = _damped(statistics.gram, shift)
    solved = _solve(damped, statistics.cross)
    value, cancellation = _minimum(statistics, solved.solution, shift)
    term, rank = math.sqrt(value / statistics.n), _effective_rank(solved, shift)
    extrapolated, noise = _extrapolated(statistics, damping, mode, term, rank)
    off = term if extrapolated is None or noise is None else math.hypot(term - extrapolated, noise)
    missed = damped @ solved.solution + solved.jitter * solved.solution - statistics.cross
    size = float(np.linalg.norm(statistics.cross))
    return SketchedForm(
        value=value,
        term=term,
        n=statistics.n,
        q=statistics.q,
        damping=shift,
        jitter=solved.jitter,
        residual_norm=float(np.linalg.norm(missed)) / size if size else 0.0,
        condition=_condition(damped, solved),
        effective_rank=rank,
        cancellation=cancellation,
        extrapolated=extrapolated,
        extrapolated_error=noise,
        error=off + term * cancellation / 2,
    )


def _require_fit(statistics: GradientStatistics) -> None:
    if statistics.n == 0:
        raise NumericalError("the NTK term needs at least one row, found none. Leave empty contributors out.")
    if statistics.q < 2 or statistics.q % 2:
        raise ShapeError(
            f"expected an even number of sketch features, since pairs of them are added to estimate the sketch's error, found "
            f"q = {statistics.q}. Take a power of two."
        )


def _shift(statistics: GradientStatistics, damping: float, mode: DampingMode) -> float:
    """lambda in units of Theta."""
    return damping_shift(float(np.trace(statistics.gram)) / statistics.n, statistics.n, damping, mode, "Phi Phi'")


def _minimum(statistics: GradientStatistics, x: Floats, shift: float) -> tuple[float, float]:
    """|r - Phi x|^2 / lambda + |x|^2, and its relative error: rounding of what cancels, and what an inexact x adds at most.

    Off its minimum by d, the form is higher by d'(A + lambda I) d / lambda, at most |(A + lambda I) x - c|^2 / lambda^2.
    """
    along = statistics.gram @ x
    fitted, misfit = float(statistics.cross @ x), float(x @ along)
    value = max(statistics.square - 2 * fitted + misfit, 0.0) / shift + float(x @ x)
    rounding = float(np.finfo(np.float64).eps) * (statistics.square + 2 * abs(fitted) + misfit) / shift
    excess = float(((along + shift * x - statistics.cross) ** 2).sum()) / shift**2
    cancellation = (rounding + excess) / value if value else 0.0
    if cancellation >= 1:
        raise NumericalError(
            f"with lambda = {shift:g} beside r'r = {statistics.square:g} and a trace of {np.trace(statistics.gram):g}, "
            f"rounding leaves no digit of r'(Phi Phi' + lambda I)^-1 r. Raise `ntk.damping`."
        )
    return value, cancellation


def _effective_rank(solved: _Solved, shift: float) -> float:
    """trace(A (A + s I)^-1) = q - s |L^-1|^2, with s = lambda and its jitter and L the Cholesky factor."""
    inverse, _ = linalg.lapack.dtrtri(solved.factor, lower=1)
    return max(len(inverse) - (shift + solved.jitter) * float(np.vdot(inverse, inverse)), 0.0)


def _extrapolated(
    statistics: GradientStatistics, damping: float, mode: DampingMode, term: float, rank: float
) -> tuple[float | None, float | None]:
    """The term for q to infinity and its standard error, both None when the effective rank nearly fills the sketch."""
    scale = _scale(statistics, _shift(statistics, damping, mode), rank)
    if scale is None:
        return None, None
    centre = _rescaled_term(statistics, damping, mode, scale)
    # Half as many features are filled twice as much: the share 1 - lambda' / lambda doubles.
    if (half := 1 - 2 * (1 - scale)) < LEAST_SCALE:
        return centre, abs(term - centre)
    found = [_rescaled_term(_folded(statistics, fold), damping, mode, half) for fold in range(N_FOLDS)]
    return centre, math.sqrt(sum((one - centre) ** 2 for one in found) / N_FOLDS)


def _scale(statistics: GradientStatistics, shift: float, rank: float) -> float | None:
    """lambda' / lambda with lambda' = lambda (1 - d(lambda') / q), from the effective rank at lambda; None when too full.

    Steps fall monotonically from lambda to the largest solution, since d grows as lambda' falls.
    """
    scale = 1 - rank / statistics.q
    for _ in range(MOST_STEPS):
        if scale < LEAST_SCALE:
            return None
        solved = _solve(_damped(statistics.gram, scale * shift), statistics.cross)
        before, scale = scale, 1 - _effective_rank(solved, scale * shift) / statistics.q
        if abs(scale - before) <= 1e-4 * before:
            return scale
    return None


def _rescaled_term(statistics: GradientStatistics, damping: float, mode: DampingMode, scale: float) -> float:
    """sqrt((lambda' / lambda) value(lambda') / n), lambda from these statistics' own trace."""
    shift = scale * _shift(statistics, damping, mode)
    solution = _solve(_damped(statistics.gram, shift), statistics.cross).solution
    return math.sqrt(scale * _minimum(statistics, solution, shift)[0] / statistics.n)


def _folded(statistics: GradientStatistics, fold: int) -> GradientStatistics:
    """Statistics of a sketch of q / 2 features, each the sum or difference of a random pair. The same pairs for everybody."""
    rng = generator("sketch-fold", statistics.q, fold)
    first, second = np.split(rng.permutation(statistics.q), 2)
    signs = rng.choice([-1.0, 1.0], size=first.size)
    mixed = statistics.gram[np.ix_(first, second)] * signs
    gram = statistics.gram[np.ix_(first, first)] + mixed + mixed.T
    gram += statistics.gram[np.ix_(second, second)] * np.outer(signs, signs)
    cross = statistics.cross[first] + signs * statistics.cross[second]
    return GradientStatistics(statistics.n, gram, cross, statistics.square, np.zeros((first.size, 0)))
