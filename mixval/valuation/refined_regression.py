"""A regression from sums of features, solved by a factor in float32 and iterative refinement in float64.

Half the cost of a factor in float64, and less where only the outputs on T are wanted (Higham & Mary, Acta Numerica 31, 2022,
section 8): it is refined until the outputs stand still, and where they do not, a factor in float64 takes its place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg

from mixval.terms.arrays import Floats
from mixval.terms.ntk.regression import Change, KernelRegression, Mode

STILL = 1e-5
"""Relative change of F at which it counts as solved: the error is smaller by the rate at which changes shrink."""
MOST_REFINEMENTS = 6
"""In float32. At C = 10 six of them cost about as much as the factor in float64 that follows where they do not suffice."""


class RefinedRegression(KernelRegression):
    """A regression from sums, solved in float32 and refined."""

    def change(self, damping: float, mode: Mode = "relative") -> Change:
        """As of `KernelRegression`, to `STILL` of F; without a factor, unless only one in float64 will do."""
        shift = self.shift(damping, mode)
        if (found := _refined(self.matrix, self.right, shift, self.left)) is None:
            return super().change(damping, mode)
        return found


def _refined(matrix: Floats, right: Floats, shift: float, left: Floats) -> Change | None:
    """left (matrix + shift I)^-1 right (m, C); None where refinement does not converge."""
    precondition = _single_factor(matrix, shift)
    if precondition is not None:
        x = precondition(right)
        outputs = left @ x
        for _ in range(MOST_REFINEMENTS):
            step = precondition(right - matrix @ x - shift * x)
            x += step
            moved = left @ step
            outputs = outputs + moved
            if np.linalg.norm(moved) <= STILL * np.linalg.norm(outputs):
                return Change(np.asarray(outputs), float(np.linalg.norm(x)))
    return None


def _single_factor(matrix: Floats, shift: float) -> Callable[[Floats], Floats] | None:
    """A solver for nearly (matrix + shift I)^-1; None where the matrix is indefinite in float32."""
    q = len(matrix)
    scale = float(np.trace(matrix)) / q + shift  # keeps float32 away from overflow
    work = np.multiply(matrix.T, 1 / scale, dtype=np.float32, casting="same_kind")  # columns are LAPACK's order
    work[np.diag_indices(q)] += np.float32(shift / scale)
    try:
        factor = linalg.cholesky(work, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError:
        return None

    def precondition(rest: Floats) -> Floats:
        size = float(np.linalg.norm(rest))
        if size == 0:
            return np.zeros_like(rest)
        x = linalg.cho_solve((factor, True), (rest / size).astype(np.float32), check_finite=False)
        return np.asarray(x, dtype=np.float64) * (size / scale)

    return precondition
