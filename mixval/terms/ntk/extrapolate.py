"""The NTK term of Eq. 8 (arXiv 2511.13640) as a function of n, and what it would be over more rows than were measured.

r' (Theta + lambda I)^-1 r / n depends on n, so the term of a subsample is not the term of the whole set. Two steps:

    nested_terms   terms over the leading n, n/2, n/4, ... rows, which must stand in an order without meaning. Under an absolute
                   lambda they are one factorisation, as the leading block of L is the factor of the leading block of
                   Theta + lambda I: value(k) = |y[:k]|^2, y = L^-1 r. A relative lambda follows each prefix' own mean diagonal,
                   so each is factorised by itself, 8/7 of the work in all.
    extrapolated   one of two curves, fitted to those terms and carried on to |S|:
                   offset-power  term(n) = a + b n^-c,  a >= 0,  0.05 <= c <= 2
                   log-linear    log term(n) = log b - c log n,  which is a = 0 and any c

The curve is chosen by held-out error: fitted without the largest size, which one predicts its term better? A term over n rows
is taken as a mean over them, so prefixes have covariance s^2 / max(n, m), exact for means over nested samples; fits are
generalised least squares under it, which amounts to independent increments from one size to the next. The standard error joins

    the coefficients' covariance (delta method, s^2 from the whitened residuals)
    s^2 / |S|, by which the whole set itself departs from its curve
    the held-out error of the chosen curve, d (d + 1) / 2 times at d doublings beyond the largest size: a wrong shape shows
    there first, and under a steady bend what it misses at each doubling adds up so
    the distance between the two curves at |S|, its square times the ratio of their held-out errors: all of it where both
    predicted equally well, none where the chosen one was exact

Measured on 36 kernels of 50 to 2,000 features with power-law spectra, 400 rows carried on to 1,600: 64% of the true terms lie
within one standard error and 81% within two (the worst nine away); on nested noise around curves of these shapes, 84% and 96%.

It is as coarse as five or six sizes allow (`degrees_of_freedom`), and it cannot see a bend that begins beyond the largest n:
one lies where n reaches the number of gradient directions that stand out above lambda.

Letters: P sizes. float64 throughout; terms are dimensionless.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.ntk.cholesky import BLOCK_SIZE, KernelLike, factorised, kernel_shift, opened_kernel
from mixval.terms.ntk.quadratic import DampingMode

CurveName = Literal["offset-power", "log-linear"]
FURTHEST = 8.0
"""|S| over the largest n: three doublings, about as many as the sizes that decide the shape."""
FEWEST_SIZES = 5
"""One is held out, and three coefficients leave a degree of freedom in the rest."""
MOST_SIZES = 6
"""Five halvings: one curve over more of them would be bent to fit small samples that say little about large ones."""
SMALLEST_ROWS = 16
"""Rows of the smallest prefix; below, a term is mostly chance."""
LEAST_ROWS = SMALLEST_ROWS << (FEWEST_SIZES - 1)
"""Rows that so many halvings need."""
EXPONENTS = (0.05, 2.0)
"""Where c is looked for. Below, n^-c is a logarithm, which runs off beyond the largest n; above, a constant at any |S|."""


@dataclass(frozen=True)
class NestedTerms:
    """NTK terms over leading rows."""

    sizes: npt.NDArray[np.int64]  # (P,), increasing
    terms: Floats  # (P,)
    dampings: Floats  # (P,), lambda in units of Theta, jitter included


@dataclass(frozen=True)
class Extrapolation:
    """The term at |S|, with what it rests on."""

    term: float
    """The chosen curve at `n`, never below 0."""
    standard_error: float
    """Of `term`, as the module's docstring takes it together."""
    n: int
    """|S|, the rows it is carried on to."""
    measured_term: float
    """The term at the largest size, for comparison."""
    measured_n: int
    """The largest size."""
    curve: CurveName
    """The chosen curve."""
    coefficients: tuple[float, float, float]
    """(a, b, c) of a + b n^-c."""
    held_out_errors: dict[CurveName, float]
    """Predicted less measured term at the largest size, fitted without it."""
    degrees_of_freedom: int
    """Sizes less coefficients of the chosen curve."""


