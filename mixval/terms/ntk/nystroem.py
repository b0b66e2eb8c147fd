"""The NTK term of Eq. 8 (arXiv 2511.13640) between two bounds, from m rows of Theta: the Nystroem approximation.

    Theta = F F' + E,    F F' = Theta[:, I] Theta[I, I]^-1 Theta[I, :],    E positive semidefinite,    E <= trace(E) I

F (N, m) is the partial Cholesky factor over the landmarks I, so the diagonal of E, hence its trace, is known exactly without
another look at Theta (Harbrecht, Peters, Schneider 2012; Chen, Epperly, Tropp, Webber, CPAM 2025). As A <= B in the Loewner
order gives r' B^-1 r <= r' A^-1 r,

    r' (F F' + (trace(E) + lambda) I)^-1 r   <=   r' (Theta + lambda I)^-1 r   <=   r' (F F' + lambda I)^-1 r

Both sides come from one thin SVD, F = U S V', which is Woodbury's identity without its cancellation:
r' (F F' + s I)^-1 r = sum_k (u_k' r)^2 / (S_k^2 + s) + |r - U U' r|^2 / s.

Letters: N examples; m landmarks. float64 throughout; memory 32 N m bytes, time N m^2 and m rows of Theta. The bounds are close
where trace(E) is small beside lambda; where it is not, conjugate gradients on the same landmarks close the interval.

Rounding, when Theta was formed in float32, leaves eigenvalues below zero and breaks both bounds; `rounding`, e in units of
Theta with Theta + e I positive semidefinite, is the remedy: the same holds for Theta + e I under lambda - e. Storing Theta in
float32 alone takes an e of 7e-8 sqrt(N) times the root mean square entry.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mixval.errors import NumericalError
from mixval.seeds import generator
from mixval.terms.arrays import ArrayLike, Floats
from mixval.terms.ntk.cholesky import BLOCK_SIZE, KernelBlocks, KernelLike, kernel_shift, opened_kernel
from mixval.terms.ntk.quadratic import DampingMode

SPANNED = 1e-4
"""A row of which no more than this share of the largest entry of E is left is no landmark yet: with an error e in its row of E
another entry l of E errs by 2 sqrt(l / pivot) e, so that e grows 200 times at most in a step."""

LandmarkChoice = Literal["greedy", "weighted", "uniform"]
"""The next landmark: the largest of E's diagonal; drawn in proportion to it (RPCholesky); drawn from all rows that are neither
used nor spanned."""


@dataclass(frozen=True)
class NystroemForm:
    """The NTK term from landmarks, with its bounds. Dimensionless but `damping` and the traces, in units of Theta."""

    value: float
    """The value of the approximation, which is the upper bound."""
    term: float
    """sqrt(value / n): never below the exact term."""
    lower: float
    """The exact value is not below this."""
    upper: float
    """The exact value is not above this."""
    term_lower: float
    """sqrt(lower / n): never above the exact term."""
    n: int
    """Examples."""
    n_landmarks: int
    """Rows of Theta that were used; fewer than asked for when they already span it."""
    damping: float
    """lambda as added to the diagonal."""
    trace: float
    """Trace of Theta."""
    trace_left: float
    """Trace of E: what the landmarks leave out, `rounding` included."""


@dataclass(frozen=True)
class LowRank:
    """U S^2 U', at most Theta + rounding I in the Loewner order."""

    basis: Floats  # (N, m), orthonormal columns
    eigenvalues: Floats  # (m,), decreasing
    landmarks: npt.NDArray[np.int64]  # (m,), in the order in which they were taken
    trace: float
    trace_left: float

    def inverse_product(
        self,
        vector: Floats,  # (N,)
        shift: float,
    ) -> Floats:  # (N,)
        """(U S^2 U' + shift I)^-1 v."""
        inside = self.basis.T @ vector
        outside = vector - self.basis @ inside
        return self.basis @ (inside / (self.eigenvalues + shift)) + outside / shift

    def value(
        self,
        residual: Floats,  # (N,)
        shift: float,
    ) -> float:
        """r' (U S^2 U' + shift I)^-1 r, as a sum of terms none of which is negative."""
        inside = self.basis.T @ residual
        outside = residual - self.basis @ inside
        return float((inside**2 / (self.eigenvalues + shift)).sum() + outside @ outside / shift)


def nystroem_quadratic_form(
    theta: KernelLike,  # (N, N)
    residual: ArrayLike,  # (N,)
    damping: float,
    mode: DampingMode = "relative",
    *,
    n_landmarks: int,
    choice: LandmarkChoice = "greedy",
    seed: int = 0,
    rounding: float = 0.0,
    block_size: int = BLOCK_SIZE,
) -> NystroemForm:
    """The NTK term of the Nystroem approximation, and bounds of the exact one. `seed` names the draw of landmarks.

    Raises ShapeError when Theta and r do not fit; NumericalError for NaN or infinity (counted), no rows, no damping, no
    landmark, a `rounding` outside [0, lambda), or a Theta that is not positive semidefinite.
    """
    kernel, r = opened_kernel(theta, residual, block_size)
    if n_landmarks < 1:
        raise NumericalError(f"expected at least one landmark, found {n_landmarks}. Take some hundreds.")
    shift = kernel_shift(kernel, damping, mode)
    low = low_rank(kernel, n_landmarks, choice, seed, checked_rounding(rounding, shift))
    least = shift - rounding
    upper, lower = low.value(r, least), low.value(r, least + low.trace_left)
    return NystroemForm(
        value=upper,
        term=math.sqrt(upper / len(r)),
        lower=lower,
        upper=upper,
        term_lower=math.sqrt(lower / len(r)),
        n=len(r),
        n_landmarks=len(low.landmarks),
        damping=shift,
        trace=low.trace,
        trace_left=low.trace_left,
    )


