"""The NTK term of Eq. 8 (arXiv 2511.13640) for any coalition of contributors, from sums of their statistics, without rows.

Letters: K contributors; q features; Phi (n, q) gradient features and r (n,) residuals of a coalition's n rows. A = Phi'Phi,
c = Phi'r and r'r add up over contributors.

    value = r'(Phi Phi' + lambda I)^-1 r = min over w of |r - Phi w|^2 / lambda + |w|^2
          = (r'r - 2 c'x + x'Ax) / lambda + x'x   where (A + lambda I) x = c,          lambda = damping * trace(A) / n
    term  = sqrt(value / n)

(Woodbury; the mean diagonal of Phi Phi' is trace(A) / n, as in `quadratic_form` with relative damping.) In the form of a
minimum an error in x counts only squared: with g = c - A x - lambda x the value is too large by g'(A + lambda I)^-1 g / lambda,
at most |g|^2 / lambda^2, so that the residual certifies the value. Sums and iterates are float64. The system is solved by
conjugate gradients (Hestenes & Stiefel 1952) preconditioned by a Cholesky factor in float32, which costs half of one in
float64 (Higham & Mary, Acta Numerica 31, 2022, section 8); where that does not converge, by one in float64.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.quadratic import DampingMode
from mixval.valuation.coalition_sums import CoalitionSums, Statistics, lower_blocks
from mixval.valuation.estimates import Floats

Precision = Literal["float32", "float64"]
SOLVED = 1e-12
"""Excess of the value over the minimum, relative, at which a solution counts as exact."""
WORST_ERROR = 1e-2
"""Relative error of a value above which it is refused. The term, its root, has half of it; sketched features add percents."""
MOST_ITERATIONS = 20
"""Of conjugate gradients. At q = 2,048 twenty cost less than the float64 factor that follows where they do not suffice."""


@dataclass(frozen=True)
class CoalitionTerm:
    """The NTK term of a coalition with its diagnostics. Dimensionless but `damping`, in units of Theta."""

    term: float
    """sqrt(value / n)."""
    value: float
    """r' (Phi Phi' + lambda I)^-1 r."""
    n: int
    """Rows of the coalition, as measured."""
    damping: float
    """lambda as added to the diagonal."""
    error: float
    """Estimated relative error of `value`: from the residual, cancellation, and rounding of the stored Gram."""
    iterations: int
    """Of conjugate gradients, in the precision below."""
    precision: Precision
    """Of the Cholesky factor."""


class NtkCoalitions:
    """Values coalitions of K contributors.

    Factor buffers are shared between calls: use one of these in one thread. A matrix of q = 2,048 is small for BLAS: on a
    machine that is busy one BLAS thread a process is faster than several.
    """

    def __init__(
        self,
        n: NDArray[np.int64],  # (K,) rows
        gram: NDArray[Any],  # (K, q, q) float32 or float64: Phi'Phi; only lower triangles are read; referenced, not copied
        cross: NDArray[Any],  # (K, q) Phi'r
        square: NDArray[Any],  # (K,) r'r
        damping: float,
        mode: DampingMode = "relative",  # to the mean diagonal of Phi Phi', or in units of Theta
        measured: NDArray[np.int64] | None = None,  # (K,) rows behind the sums, where sums are weighted; None: n
    ) -> None:
        """Take the statistics of K contributors.

        Raises ShapeError when they do not fit; NumericalError for numbers that are not finite, statistics that no rows can
        have, or a damping that is not positive.
        """
        if not (math.isfinite(damping) and damping > 0):
            raise NumericalError(f"expected a positive, finite damping, found {damping}. Set `ntk.damping`.")
        rows = np.asarray(n)
        self._statistics = Statistics(
            rows,
            np.asarray(gram),
            np.asarray(cross, dtype=np.float64),
            np.asarray(square, dtype=np.float64),
            rows if measured is None else np.asarray(measured),
        )
        self._stored = float(np.finfo(self._statistics.gram.dtype).eps)
        self._damping, self._mode = damping, mode
        self._sums: CoalitionSums | None = None
        self._known: dict[bytes, CoalitionTerm] = {}
        self._buffers: dict[Precision, NDArray[Any]] = {}

    @property
    def n_contributors(self) -> int:
        """K."""
        return len(self._statistics.n)

    def coalition(self, members: NDArray[np.bool_]) -> CoalitionTerm:
        """The term of the contributors that `members` (K,) marks. Terms of coalitions are cached.

        Raises ShapeError for another mask or an empty one; NumericalError as `prefixes` does.
        """
        expected = (self.n_contributors,)
        if members.dtype != np.bool_ or members.shape != expected:
            raise ShapeError(f"members: expected a bool mask of shape {expected}, found {members.dtype} {members.shape}.")
        if not members.any():
            raise ShapeError(
                "members: expected at least one contributor, found none. The game defines v of the empty coalition."
            )
        key = members.tobytes()
        if key not in self._known:
            self._sums = self._sums or CoalitionSums(self._statistics)
            self._sums.become(members)
            self._known[key] = self._evaluate(self._sums)
        return self._known[key]

    def prefixes(self, order: NDArray[np.int64]) -> Iterator[CoalitionTerm]:
        """The terms of order[:1], order[:2] and so on.

        Raises ShapeError for an order that repeats a contributor or is empty; NumericalError when all gradients of a coalition
        are zero, or its value is less accurate than `WORST_ERROR`.
        """
        places = np.asarray(order)
        if not (places.ndim == 1 and places.dtype.kind == "i" and np.isin(places, np.arange(self.n_contributors)).all()):
            raise ShapeError(f"order: expected contributors from 0 to {self.n_contributors - 1}, found {places.tolist()}.")
        if len(np.unique(places)) != len(places):
            raise ShapeError(f"order: expected every contributor once at most, found {places.tolist()}.")
        for size in range(1, len(places) + 1):
            yield self.coalition(np.isin(np.arange(self.n_contributors), places[:size]))

    def sums(self) -> tuple[int, Floats, Floats, float]:
        """Of all contributors together: rows measured, (q, q) Phi'Phi, (q,) Phi'r and r'r, weighted so as to sum to the rows
        measured.
        """
        total = CoalitionSums(self._statistics)
        total.become(np.ones(self.n_contributors, dtype=np.bool_))
        lower, share = np.tril(total.gram), total.measured / total.n
        return total.measured, share * (lower + np.tril(lower, -1).T), share * total.cross, share * total.square

    def _evaluate(self, total: CoalitionSums) -> CoalitionTerm:
        scale = float(total.diagonal.sum()) / total.n
        # Weights that sum to the rows measured instead of the admitted ones: the same system at a larger lambda.
        shift = self._damping * (scale if self._mode == "relative" else 1.0) * (total.n / total.measured)
        if not shift > 0:
            raise NumericalError(
                f"the gradients of all {total.n} rows of a coalition are zero, so relative damping has no scale. Choose other "
                f"`ntk.parameters`, or leave these contributors out."
            )
        precisions: tuple[Precision, Precision] = ("float32", "float64")
        why = "A + lambda I is not positive definite"
        for precision in precisions:
            try:
                precondition = self._factorise(total, shift, precision)
            except NumericalError:  # tried again in the next precision, and reported below
                continue
            x, iterations = _solve(total.gram, total.cross, shift, precondition)
            value, excess, rounding = _value_at(x, total, shift, self._stored)
            error = (excess + rounding) / value if value > 0 else (math.inf if total.square else 0.0)
            is_solved = excess <= SOLVED * abs(value) or precision == "float64"
            if is_solved and error <= WORST_ERROR:
                term = math.sqrt(value / total.measured)
                return CoalitionTerm(term, value, total.measured, shift, error, iterations, precision)
            why = f"its value {value:g} has a relative error of about {error:.0e}, above {WORST_ERROR:g}"
        raise NumericalError(
            f"the NTK term of a coalition of {total.n} rows is not accurate enough: {why}, with lambda = {shift:g}. Raise "
            f"`ntk.damping`, "
            f"or set `value.coalitions: 0` for a ranking without coalitions."
        )

    def _factorise(self, total: CoalitionSums, shift: float, precision: Precision) -> Callable[[Floats], Floats]:
        """A preconditioner: multiplies by nearly (A + lambda I)^-1, up to a factor. Raises NumericalError when it is
        indefinite.
        """
        q = len(total.diagonal)
        if precision not in self._buffers:
            self._buffers[precision] = np.empty((q, q), dtype=precision)
        buffer = self._buffers[precision]
        scale = float(total.diagonal.sum()) / q + shift  # keeps float32 away from overflow
        for rows, columns in lower_blocks(q):
            np.multiply(total.gram[rows, columns], 1 / scale, out=buffer[rows, columns], casting="same_kind")
        buffer[np.diag_indices(q)] += shift / scale
        potrf: Any = linalg.get_lapack_funcs("potrf", dtype=buffer.dtype)
        trsv: Any = linalg.get_blas_funcs("trsv", dtype=buffer.dtype)
        # The lower triangle in rows is LAPACK's upper one in columns: the transpose is passed, and nothing is copied.
        factor, failed = potrf(buffer.T, lower=0, clean=0, overwrite_a=1)
        if failed:
            raise NumericalError(
                f"A + lambda I: expected positive pivots in {precision}, found none at {failed} of {q}. Raise `ntk.damping`."
            )

        def precondition(g: Floats) -> Floats:
            size = float(np.linalg.norm(g))
            half = trsv(factor, (g / size).astype(precision), lower=0, trans=1)
            return np.asarray(trsv(factor, half, lower=0), dtype=np.float64) * size

        return precondition


def _solve(gram: Floats, cross: Floats, shift: float, precondition: Callable[[Floats], Floats]) -> tuple[Floats, int]:
    """x of (A + lambda I) x = c by preconditioned conjugate gradients, and the iterations taken."""
    x, g = np.zeros_like(cross), cross.copy()
    direction, previous = np.zeros_like(cross), math.inf
    for iteration in range(MOST_ITERATIONS):
        # The value is at least |x|^2, so this is the excess relative to less than the value.
        if np.linalg.norm(g) <= math.sqrt(SOLVED) * shift * np.linalg.norm(x):
            return x, iteration
        z = precondition(g)
        size = float(g @ z)
        direction = z + size / previous * direction
        previous = size
        image = _times(gram, direction) + shift * direction
        step = size / float(direction @ image)
        x += step * direction
        g -= step * image
    return x, MOST_ITERATIONS


def _value_at(x: Floats, total: CoalitionSums, shift: float, stored: float) -> tuple[float, float, float]:
    """The value at x, how far above the minimum it can be, and its rounding where the Gram has unit roundoff `stored`."""
    image = _times(total.gram, x)
    g = total.cross - image - shift * x
    fit, size = float(total.cross @ x), float(x @ image)
    value = (total.square - 2 * fit + size) / shift + float(x @ x)
    # Independent roundings of A's entries, of sqrt(d_i d_j) each, move x'Ax by sum_i d_i x_i^2 at most, as a root mean square:
    # d is `stored` times A's diagonal, since |A_ij|^2 <= A_ii A_jj, and what the sums left. Four of those.
    from_gram = 4 * float(x**2 @ (stored * total.diagonal + total.rounding))
    rounding = 8 * float(np.finfo(np.float64).eps) * (total.square + 2 * abs(fit) + size)
    return value, (float(np.linalg.norm(g)) / shift) ** 2, (from_gram + rounding) / shift


def _times(gram: Floats, x: Floats) -> Floats:
    """A x from the lower triangle of A."""
    return np.asarray(linalg.blas.dsymv(1.0, gram.T, x, lower=0))
