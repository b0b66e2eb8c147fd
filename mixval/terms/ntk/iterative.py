"""The NTK term of Eq. 8 (arXiv 2511.13640) by preconditioned conjugate gradients, with an interval that holds the exact value.

    A = Theta + lambda I,    M = F F' + lambda I,    F F' the Nystroem part of Theta over `rank` landmarks

M is inverted through F's thin SVD (Gardner et al. 2018: partial pivoted Cholesky; Frangella, Tropp, Udell, SIMAX 2023:
Nystroem). As F F' is at most Theta in the Loewner order, A is at least M, so 1 bounds the spectrum of M^-1 A from below, with
no estimate of an eigenvalue. That is the node of a Gauss-Radau rule. With g_k the step, rho_k = s_k' M^-1 s_k and d_k the ratio
of one rho to the one before (Golub and Meurant, Matrices, Moments and Quadrature, 2010; Meurant and Tichy, Numer. Algorithms
2013):

    Gauss         lower_k = sum_{j<k} g_j rho_j                               rises to r' A^-1 r
    Gauss-Radau   upper_k = lower_k + h_k rho_k                               falls to it
                  h_0 = 1 / node,    h_{k+1} = (h_k - g_k) / (node (h_k - g_k) + d_{k+1})

The iteration ends on upper - lower, the error of the number that is wanted, not on a residual. At the end the residual
s = r - A x is formed anew; value = r'x + s'x + e'Ae with 0 <= e'Ae <= s' M^-1 s / node holds for any x, so an interval that
does not meet this one has drifted and is refused. All this holds up to rounding of float64, for a Theta that is the same
numbers each time it is read; `rounding` is what `mixval/terms/ntk/nystroem.py` says, and lowers the node to
1 - rounding / lambda.

Letters: N examples. float64 throughout; memory 32 N rank bytes; a step reads the lower half of Theta once.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixval.errors import NumericalError
from mixval.terms.arrays import ArrayLike, Floats
from mixval.terms.ntk.cholesky import BLOCK_SIZE, KernelBlocks, KernelLike, kernel_shift, opened_kernel
from mixval.terms.ntk.nystroem import LandmarkChoice, checked_rounding, low_rank
from mixval.terms.ntk.quadratic import DampingMode

LEAST_TOLERANCE = 1e-10
"""Below, rounding of float64 is as large as what is asked for."""
NODE_MARGIN = 1e-6
"""Relative. Kept between the node and the spectrum, whose least eigenvalue is often 1 itself, for rounding."""


@dataclass(frozen=True)
class IteratedForm:
    """The NTK term with the interval that holds it. Dimensionless but `damping`, in units of Theta."""

    value: float
    """r' (Theta + lambda I)^-1 r, the middle of the interval."""
    term: float
    """sqrt(value / n)."""
    error: float
    """Half the interval: the exact value is no further than this from `value`."""
    term_error: float
    """The exact term is no further than this from `term`."""
    lower: float
    """Gauss bound of the value."""
    upper: float
    """Gauss-Radau bound of the value."""
    n: int
    """Examples."""
    damping: float
    """lambda as added to the diagonal."""
    rank: int
    """Landmarks of the preconditioner; 0 without one."""
    iterations: int
    """Products with Theta, without the one that checks the residual."""
    residual_norm: float
    """|r - A x| / |r|, formed anew at the end; 0 when r is 0."""


@dataclass(frozen=True)
class _System:
    """A x = r with its preconditioner, and what is known of the spectrum of M^-1 A."""

    kernel: KernelBlocks
    shift: float
    precondition: Callable[[Floats], Floats]
    rank: int
    node: float

    def product(self, vector: Floats) -> Floats:
        return self.kernel.product(vector) + self.shift * vector


@dataclass(frozen=True)
class _Reached:
    solution: Floats
    lower: float
    upper: float
    iterations: int


