"""The NTK term of Eq. 8 (arXiv 2511.13640) from sums over sketched gradients, with the bias and noise of the sketch.

Letters: n rows; q sketch features; Phi (n, q); A = Phi'Phi; c = Phi'r; lambda as in `quadratic.py`, relative: damping times
trace(A) / n, the mean diagonal of Phi Phi'. By the push-through identity, with x = (A + lambda I)^-1 c,

    r'(Phi Phi' + lambda I)^-1 r = (r'r - c'x) / lambda = min over w of |r - Phi w|^2 / lambda + |w|^2     (at w = x)

The minimum is what is computed, (r'r - 2 c'x + x'Ax) / lambda + x'x: an error in x, or jitter, enters it squared only.

The sketch makes the term too high (the inverse is convex), and noisy. Both are estimated from the sums alone:

    bias    a sketch acts like the exact kernel with a larger damping kappa = lambda' / (1 - d(lambda') / q), d the effective
            rank trace(A (A + lambda' I)^-1): value(lambda') = (kappa / lambda') r'(Theta + kappa I)^-1 r (Jacot et al., arXiv
            2002.08404; LeJeune et al., arXiv 2211.03751). `extrapolated` takes the lambda' whose kappa is lambda.
    noise   adding the features of q up to sign in random pairs gives a sketch of q / 2 features, and its additional error has
            the variance of the error at q. `extrapolated_error` is the root mean square over `N_FOLDS` such foldings.

Both assume features of equal, independent weight, as a count-sketch has. Where Phi is the whole gradient, `term` is exact and
`extrapolated` and `error` have no meaning. Measured errors on known spectra are in docs/laboratory.md.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mixval.errors import NumericalError, ShapeError
from mixval.seeds import generator
from mixval.terms.arrays import Floats
from mixval.terms.ntk.damped import Solved, condition, effective_rank, missed, solved
from mixval.terms.ntk.quadratic import DampingMode, damping_shift
from mixval.terms.ntk.statistics import GradientStatistics

Indices = npt.NDArray[np.int64]

N_FOLDS = 8
"""Random foldings to q / 2 behind the noise. Together they cost about one factorisation at q."""
LEAST_SCALE = 0.05
"""Least lambda' / lambda: below, the effective rank is nearly q, and the exact term cannot be extrapolated."""
MOST_STEPS = 30
"""Steps towards lambda': 2 to 7 up to n / q = 1/2, about 14 near an effective rank of q; if more, the sketch is too full."""


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
    """The term without the sketch's bias, for q to infinity; None when the effective rank is too close to q."""
    extrapolated_error: float | None
    """Estimated standard error of `extrapolated`; |term - extrapolated| where sketches of q / 2 would be too full."""
    error: float
    """Estimated absolute error of `term` against the exact one, bias, noise and rounding. The term itself when the sketch is
    too full: the exact one lies somewhere below."""


class NormalEquations(Protocol):
    """The damped system of sketched rows: of size q from sums over them, or of size n from themselves (`sketched_rows.py`)."""

    @property
    def n(self) -> int:
        """Rows."""

    @property
    def q(self) -> int:
        """Sketch features."""

    @property
    def matrix(self) -> Floats:
        """(q, q) Phi'Phi, or (n, n) Phi Phi': what is damped and factorised."""

    @property
    def right(self) -> Floats:
        """(q,) Phi'r, or (n,) r: what it is solved for."""

    def value(self, found: Solved) -> tuple[float, float]:
        """r'(Phi Phi' + lambda I)^-1 r from an x that may be inexact, and its relative error."""

    def folded(self, fold: int) -> "NormalEquations":
        """The same rows with q / 2 features, each the sum or difference of a random pair."""


@dataclass(frozen=True)
class _Sums:
    sums: GradientStatistics

    @property
    def n(self) -> int:
        return self.sums.n

    @property
    def q(self) -> int:
        return self.sums.q

    @property
    def matrix(self) -> Floats:
        return self.sums.gram

    @property
    def right(self) -> Floats:
        return self.sums.cross

    def value(self, found: Solved) -> tuple[float, float]:
        """|r - Phi x|^2 / lambda + |x|^2, and its relative error: rounding of what cancels, and the most that an inexact x
        adds.

        Off its minimum by d, the form is higher by d'(A + lambda I) d / lambda, at most |(A + lambda I) x - c|^2 / lambda^2.
        """
        x, shift, square = found.solution, found.shift, self.sums.square
        along = self.matrix @ x
        fitted, quadratic = float(self.right @ x), float(x @ along)
        value = max(square - 2 * fitted + quadratic, 0.0) / shift + float(x @ x)
        rounding = float(np.finfo(np.float64).eps) * (square + 2 * abs(fitted) + quadratic) / shift
        excess = float(((along + shift * x - self.right) ** 2).sum()) / shift**2
        return value, relative_error(value, rounding + excess, shift, square, self.matrix)

    def folded(self, fold: int) -> "_Sums":
        first, second, signs = random_pairs(self.q, fold)
        gram, cross = self.sums.gram, self.sums.cross
        mixed = gram[np.ix_(first, second)] * signs
        half = gram[np.ix_(first, first)] + mixed + mixed.T
        half += gram[np.ix_(second, second)] * np.outer(signs, signs)
        sums = cross[first] + signs * cross[second]
        return _Sums(GradientStatistics(self.n, half, sums, self.sums.square, np.zeros((first.size, 0))))


