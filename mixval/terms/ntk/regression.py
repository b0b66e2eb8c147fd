"""Ridge regression with the empirical NTK: outputs on T after training on S, linearised in the parameters.

Letters: n rows of S; m rows of T; q features; C responses a row; R (n, C) the responses less the initial outputs, Y - f0(S); g
a row's gradient. float64 throughout. lambda is `damping` times

    relative    the mean diagonal of Theta(S,S), mean |g|^2, as in `quadratic.py`
    centred     the mean diagonal less the mean entry, mean |g - mean g|^2. A direction that all gradients share separates no
                classes, and may be most of their squared length
    absolute    1

    F(T) - f0(T) = Theta(T,S) (Theta(S,S) + lambda I)^-1 R = Phi_T (Phi'Phi + lambda I)^-1 Phi'R

the limit of training with weight decay (Jacot et al., arXiv 1806.07572; Lee et al., arXiv 1902.06720). Both forms are one
product, left (matrix + lambda I)^-1 right, so Gram blocks and sums over rows (`statistics.py`) share the code: a Cholesky
factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import linalg

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.ntk.damped import Solved, effective_rank, energy_norm, missed, solved
from mixval.terms.ntk.quadratic import DampingMode, damping_shift

Mode = DampingMode | Literal["centred"]
"""What `damping` is a multiple of."""
LEAST_CENTRED = 1e-5
"""Of the mean diagonal: the least that the centred scale is taken for. Of a single row it would be 0."""


@dataclass(frozen=True)
class Change:
    """The change of T's outputs by training on S."""

    values: Floats
    """(m, C): F(T) - f0(T), in units of the responses."""
    displacement: float
    """|Phi' (Theta + lambda I)^-1 R|: how far the parameters move, over all C responses, in units of their norm."""
    found: Solved | None = None
    """The solution and its factor, for diagnostics and spreads; None where the system was solved without one in float64."""


@dataclass(frozen=True)
class Prediction:
    """A `Change` with its diagnostics."""

    values: Floats
    """As `Change`."""
    n: int
    """Rows of S."""
    damping: float
    """lambda as added to the diagonal, in units of Theta."""
    displacement: float
    """As `Change`."""
    effective_rank: float
    """trace(Theta (Theta + lambda I)^-1): responses that S's rows can set, 0 to n."""
    residual_norm: float
    """|(matrix + lambda I) x - right| / |right|."""
    jitter: float
    """Added on top of lambda; 0 unless the factorisation failed without."""


RowsOfS = slice | tuple[Floats, Floats]
"""Rows of S: their places in a kernel, or their features (u, q) and responses (u, C)."""


@dataclass(frozen=True)
class Reach:
    """How the outputs depend on u rows of S: without row i they change by - outputs_i residual_i / (1 - leverage_i)."""

    outputs: Floats
    """(m, u): Phi_T (Phi'Phi + lambda I)^-1 phi_i."""
    residuals: Floats
    """(u, C): the row's responses less those that the regression predicts for it."""
    leverages: Floats
    """(u,) 0 to 1: by how much the row's own response sets its prediction."""
    sizes: Floats
    """(u,) |(Phi'Phi + lambda I)^-1 phi_i|^2: of the parameters, for a residual of 1. NaN where they were not asked for."""

    def take(self, rows: npt.NDArray[np.int64]) -> Reach:
        """Of these of the u rows, by their places."""
        return Reach(self.outputs[:, rows], self.residuals[rows], self.leverages[rows], self.sizes[rows])