def nested_terms(
    theta: KernelLike,  # (N, N)
    residual: ArrayLike,  # (N,)
    damping: float,
    mode: DampingMode = "relative",
    *,
    block_size: int = BLOCK_SIZE,
) -> NestedTerms:
    """NTK terms over the leading N, N/2, N/4, ... rows: six sizes at most, of 16 rows at least. Each is exact.

    Raises NumericalError when N is too small for five sizes, and what `blocked_quadratic_form` raises.
    """
    kernel, r = opened_kernel(theta, residual, block_size)
    sizes = _halvings(len(r))
    if mode == "absolute":
        factor = factorised(kernel, kernel_shift(kernel, damping, mode))
        values = np.cumsum(factor.half_solution(r) ** 2)[sizes - 1]
        return NestedTerms(sizes, np.sqrt(values / sizes), np.full(len(sizes), factor.damping + factor.jitter))
    terms, dampings = [], []
    for n in sizes.tolist():
        part = kernel.prefix(n)
        factor = factorised(part, kernel_shift(part, damping, mode))
        terms.append(float(np.linalg.norm(factor.half_solution(r[:n]))) / math.sqrt(n))
        dampings.append(factor.damping + factor.jitter)
    return NestedTerms(sizes, np.array(terms), np.array(dampings))


def extrapolated(
    sizes: npt.NDArray[np.int64],  # (P,), increasing
    terms: ArrayLike,  # (P,)
    n: int,
) -> Extrapolation:
    """The term at n rows from terms over nested samples, with a standard error.

    Raises ShapeError when sizes and terms do not fit; NumericalError for fewer than five sizes, sizes that do not increase,
    terms that are not positive, and an n below the largest size or above eight times it.
    """
    x, y = _checked(sizes, terms, n)
    held_out = {name: fit(x[:-1], y[:-1]).at(x[-1]) - float(y[-1]) for name, fit in _FITS.items()}
    name = min(held_out, key=lambda one: abs(held_out[one]))
    curve = _FITS[name](x, y)
    jacobian = _whitened(x, curve.gradient(x))
    freedom = len(x) - jacobian.shape[1]
    rest = _whitened(x, (curve.values(x) - y)[:, None])
    variance = float((rest**2).sum()) / freedom
    # g' (J'J)^+ g, without forming J'J: two coefficients can be nearly one when b is small.
    lever = np.linalg.pinv(jacobian).T @ curve.gradient(np.array([float(n)]))[0]
    doublings = math.log2(n / x[-1])
    missed = held_out[name] * doublings * (doublings + 1) / 2
    apart = _distance(held_out, name, {one: fit(x, y).at(n) for one, fit in _FITS.items()})
    return Extrapolation(
        term=max(curve.at(n), 0.0),
        standard_error=math.sqrt(variance * (float(lever @ lever) + 1 / n) + missed**2 + apart**2),
        n=n,
        measured_term=float(y[-1]),
        measured_n=int(sizes[-1]),
        curve=name,
        coefficients=(curve.a, curve.b, curve.c),
        held_out_errors=held_out,
        degrees_of_freedom=freedom,
    )


@dataclass(frozen=True)
class _Curve:
    """a + b n^-c; without an offset, a is 0 and no coefficient."""

    a: float
    b: float
    c: float
    has_offset: bool

    def values(self, x: Floats) -> Floats:
        return self.a + self.b * x**-self.c

    def at(self, n: float) -> float:
        return float(self.values(np.array([float(n)]))[0])

    def gradient(self, x: Floats) -> Floats:
        """(P, 3) derivatives after a, b and c, or (P, 2) after b and c."""
        power = x**-self.c
        columns = [power, -self.b * power * np.log(x)]
        return np.stack([np.ones_like(x), *columns] if self.has_offset else columns, axis=1)


