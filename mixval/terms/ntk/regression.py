"""Regression on the tangent kernel: what training on S, made linear in the parameters, would predict on T.

Letters: n rows of S; m rows of T; q features; C responses a row; R (n, C) what they still lack, Y - f0(S); g a row's gradient.
float64 throughout. lambda is `damping` times

    relative    the mean diagonal of Theta(S,S), mean |g|^2, as in `quadratic.py`
    centred     the mean diagonal less the mean entry, mean |g - mean g|^2: what rows do not have in common. A direction that
                all gradients share tells no class from another, and may be most of their squared length (34 to 71 % at the
                median contributor of three worlds)
    absolute    1

    F(T) - f0(T) = Theta(T,S) h(Theta(S,S)) R = Phi_T h(Phi'Phi) Phi'R

    ridge            h(w) = 1 / (w + lambda)
    gradient-flow    h(w) = (1 - exp(-w / lambda)) / w      gradient descent in small steps on |R - change|^2 / (2 n), up to
                                                            time n / lambda
    one-step         h(w) = 1 / lambda                      a single step of that length

The first is the limit of training with weight decay, the second of training that is stopped early (Jacot et al., arXiv
1806.07572; Lee et al., arXiv 1902.06720). A time of n / lambda makes the two alike: the flow's risk is at most 1.69 times
the ridge's (Ali, Kolter, Tibshirani, arXiv 1810.10082). Both forms are one product, left h(matrix) right, so that Gram
blocks and sums over rows (`statistics.py`) go the same way. One lambda costs a Cholesky factor, several one
eigendecomposition.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import linalg

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, Masks, floats
from mixval.terms.ntk.damped import effective_rank, energy_norm, missed, solved
from mixval.terms.ntk.quadratic import DampingMode, damping_shift

Solver = Literal["ridge", "gradient-flow", "one-step"]
Mode = DampingMode | Literal["centred"]
"""What `damping` is a multiple of."""
LEAST_CENTRED = 1e-5
"""Of the mean diagonal: what rows do not have in common is taken for no less. A single row has everything in common."""
Criterion = Literal["leave-one-out", "generalised"]
MOST_NEGATIVE = 1e-4
"""Negative eigenvalues up to this share of the largest one are rounding of a float32 kernel, and count as zero."""


@dataclass(frozen=True)
class Prediction:
    """What training on S changes on T, with its diagnostics."""

    values: Floats
    """(m, C): F(T) - f0(T), in units of the responses."""
    n: int
    """Rows of S."""
    damping: float
    """lambda as added to the diagonal, in units of Theta."""
    displacement: float
    """|Phi' h(Theta) R|: how far the parameters move, over all C responses, in units of their norm."""
    effective_rank: float
    """trace(Theta h(Theta)): responses that S's rows can set, 0 to n for ridge and flow."""
    residual_norm: float
    """|(M + lambda I) x - right| / |right| of a factorisation, |M b - U w U'b| / (max w |b|) of an eigendecomposition."""