def sketched_form(statistics: GradientStatistics, damping: float, mode: DampingMode = "relative") -> SketchedForm:
    """The NTK term of n rows from sums over them. Cost: 5 to 8 factorisations of q x q; memory: about 5 q^2 float64.

    Raises ShapeError for an odd q, which cannot be folded; NumericalError for no rows, no damping, gradients that are all zero
    under relative damping, a matrix that stays indefinite, or a damping so small that rounding leaves no digit.
    """
    return form_of(_Sums(statistics), damping, mode)


def form_of(system: NormalEquations, damping: float, mode: DampingMode) -> SketchedForm:
    """The NTK term of either form of the system. Raises as `sketched_form` does."""
    _require_fit(system)
    found = solved(system.matrix, system.right, _shift(system, damping, mode))
    value, cancellation = system.value(found)
    term, rank = math.sqrt(value / system.n), effective_rank(found)
    extrapolated, noise = _extrapolated(system, damping, mode, term, rank)
    off = term if extrapolated is None or noise is None else math.hypot(term - extrapolated, noise)
    size = float(np.linalg.norm(system.right))
    return SketchedForm(
        value=value,
        term=term,
        n=system.n,
        q=system.q,
        damping=found.shift,
        jitter=found.jitter,
        residual_norm=float(np.linalg.norm(missed(system.matrix, system.right, found))) / size if size else 0.0,
        condition=condition(system.matrix, found),
        effective_rank=rank,
        cancellation=cancellation,
        extrapolated=extrapolated,
        extrapolated_error=noise,
        error=off + term * cancellation / 2,
    )


def relative_error(value: float, error: float, shift: float, square: float, matrix: Floats) -> float:
    """error / value. Raises NumericalError when rounding exceeds the value; `square` is r'r."""
    relative = error / value if value else 0.0
    if relative >= 1:
        raise NumericalError(
            f"with lambda = {shift:g}, r'r = {square:g} and a trace of {np.trace(matrix):g}, "
            f"rounding leaves no digit of r'(Phi Phi' + lambda I)^-1 r. Raise `ntk.damping`."
        )
    return relative


def random_pairs(q: int, fold: int) -> tuple[Indices, Indices, Floats]:
    """(q / 2,) first and second features of random pairs, and the second's signs. The same pairs for all rows of all
    contributors.
    """
    rng = generator("sketch-fold", q, fold)
    first, second = np.split(rng.permutation(q), 2)
    return first, second, rng.choice([-1.0, 1.0], size=first.size)


def _require_fit(system: NormalEquations) -> None:
    if system.n == 0:
        raise NumericalError("the NTK term needs at least one row, found none. Leave empty contributors out.")
    if system.q < 2 or system.q % 2:
        raise ShapeError(
            f"expected an even number of sketch features, since pairs of them are added to estimate the sketch's error, found "
            f"q = {system.q}. Take a power of two."
        )


def _shift(system: NormalEquations, damping: float, mode: DampingMode) -> float:
    """lambda in units of Theta. Phi'Phi and Phi Phi' have one trace."""
    return damping_shift(float(np.trace(system.matrix)) / system.n, system.n, damping, mode, "Phi Phi'")


def _extrapolated(
    system: NormalEquations, damping: float, mode: DampingMode, term: float, rank: float
) -> tuple[float | None, float | None]:
    """The term for q to infinity and its standard error, both None when the effective rank is nearly q."""
    scale = _scale(system, _shift(system, damping, mode), rank)
    if scale is None:
        return None, None
    centre = _rescaled_term(system, damping, mode, scale)
    # With half as many features, the effective rank is twice the share of them: 1 - lambda' / lambda doubles.
    if (half := 1 - 2 * (1 - scale)) < LEAST_SCALE:
        return centre, abs(term - centre)
    found = [_rescaled_term(system.folded(fold), damping, mode, half) for fold in range(N_FOLDS)]
    return centre, math.sqrt(sum((one - centre) ** 2 for one in found) / N_FOLDS)


def _scale(system: NormalEquations, shift: float, rank: float) -> float | None:
    """lambda' / lambda with lambda' = lambda (1 - d(lambda') / q), from the effective rank at lambda; None when too full.

    Steps fall monotonically from lambda to the largest solution, since d grows as lambda' falls.
    """
    scale = 1 - rank / system.q
    for _ in range(MOST_STEPS):
        if scale < LEAST_SCALE:
            return None
        before, scale = scale, 1 - effective_rank(solved(system.matrix, system.right, scale * shift)) / system.q
        if abs(scale - before) <= 1e-4 * before:
            return scale
    return None


def _rescaled_term(system: NormalEquations, damping: float, mode: DampingMode, scale: float) -> float:
    """sqrt((lambda' / lambda) value(lambda') / n), lambda from the system's trace."""
    found = solved(system.matrix, system.right, scale * _shift(system, damping, mode))
    return math.sqrt(scale * system.value(found)[0] / system.n)
