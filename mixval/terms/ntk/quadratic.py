"""The NTK term of Eq. 8 (arXiv 2511.13640): sqrt(r' (Theta + lambda I)^-1 r / N), by Cholesky, never by an inverse.

Letters: N examples. float64 throughout. Two switches:

    damping   relative: lambda = damping times the mean diagonal of the whole Theta;  absolute: lambda = damping
    n_blocks  1: exact. Above: Theta is replaced by its block diagonal over nearly equal runs of consecutive rows, which must
              stand in an order without meaning (DAVINZ permutes at random). With as many blocks as rows, the diagonal.

Where the factorisation fails, jitter is added and reported (`damped.py`). Memory: Theta and a factor of its size, 6.4 GB in all
at N = 20,000.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import linalg

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.ntk.damped import condition, missed, solved
from mixval.terms.replicates import eased

DampingMode = Literal["relative", "absolute"]


@dataclass(frozen=True)
class QuadraticForm:
    """The NTK term with its diagnostics. Everything is dimensionless but `damping` and `jitter`, in units of Theta."""

    value: float
    """r' (Theta + lambda I)^-1 r."""
    term: float
    """sqrt(value / n)."""
    n: int
    """Examples."""
    damping: float
    """lambda as added to the diagonal."""
    jitter: float
    """Added on top of lambda; 0 unless the factorisation failed without. The largest over blocks."""
    residual_norm: float
    """|A x - r| / |r| of the solution x; 0 when r is 0."""
    condition: float
    """1-norm condition number of the damped matrix, as LAPACK estimates it. The largest over blocks."""
    n_blocks: int
    """Blocks that were used: at most n."""


def quadratic_form(
    theta: ArrayLike,  # (N, N)
    residual: ArrayLike,  # (N,)
    damping: float,
    mode: DampingMode = "relative",
    n_blocks: int = 1,
) -> QuadraticForm:
    """The NTK term of N examples from their kernel and residuals.

    Raises ShapeError when they do not fit; NumericalError for NaN or infinity (counted), no rows, no damping, gradients
    that are all zero under relative damping, or a matrix that stays indefinite.
    """
    kernel, r = _checked(theta, residual)
    shift = _shift(kernel, damping, mode)
    value, jitter, error, worst = 0.0, 0.0, 0.0, 1.0
    blocks = _blocks(len(r), n_blocks)
    for block in blocks:
        part, own = kernel[block, block], r[block]
        found = solved(part, own, shift)
        value += float(own @ found.solution)
        jitter = max(jitter, found.jitter)
        error += float((missed(part, own, found) ** 2).sum())
        worst = max(worst, condition(part, found))
    size = float(np.linalg.norm(r))
    return QuadraticForm(
        value=value,
        term=math.sqrt(max(value, 0.0) / len(r)),
        n=len(r),
        damping=shift,
        jitter=jitter,
        residual_norm=math.sqrt(error) / size if size else 0.0,
        condition=worst,
        n_blocks=len(blocks),
    )


def ntk_moves(
    theta: ArrayLike,  # (N, N)
    residual: ArrayLike,  # (N,)
    damping: float,
    mode: DampingMode = "relative",
    n_blocks: int = 1,
) -> Floats:
    """(N,) how far the term falls as each row leaves, at the same lambda, `eased`. Raises as `quadratic_form`.

    With A = Theta + lambda I and x = A^-1 r, the quadratic form falls by x_i^2 / (A^-1)_ii (the Schur complement of row i), and
    1 less the row's leverage is lambda (A^-1)_ii.
    """
    kernel, r = _checked(theta, residual)
    shift = _shift(kernel, damping, mode)
    falls, free, value = np.empty(len(r)), np.empty(len(r)), 0.0
    for block in _blocks(len(r), n_blocks):
        found = solved(kernel[block, block], r[block], shift)
        inverse, _ = linalg.lapack.dpotri(found.factor, lower=1)
        falls[block] = found.solution**2 / np.diagonal(inverse)
        free[block] = np.clip(found.added * np.diagonal(inverse), 0.0, 1.0)
        value += float(r[block] @ found.solution)
    n = len(r)
    left = np.sqrt(np.maximum(value - falls, 0.0) / max(n - 1, 1))
    return eased(math.sqrt(max(value, 0.0) / n) - left, free)


def _checked(theta: ArrayLike, residual: ArrayLike) -> tuple[Floats, Floats]:
    kernel, r = floats("Theta", theta, 2), floats("the residual r", residual, 1)
    if kernel.shape != (r.size, r.size):
        raise ShapeError(f"expected a square Theta over {r.size} residuals, found {kernel.shape}. Use the same rows for both.")
    if r.size == 0:
        raise NumericalError("the NTK term needs at least one row, found none. Leave empty contributors out.")
    return kernel, r


def damping_shift(mean_diagonal: float, n: int, damping: float, mode: DampingMode, name: str = "Theta") -> float:
    """lambda in units of Theta, from the mean diagonal over n rows; `name` is what the kernel is called in errors.

    Raises NumericalError for no damping, and for gradients that are all zero under relative damping.
    """
    if not (math.isfinite(damping) and damping > 0):
        raise NumericalError(f"expected a positive, finite damping, found {damping}. Set `ntk.damping`.")
    if mode == "absolute":
        return damping
    if mean_diagonal <= 0:
        raise NumericalError(
            f"the mean diagonal of {name} is {mean_diagonal}: every one of {n} gradients is zero, so relative damping has no "
            f"scale. Choose other `ntk.parameters`, or set `ntk.damping_mode: absolute`."
        )
    return damping * mean_diagonal


def _shift(kernel: Floats, damping: float, mode: DampingMode) -> float:
    return damping_shift(float(np.diagonal(kernel).mean()), len(kernel), damping, mode)


def _blocks(n: int, n_blocks: int) -> list[slice]:
    """Nearly equal runs of consecutive rows, none empty."""
    if n_blocks < 1:
        raise NumericalError(f"expected at least one block, found {n_blocks}. Set `ntk.n_blocks`.")
    edges = np.linspace(0, n, min(n_blocks, n) + 1).round().astype(int).tolist()
    return [slice(low, high) for low, high in itertools.pairwise(edges)]