@dataclass(frozen=True)
class TangentRegression:
    """left h(matrix) right for any lambda. Made by `kernel_regression` or `feature_regression`."""

    matrix: Floats
    """(k, k): Theta(S,S), k = n; or Phi'Phi, k = q."""
    right: Floats
    """(k, C): R, or Phi'R."""
    left: Floats
    """(m, k): Theta(T,S), or Phi_T."""
    n: int
    """Rows of S."""
    square: float
    """trace(R'R)."""
    is_kernel: bool
    """Whether the matrix has a row for each row of S."""
    common: float | None = None
    """|mean g|^2, the mean entry of Theta(S,S). None: unknown, and there is no centred lambda."""

    def rows(self, own: Masks, target: Masks) -> "TangentRegression":
        """The regression over the marked rows of S (n,) and T (m,). Raises ShapeError where S's rows are in sums."""
        if not self.is_kernel:
            raise ShapeError("parts of S need S's rows, found sums over them. Take Gram blocks, or sums over the parts.")
        matrix, right = self.matrix[np.ix_(own, own)], self.right[own]
        left = self.left[np.ix_(target, own)]
        square, common = float((right**2).sum()), float(matrix.mean())
        return TangentRegression(matrix, right, left, len(right), square, is_kernel=True, common=common)

    def predict(self, damping: float, mode: Mode = "relative", solver: Solver = "ridge") -> Prediction:
        """The change on T for one lambda.

        Raises NumericalError for no damping, gradients that are all zero under relative damping, or a matrix that is not
        positive semidefinite.
        """
        if solver != "ridge":
            return self.path([damping], mode, solver)[0]
        shift = self._shift(damping, mode)
        found = solved(self.matrix, self.right, shift)
        rest = _relative(missed(self.matrix, self.right, found), np.linalg.norm(self.right))
        displacement = energy_norm(self.right, found) if self.is_kernel else float(np.linalg.norm(found.solution))
        return Prediction(self.left @ found.solution, self.n, shift, displacement, effective_rank(found), rest)

    def change(self, damping: float, mode: Mode = "relative") -> Floats:
        """(m, C) F(T) - f0(T) of ridge alone, without the factor's diagnostics. Raises as `predict` does."""
        return np.asarray(self.left @ solved(self.matrix, self.right, self._shift(damping, mode)).solution)

    def path(self, dampings: Sequence[float], mode: Mode = "relative", solver: Solver = "ridge") -> list[Prediction]:
        """The change on T for each of several lambdas. Raises as `predict` does."""
        spectrum, basis = self._spectral
        loadings, side = basis.T @ self.right, self.left @ basis
        rest = self.matrix @ self.right - basis @ (spectrum[:, None] * loadings)
        residual_norm = _relative(rest, spectrum.max(initial=0.0) * np.linalg.norm(self.right))
        predictions = []
        for damping in dampings:
            shift = self._shift(damping, mode)
            filtered = _filter(spectrum, shift, solver)
            values = side @ (filtered[:, None] * loadings)
            moved = (filtered[:, None] * loadings) ** 2 * (spectrum[:, None] if self.is_kernel else 1.0)
            displacement = math.sqrt(float(moved.sum()))
            predictions.append(Prediction(values, self.n, shift, displacement, float(spectrum @ filtered), residual_norm))
        return predictions

    def validation_errors(
        self, dampings: Sequence[float], criterion: Criterion = "leave-one-out", mode: Mode = "relative"
    ) -> Floats:
        """(len(dampings),) mean squared errors of ridge on rows of S that it has not seen, per row, in closed form.

        `leave-one-out` is exact at each lambda: sum of |(R - F)_i / (1 - H_ii)|^2 / n, H = Theta (Theta + lambda I)^-1. It
        needs rows, thus a kernel. `generalised` puts the mean of H_ii in its place (Golub, Heath, Wahba, Technometrics 21,
        1979), and sums are enough. Raises ShapeError for `leave-one-out` without rows, and as `predict` does.
        """
        spectrum, basis = self._spectral
        loadings = basis.T @ self.right
        errors = []
        for damping in dampings:
            filtered = _filter(spectrum, self._shift(damping, mode), "ridge")
            if criterion == "leave-one-out":
                errors.append(self._left_out(1 - spectrum * filtered, loadings))
                continue
            # Energies of Phi'R along each direction: those of R times w.
            energies = (loadings**2).sum(1) * (spectrum if self.is_kernel else 1.0)
            misfit = max(self.square - float(energies @ (filtered * (2 - spectrum * filtered))), 0.0)
            errors.append(misfit / self.n / (1 - float(spectrum @ filtered) / self.n) ** 2)
        return np.array(errors)

    def _left_out(self, kept: Floats, loadings: Floats) -> float:
        """(R - F)_i = (U kept U'R)_i and 1 - H_ii = (U kept U')_ii: both without a difference that cancels."""
        if not self.is_kernel:
            raise ShapeError("leave-one-out needs S's rows, found sums over them. Take `generalised`, or Gram blocks.")
        basis = self._spectral[1]
        errors = (basis @ (kept[:, None] * loadings)) / ((basis**2) @ kept)[:, None]
        return float((errors**2).sum() / self.n)

    def _shift(self, damping: float, mode: Mode) -> float:
        name = "Theta" if self.is_kernel else "Phi Phi'"
        return regression_shift(float(np.trace(self.matrix)) / self.n, self.common, self.n, damping, mode, name)

    @cached_property
    def _spectral(self) -> tuple[Floats, Floats]:
        """(k,) eigenvalues, none below zero, and (k, k) eigenvectors."""
        spectrum, basis = linalg.eigh(self.matrix, driver="evd", check_finite=False)
        if spectrum[0] < -MOST_NEGATIVE * abs(spectrum[-1]):
            raise NumericalError(
                f"expected a kernel without negative eigenvalues, found {spectrum[0]:g} beside {spectrum[-1]:g} over "
                f"{len(spectrum)} rows. Set `backbone.dtype: float64`, or take the blocks of one pass."
            )
        return np.maximum(spectrum, 0.0), basis