def iterated_quadratic_form(
    theta: KernelLike,  # (N, N)
    residual: ArrayLike,  # (N,)
    damping: float,
    mode: DampingMode = "relative",
    *,
    rank: int = 256,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
    choice: LandmarkChoice = "greedy",
    seed: int = 0,
    rounding: float = 0.0,
    block_size: int = BLOCK_SIZE,
) -> IteratedForm:
    """The NTK term with `error` at most `tolerance` times its value.

    Raises ShapeError when Theta and r do not fit; NumericalError for NaN or infinity (counted), no rows, no damping, a
    tolerance out of reach, a Theta that is not positive semidefinite within `rounding` or changes between two readings, and
    when `max_iterations` do not suffice.
    """
    kernel, r = opened_kernel(theta, residual, block_size)
    _check_arguments(tolerance, rank)
    system = _system(kernel, kernel_shift(kernel, damping, mode), rank, choice, seed, rounding)
    reached = _iterated(system, r, tolerance, max_iterations)
    left = _checked_residual(system, r, reached)
    value, size = (reached.lower + reached.upper) / 2, float(np.linalg.norm(r))
    term = math.sqrt(value / len(r))
    return IteratedForm(
        value=value,
        term=term,
        error=(reached.upper - reached.lower) / 2,
        term_error=max(math.sqrt(reached.upper / len(r)) - term, term - math.sqrt(reached.lower / len(r))),
        lower=reached.lower,
        upper=reached.upper,
        n=len(r),
        damping=system.shift,
        rank=system.rank,
        iterations=reached.iterations,
        residual_norm=float(np.linalg.norm(left)) / size if size else 0.0,
    )


def _check_arguments(tolerance: float, rank: int) -> None:
    if not LEAST_TOLERANCE <= tolerance < 1:
        raise NumericalError(
            f"expected a tolerance from {LEAST_TOLERANCE:g} to below 1, found {tolerance:g}. Use Cholesky for less."
        )
    if rank < 0:
        raise NumericalError(f"expected a rank of at least 0, found {rank}. 0 is no preconditioner.")


def _system(kernel: KernelBlocks, shift: float, rank: int, choice: LandmarkChoice, seed: int, rounding: float) -> _System:
    low = low_rank(kernel, rank, choice, seed, checked_rounding(rounding, shift))
    node = (1 - rounding / shift) * (1 - NODE_MARGIN)
    return _System(kernel, shift, lambda vector: low.inverse_product(vector, shift), len(low.landmarks), node)


def _iterated(system: _System, r: Floats, tolerance: float, max_iterations: int) -> _Reached:
    """Conjugate gradients from x = 0 until the interval is narrow enough."""
    x, s = np.zeros_like(r), r.copy()
    if not r.any():
        return _Reached(x, 0.0, 0.0, 0)
    direction = system.precondition(s)
    rho, lower, upper, radau = float(s @ direction), 0.0, math.inf, 1 / system.node
    for k in range(1, max_iterations + 1):
        product = system.product(direction)
        curvature = float(direction @ product)
        # A step as long as `radau` is a Ritz value at or below the node: the spectrum reaches below it.
        if curvature <= 0 or rho >= radau * curvature:
            raise NumericalError(
                f"Theta is not positive semidefinite: the preconditioned matrix has an eigenvalue below {system.node:g}, "
                f"expected none. If Theta was formed in float32, state its `rounding` or raise `ntk.damping`; else set "
                f"`backbone.dtype: float64`."
            )
        step = rho / curvature
        lower += step * rho
        x += step * direction
        s -= step * product
        preconditioned = system.precondition(s)
        before, rho = rho, float(s @ preconditioned)
        radau = (radau - step) / (system.node * (radau - step) + rho / before)
        upper = lower + radau * rho
        if upper - lower <= 2 * tolerance * lower:
            return _Reached(x, lower, upper, k)
        direction = preconditioned + (rho / before) * direction
    raise NumericalError(
        f"conjugate gradients over {len(r)} rows with a preconditioner of rank {system.rank} left the value between {lower:g} "
        f"and {upper:g} after {max_iterations} iterations, expected within {tolerance:g} of it. Raise the rank, the iterations "
        f"or `ntk.damping`, or use Cholesky."
    )


def _checked_residual(system: _System, r: Floats, reached: _Reached) -> Floats:
    """s = r - A x, formed anew. Raises NumericalError when what it says of the value excludes the interval."""
    s = r - system.product(reached.solution)
    low = float((r + s) @ reached.solution)
    high = low + float(s @ system.precondition(s)) / system.node
    slack = 1e-9 * reached.upper
    if low > reached.upper + slack or high < reached.lower - slack:
        raise NumericalError(
            f"the recurrences put the value between {reached.lower:g} and {reached.upper:g}, the residual formed anew between "
            f"{low:g} and {high:g}. Theta must be the same numbers each time it is read; if it is, raise `ntk.damping` or use "
            f"Cholesky."
        )
    return s