def _fit_offset_power(x: Floats, y: Floats) -> _Curve:
    """Variable projection: a and b are linear given c, and c is searched on a grid, then between its neighbours."""
    scaled, target = x / x[-1], _whitened(x, y[:, None])[:, 0]

    def linear(log_c: float) -> tuple[float, Floats]:
        columns = _whitened(x, np.stack([np.ones_like(x), scaled ** -math.exp(log_c)], axis=1))
        found = np.linalg.lstsq(columns, target, rcond=None)[0]
        if found[0] < 0:
            found = np.array([0.0, columns[:, 1] @ target / (columns[:, 1] @ columns[:, 1])])
        return float(((columns @ found - target) ** 2).sum()), np.asarray(found, dtype=np.float64)

    grid = np.linspace(math.log(EXPONENTS[0]), math.log(EXPONENTS[1]), 25)
    best = int(np.argmin([linear(log_c)[0] for log_c in grid]))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    log_c = float(optimize.minimize_scalar(lambda at: linear(at)[0], bounds=around, method="bounded").x)
    a, b = linear(log_c)[1].tolist()
    c = math.exp(log_c)
    return _Curve(a, b * float(x[-1]) ** c, c, has_offset=True)


def _fit_log_linear(x: Floats, y: Floats) -> _Curve:
    """log term against log n, each prefix with the same relative deviation of a row."""
    columns = _whitened(x, np.stack([np.ones_like(x), np.log(x)], axis=1))
    level, slope = np.linalg.lstsq(columns, _whitened(x, np.log(y)[:, None])[:, 0], rcond=None)[0].tolist()
    return _Curve(0.0, math.exp(level), -slope, has_offset=False)


# The simpler one first: it is taken when both predict the largest size equally well.
_FITS: dict[CurveName, Callable[[Floats, Floats], _Curve]] = {
    "log-linear": _fit_log_linear,
    "offset-power": _fit_offset_power,
}


def _distance(held_out: dict[CurveName, float], name: CurveName, reached: dict[CurveName, float]) -> float:
    """How far the other curve ends from the chosen one, shrunk by the root of the ratio of their held-out errors."""
    [other] = set(reached) - {name}
    ratio = abs(held_out[name] / held_out[other]) if held_out[other] else 0.0
    return math.sqrt(ratio) * abs(reached[other] - reached[name])


def _whitened(
    x: Floats,  # (P,) sizes
    columns: Floats,  # (P, K)
) -> Floats:  # (P, K)
    """Increments of n times a column over the root of the rows they add: uncorrelated where a term is a mean over its rows."""
    sums = np.diff(x[:, None] * columns, axis=0, prepend=0.0)
    return np.asarray(sums / np.sqrt(np.diff(x, prepend=0.0))[:, None], dtype=np.float64)


def _halvings(n: int) -> npt.NDArray[np.int64]:
    """n, n // 2, n // 4, ... in increasing order, six at most."""
    sizes = [n >> k for k in range(MOST_SIZES) if n >> k >= SMALLEST_ROWS]
    if len(sizes) < FEWEST_SIZES:
        raise NumericalError(
            f"nested terms over {FEWEST_SIZES} sizes of at least {SMALLEST_ROWS} rows need "
            f"{LEAST_ROWS} rows, found {n}. Raise `ntk.sample`."
        )
    return np.array(sizes[::-1], dtype=np.int64)


def _checked(sizes: npt.NDArray[np.int64], terms: ArrayLike, n: int) -> tuple[Floats, Floats]:
    """Sizes and terms (P,) in float64."""
    x, y = floats("the sizes of nested terms", sizes, 1), floats("nested terms", terms, 1)
    if x.shape != y.shape:
        raise ShapeError(f"expected a term for each of {x.size} sizes, found {y.size}. Use both as `nested_terms` gives them.")
    if x.size < FEWEST_SIZES or x[0] < 1 or (np.diff(x) <= 0).any():
        raise NumericalError(f"expected at least {FEWEST_SIZES} increasing sizes, found {x.tolist()}. Measure more prefixes.")
    if (y <= 0).any():
        raise NumericalError(
            f"expected positive terms, found {float(y.min()):g} over {int(x[y.argmin()])} rows: residuals of zero have no "
            f"curve. Report the measured term."
        )
    if not x[-1] <= n <= FURTHEST * x[-1]:
        raise NumericalError(
            f"expected to carry the term on to between {int(x[-1])} and {int(FURTHEST * x[-1])} rows, {FURTHEST:g} times the "
            f"largest size at most, found {n}. Raise `ntk.sample`, or report the measured term with its n."
        )
    return x, y