def kernel_regression(
    theta_ss: ArrayLike,  # (n, n)
    theta_ts: ArrayLike,  # (m, n)
    responses: ArrayLike,  # (n, C): R
) -> TangentRegression:
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
    return TangentRegression(own, r, cross, len(r), float((r**2).sum()), is_kernel=True, common=float(own.mean()))


def feature_regression(
    gram: ArrayLike,  # (q, q): Phi'Phi
    products: ArrayLike,  # (q, C): Phi'R
    n: int,
    features_t: ArrayLike,  # (m, q): Phi_T
    square: float,
    total: ArrayLike | None = None,  # (q,): Phi'1
) -> TangentRegression:
    """The regression of R from sums over S's rows, which add up over contributors, and T's features under the same sketch.

    `square` is trace(R'R), n for one-hot responses; only `generalised` validation needs it. `total`, the sum of one-hot
    responses' products over classes, is needed for a centred lambda. Raises as `kernel_regression`.
    """
    own, right, side = floats("Phi'Phi", gram, 2), floats("Phi'R", products, 2), floats("features of T", features_t, 2)
    if own.shape != (len(right), len(right)) or side.shape[1] != len(right):
        raise ShapeError(
            f"feature regression: expected Phi'Phi (q, q), Phi'R (q, C) and T's features (m, q) of one sketch, found "
            f"{own.shape}, {right.shape} and {side.shape}. Make them under one plan."
        )
    _require_rows(n, len(side))
    common = None if total is None else float((floats("Phi'1", total, 1) ** 2).sum()) / n**2
    return TangentRegression(own, right, side, n, square, is_kernel=False, common=common)


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


def best_damping(
    regression: TangentRegression,
    dampings: Sequence[float],
    criterion: Criterion = "leave-one-out",
    mode: Mode = "relative",
) -> float:
    """The one of `dampings` whose `validation_errors` is least; of equal ones the first. It has seen S alone, not T."""
    if not dampings:
        raise ShapeError("expected at least one damping to choose from, found none. Give a few, e.g. 0.01, 0.1 and 1.")
    return dampings[int(np.argmin(regression.validation_errors(dampings, criterion, mode)))]


def _filter(spectrum: Floats, shift: float, solver: Solver) -> Floats:
    """(k,) h(w)."""
    if solver == "ridge":
        return 1 / (spectrum + shift)
    scaled = spectrum / shift
    slowed = np.ones_like(scaled)
    if solver == "gradient-flow":
        np.divide(-np.expm1(-scaled), scaled, out=slowed, where=scaled > 0)
    return slowed / shift


def _relative(rest: Floats, size: float | np.floating) -> float:
    return float(np.linalg.norm(rest) / size) if size else 0.0


def _require_rows(n: int, m: int) -> None:
    if n < 1 or m < 1:
        raise NumericalError(f"regression needs rows of S and of T, found {n} and {m}. Leave empty contributors out.")