def checked_rounding(rounding: float, shift: float) -> float:
    """The same number. Raises NumericalError unless it is in [0, lambda): beyond, no bound can be given."""
    if not 0 <= rounding < shift:
        raise NumericalError(
            f"expected a rounding of Theta from 0 to below lambda = {shift:g}, found {rounding:g}. Raise `ntk.damping` above "
            f"it, or set `backbone.dtype: float64`."
        )
    return rounding


def low_rank(
    kernel: KernelBlocks,
    n_landmarks: int,
    choice: LandmarkChoice = "greedy",
    seed: int = 0,
    rounding: float = 0.0,
) -> LowRank:
    """Partial Cholesky of Theta + rounding I over at most n_landmarks rows, in its orthonormal basis.

    Raises NumericalError when a diagonal entry of E falls below zero by more than rounding of float64 explains.
    """
    factor, landmarks, left, trace = _partial_cholesky(kernel, n_landmarks, _CHOICES[choice], seed, rounding)
    basis, triangle = np.linalg.qr(factor.T)
    turn, singular, _ = np.linalg.svd(triangle)
    return LowRank(basis @ turn, singular**2, landmarks, trace, float(left.sum()))


_Choose = Callable[[Floats, np.random.Generator], int]


def _partial_cholesky(
    kernel: KernelBlocks, n_landmarks: int, choose: _Choose, seed: int, rounding: float
) -> tuple[Floats, npt.NDArray[np.int64], Floats, float]:
    """F' (m, N), landmarks (m,), the diagonal (N,) of E, and the trace of Theta."""
    left, draw = kernel.diagonal() + rounding, generator(seed, "landmarks")
    trace = float(left.sum()) - kernel.n * rounding
    # LAPACK's dpstrf ends at the same pivot: what is smaller is rounding of the subtractions.
    smallest = kernel.n * float(np.finfo(np.float64).eps) * max(float(left.max()), 0.0)
    factor, landmarks = np.zeros((min(n_landmarks, kernel.n), kernel.n)), list[int]()
    for k in range(len(factor)):
        _check_semidefinite(left, smallest, factor[:k], landmarks)
        open_rows = np.where(left > max(smallest, SPANNED * float(left.max())), left, 0.0)
        if not open_rows.any():
            break
        pivot = choose(open_rows, draw)
        row = kernel.read(slice(pivot, pivot + 1), slice(0, kernel.n))[0] - factor[:k, pivot] @ factor[:k]
        row[pivot] += rounding
        factor[k] = row / math.sqrt(left[pivot])
        left -= factor[k] ** 2
        left[pivot] = 0.0
        landmarks.append(pivot)
    factor = factor[: len(landmarks)]
    _check_semidefinite(left, smallest, factor, landmarks)
    return factor, np.array(landmarks, dtype=np.int64), np.maximum(left, 0.0), trace


def _check_semidefinite(left: Floats, smallest: float, factor: Floats, landmarks: list[int]) -> None:
    """Refuse a diagonal of E that rounding does not explain.

    E_ll = u' Theta u with u = e_l - sum_i w_i e_i and w = Theta[I, I]^-1 Theta[I, l]: entries of Theta that are rounded by
    `smallest` move it by (1 + |w|_1)^2 of that, which is much where landmarks are nearly dependent.
    """
    below = np.flatnonzero(left < -100 * smallest)
    if not below.size:
        return
    w = np.linalg.solve(factor[:, landmarks], factor[:, below])
    beyond = below[left[below] < -100 * smallest * (1 + np.abs(w).sum(axis=0)) ** 2]
    if beyond.size:
        lowest = int(beyond[left[beyond].argmin()])
        raise NumericalError(
            f"Theta is not positive semidefinite: what the landmarks leave of its diagonal falls to {left[lowest]:g} at row "
            f"{lowest}. If that is rounding, state `rounding`, at least {-left[lowest]:g}; or set `backbone.dtype: float64`."
        )


def _greedy(left: Floats, draw: np.random.Generator) -> int:  # noqa: ARG001, one signature for all choices
    return int(left.argmax())


def _weighted(left: Floats, draw: np.random.Generator) -> int:
    return int(draw.choice(len(left), p=left / left.sum()))


def _uniform(left: Floats, draw: np.random.Generator) -> int:
    return int(draw.choice(np.flatnonzero(left)))


_CHOICES: dict[LandmarkChoice, _Choose] = {"greedy": _greedy, "weighted": _weighted, "uniform": _uniform}
