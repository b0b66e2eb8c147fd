"""Damped matrices M + lambda I: Cholesky factor, solution, condition number and effective rank.

M is symmetric without negative eigenvalues, a kernel or a matrix of sums of products. float64 throughout. Where the
factorisation fails although lambda > 0, jitter is added in steps from 1e-12 to 1e-6 of the mean diagonal and reported.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from mixval.errors import NumericalError
from mixval.terms.arrays import Floats

JITTER_STEPS = (0.0, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)
"""Added to the diagonal in turn, relative to its mean, until the factorisation goes through."""
CONDITION_ROWS = 1024
"""Rows whose sizes are summed at a time."""


@dataclass(frozen=True)
class Solved:
    """The solution of (M + (lambda + jitter) I) x = b, and the factor that gave it."""

    factor: Floats
    """(k, k), column order: L with L L' = M + (lambda + jitter) I, zero above its diagonal."""
    solution: Floats
    """(k,) or (k, C): x."""
    shift: float
    """lambda."""
    jitter: float
    """Added on top of lambda; 0 unless the factorisation failed without."""

    @property
    def added(self) -> float:
        """lambda + jitter."""
        return self.shift + self.jitter


def solved(
    matrix: Floats,  # (k, k): M
    right: Floats,  # (k,) or (k, C): b
    shift: float,
) -> Solved:
    """x of (M + shift I) x = b, with jitter where it must be. Memory besides M: the factor, of M's size.

    Raises NumericalError when the factorisation fails with the last step of jitter too.
    """
    scale = float(np.diagonal(matrix).mean()) + shift
    for step in JITTER_STEPS:
        # LAPACK wants column order: the transposed view of a symmetric matrix has it, so that this is the only copy.
        work = np.array(matrix.T, order="F")
        work[np.diag_indices_from(work)] += shift + step * scale
        try:
            factor = linalg.cholesky(work, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:
            continue
        solution = linalg.cho_solve((factor, True), right, check_finite=False)
        return Solved(factor, solution, shift, step * scale)
    least = float(linalg.eigvalsh(matrix, subset_by_index=[0, 0])[0]) + shift
    raise NumericalError(
        f"Theta + lambda I over {len(matrix)} rows is not positive definite, not even with {JITTER_STEPS[-1]:g} of its mean "
        f"diagonal {scale:g} added: its least eigenvalue is {least:g}. Raise `ntk.damping`, or set `backbone.dtype: float64`."
    )


def missed(matrix: Floats, right: Floats, found: Solved) -> Floats:
    """M x + (lambda + jitter) x - b: the residual of the solution."""
    left: Floats = matrix @ found.solution + found.added * found.solution - right
    return left


def energy_norm(right: Floats, found: Solved) -> float:
    """sqrt(trace(x' M x)): with M x = b - (lambda + jitter) x, which x solves, no product with M is needed."""
    return math.sqrt(max(float((found.solution * (right - found.added * found.solution)).sum()), 0.0))


def condition(matrix: Floats, found: Solved) -> float:
    """1-norm condition number of M + (lambda + jitter) I, as LAPACK estimates it."""
    sums = [np.abs(matrix[low : low + CONDITION_ROWS]).sum(axis=1).max() for low in range(0, len(matrix), CONDITION_ROWS)]
    # A damped diagonal is positive, so the shift adds to every sum.
    reciprocal, _ = linalg.lapack.dpocon(found.factor, float(max(sums)) + found.added, uplo="L")
    return 1 / float(reciprocal) if reciprocal > 0 else math.inf


def effective_rank(found: Solved) -> float:
    """trace(M (M + s I)^-1) = k - s |L^-1|^2, with s = lambda and its jitter and L the Cholesky factor."""
    inverse, _ = linalg.lapack.dtrtri(found.factor, lower=1)
    return max(len(inverse) - found.added * float(np.vdot(inverse, inverse)), 0.0)