@dataclass(frozen=True)
class KernelRegression:
    """left (matrix + lambda I)^-1 right for any lambda. Made by `kernel_regression` or `feature_regression`."""

    matrix: Floats
    """(k, k): Theta(S,S), k = n; or Phi'Phi, k = q."""
    right: Floats
    """(k, C): R, or Phi'R."""
    left: Floats
    """(m, k): Theta(T,S), or Phi_T."""
    n: int
    """Rows of S."""
    is_kernel: bool
    """Whether the matrix has a row for each row of S."""
    common: float | None = None
    """|mean g|^2, the mean entry of Theta(S,S). None: unknown, so lambda cannot be centred."""

    def change(self, damping: float, mode: Mode = "relative") -> Change:
        """The change on T at one lambda.

        Raises NumericalError for no damping, gradients that are all zero under relative damping, or a matrix that is not
        positive semidefinite.
        """
        found = solved(self.matrix, self.right, self.shift(damping, mode))
        displacement = energy_norm(self.right, found) if self.is_kernel else float(np.linalg.norm(found.solution))
        return Change(self.left @ found.solution, displacement, found)

    def reach(self, change: Change, rows: RowsOfS, further: Floats | None = None, *, has_sizes: bool = True) -> Reach:
        """How outputs on T depend on single rows of S, for u of them, at the change's lambda.

        `further` (m', k) are further rows of `left`. Cost: k^2 times the right-hand sides, 2 u of them; without `has_sizes`
        m + u where that is less. Raises ShapeError for a change without its factor.
        """
        found = self._factor(change)
        left = self.left if further is None else np.concatenate([self.left, further])
        if isinstance(rows, slice):
            columns = np.eye(len(self.matrix))[:, rows]
            solution = linalg.cho_solve((found.factor, True), columns, check_finite=False)
            own, squares = np.diagonal(solution[rows]).copy(), (solution**2).sum(axis=0)
            residuals, sizes = found.added * found.solution[rows], np.maximum(own - found.added * squares, 0.0)
            return Reach(left @ solution, residuals, 1 - found.added * own, sizes)
        features, responses = rows
        if not has_sizes and len(left) < len(features):
            half, side = (_forward(found.factor, one) for one in (features, left))
            residuals, leverages = responses - features @ found.solution, (half**2).sum(axis=0)
            return Reach(side.T @ half, residuals, leverages, np.full(len(features), np.nan))
        solution = linalg.cho_solve((found.factor, True), features.T, check_finite=False)
        residuals, leverages = responses - features @ found.solution, (solution * features.T).sum(axis=0)
        return Reach(left @ solution, residuals, leverages, (solution**2).sum(axis=0))

    def displacement_row(self, change: Change) -> Floats:
        """(1, k) a further row of `left` on which the displacement squared is the output, for one response."""
        found = self._factor(change)
        row = self.right - found.added * found.solution if self.is_kernel else found.solution
        return np.asarray(row.T)

    def _factor(self, change: Change) -> Solved:
        if change.found is None:
            raise ShapeError("this needs the factor that solved the system, found a change without one. Take `predict`.")
        return change.found

    def diagnosed(self, change: Change) -> Prediction:
        """The change with diagnostics from its factor. Raises ShapeError for a change without one."""
        found = self._factor(change)
        rest = _relative(missed(self.matrix, self.right, found), np.linalg.norm(self.right))
        return Prediction(change.values, self.n, found.shift, change.displacement, effective_rank(found), rest, found.jitter)

    def predict(self, damping: float, mode: Mode = "relative") -> Prediction:
        """The change with diagnostics. Raises as `change` does."""
        return self.diagnosed(self.change(damping, mode))

    @property
    def is_least_damping(self) -> bool:
        """Whether `LEAST_CENTRED` sets a centred lambda: S's gradients hardly differ, so it is larger than documented."""
        mean_diagonal = float(np.trace(self.matrix)) / self.n
        return self.common is not None and mean_diagonal - self.common < LEAST_CENTRED * mean_diagonal

    def shift(self, damping: float, mode: Mode) -> float:
        """lambda, in units of Theta. Raises as `regression_shift`."""
        name = "Theta" if self.is_kernel else "Phi Phi'"
        return regression_shift(float(np.trace(self.matrix)) / self.n, self.common, self.n, damping, mode, name)


def kernel_regression(
    theta_ss: ArrayLike,  # (n, n)
    theta_ts: ArrayLike,  # (m, n)
    responses: ArrayLike,  # (n, C): R
) -> KernelRegression:
    """The regression of R from exact Gram blocks.

    Raises ShapeError when they do not fit; NumericalError for NaN or infinity (counted), or no rows.
    """
    own, cross, r = floats("Theta(S,S)", theta_ss, 2), floats("Theta(T,S)", theta_ts, 2), floats("responses", responses, 2)
    if own.shape != (len(r), len(r)) or cross.shape[1] != len(r):
        raise ShapeError(
            f"kernel regression: expected Theta(S,S) (n, n), Theta(T,S) (m, n) and responses (n, C) over the same rows of S, "
            f"found {own.shape}, {cross.shape} and {r.shape}. Use one sample of S for all."
        )
    _require_rows(len(r), len(cross))
    return KernelRegression(own, r, cross, len(r), is_kernel=True, common=float(own.mean()))


def feature_regression(
    gram: ArrayLike,  # (q, q): Phi'Phi
    products: ArrayLike,  # (q, C): Phi'R
    n: int,
    features_t: ArrayLike,  # (m, q): Phi_T
    total: ArrayLike | None = None,  # (q,): Phi'1
) -> KernelRegression:
    """The regression of R from sums over S's rows, which are additive over contributors, and T's features under the same
    sketch.

    `total`, the sum of Phi'R over the classes of one-hot responses, is needed for a centred lambda. Raises as
    `kernel_regression`.
    """
    own, right, side = floats("Phi'Phi", gram, 2), floats("Phi'R", products, 2), floats("features of T", features_t, 2)
    if own.shape != (len(right), len(right)) or side.shape[1] != len(right):
        raise ShapeError(
            f"feature regression: expected Phi'Phi (q, q), Phi'R (q, C) and T's features (m, q) of one sketch, found "
            f"{own.shape}, {right.shape} and {side.shape}. Make them under one plan."
        )
    _require_rows(n, len(side))
    common = None if total is None else float((floats("Phi'1", total, 1) ** 2).sum()) / n**2
    return KernelRegression(own, right, side, n, is_kernel=False, common=common)


def regression_shift(
    mean_diagonal: float, common: float | None, n: int, damping: float, mode: Mode, name: str = "Theta"
) -> float:
    """lambda in units of Theta, from its mean diagonal and mean entry over n rows.

    Raises ShapeError for a centred one without the mean entry, and as `quadratic.damping_shift`.
    """
    if mode != "centred":
        return damping_shift(mean_diagonal, n, damping, mode, name)
    if common is None:
        raise ShapeError("a centred lambda needs the rows' mean gradient, found sums without it. Give `total`.")
    return damping_shift(max(mean_diagonal - common, LEAST_CENTRED * mean_diagonal), n, damping, "relative", name)


def _forward(factor: Floats, rows: Floats) -> Floats:
    """(k, u) L^-1 of the rows (u, k), of which the products are those with the inverse of L L'."""
    return np.asarray(linalg.solve_triangular(factor, rows.T, lower=True, check_finite=False))


def _relative(rest: Floats, size: float | np.floating) -> float:
    return float(np.linalg.norm(rest) / size) if size else 0.0


def _require_rows(n: int, m: int) -> None:
    if n < 1 or m < 1:
        raise NumericalError(f"regression needs rows of S and of T, found {n} and {m}. Leave empty contributors out.")
