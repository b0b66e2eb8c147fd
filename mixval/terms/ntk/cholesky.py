"""The exact NTK term of Eq. 8 (arXiv 2511.13640) for kernels that are large: Cholesky in blocks, in one buffer.

    A = Theta + lambda I = L L',    value = r' A^-1 r = |L^-1 r|^2

Letters: N examples; B rows of a block. Theta stands in an array (float32, float64, a memory map) or behind a function that
makes any block of it, so that it need not exist as a whole. It is symmetric, and only blocks on and below its diagonal are
read. float64 throughout.

Left-looking (Golub and Van Loan, Matrix Computations, 4th ed., 4.2.9): a block of L is Theta's, less one product of what stands
to its left, over the diagonal block's factor. Each block is fetched when its turn comes and stays where it was put, so memory
is 8 N^2 bytes for the buffer and 64 B^2 beside it, at N = 20,000 3.2 GB and 67 MB. The residual takes one more pass over Theta.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from torch import Tensor

from mixval.errors import CapacityError, NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.ntk.damped import JITTER_STEPS
from mixval.terms.ntk.quadratic import DampingMode, QuadraticForm, damping_shift

BlockProvider = Callable[[slice, slice], ArrayLike]
"""(rows, cols) to the (len(rows), len(cols)) block of Theta; the same numbers every time it is asked."""
KernelLike = ArrayLike | BlockProvider
BLOCK_SIZE = 1024
"""Rows on a side of a block: large enough for BLAS, 8 MiB in float64."""


@dataclass(frozen=True)
class KernelBlocks:
    """Theta (N, N) by blocks, each checked when it is read."""

    given: KernelLike
    n: int
    block_size: int = BLOCK_SIZE

    def read(self, rows: slice, cols: slice) -> Floats:
        """A block in float64. Raises ShapeError for another shape, NumericalError for NaN or infinity (counted)."""
        found = self.given(rows, cols) if callable(self.given) else self.given[rows, cols]
        block = np.asarray(found.detach().cpu().double().numpy() if isinstance(found, Tensor) else found, dtype=np.float64)
        expected = (rows.stop - rows.start, cols.stop - cols.start)
        if block.shape != expected:
            raise ShapeError(f"Theta[{_said(rows)}, {_said(cols)}]: expected a block of shape {expected}, found {block.shape}.")
        with np.errstate(invalid="ignore", over="ignore"):  # what a broken block's sum warns of is counted below
            total = float(block.sum())  # several times cheaper than a look at each number
        if not math.isfinite(total):
            return floats(f"Theta[{_said(rows)}, {_said(cols)}]", block, 2)
        return block

    def runs(self) -> list[slice]:
        """Consecutive rows, `block_size` at a time; the last run may be shorter."""
        return [slice(low, min(low + self.block_size, self.n)) for low in range(0, self.n, self.block_size)]

    def lower(self) -> Iterator[tuple[slice, slice, Floats]]:
        """Blocks on and below the diagonal, row by row."""
        runs = self.runs()
        for i, rows in enumerate(runs):
            for cols in runs[: i + 1]:
                yield rows, cols, self.read(rows, cols)

    def diagonal(self) -> Floats:
        """(N,) diagonal."""
        if not callable(self.given):  # no whole block is read for it
            return floats("the diagonal of Theta", self.given.diagonal(), 1)
        return np.concatenate([np.diagonal(self.read(run, run)) for run in self.runs()])

    def product(
        self,
        vector: Floats,  # (N,)
    ) -> Floats:  # (N,)
        """Theta v. A block below the diagonal serves its mirror image too, so half of Theta is read."""
        result = np.zeros(self.n)
        for rows, cols, block in self.lower():
            result[rows] += block @ vector[cols]
            if rows != cols:
                result[cols] += block.T @ vector[rows]
        return result

    def prefix(self, n: int) -> "KernelBlocks":
        """The leading n rows and columns."""
        return KernelBlocks(self.given if callable(self.given) else self.given[:n, :n], n, self.block_size)


@dataclass(frozen=True)
class Factor:
    """L with L L' = Theta + (damping + jitter) I."""

    lower: Floats  # (N, N), C order; what stands above its diagonal is undefined
    damping: float
    """lambda as added to the diagonal."""
    jitter: float
    """Added on top of lambda; 0 unless the factorisation failed without."""

    def half_solution(
        self,
        residual: Floats,  # (N,)
    ) -> Floats:  # (N,)
        """y = L^-1 r. The value over the first k rows alone is y[:k]'y[:k], for any k: L's leading block is their factor."""
        # LAPACK wants column order: the transposed view is that without a copy, and its upper half is L'.
        return np.asarray(linalg.lapack.dtrtrs(self.lower.T, residual, lower=0, trans=1)[0], dtype=np.float64)

    def solution(
        self,
        half: Floats,  # (N,)
    ) -> Floats:  # (N,)
        """x = L^-T y, which solves L L' x = r."""
        return np.asarray(linalg.lapack.dtrtrs(self.lower.T, half, lower=0, trans=0)[0], dtype=np.float64)


def blocked_quadratic_form(
    theta: KernelLike,  # (N, N)
    residual: ArrayLike,  # (N,)
    damping: float,
    mode: DampingMode = "relative",
    *,
    block_size: int = BLOCK_SIZE,
    memory_bytes: int | None = None,
) -> QuadraticForm:
    """What `quadratic_form` gives with one block, for a Theta that need not be in memory, in `peak_bytes` of it.

    Raises ShapeError when Theta and r do not fit; NumericalError for NaN or infinity (counted), no rows, no damping, gradients
    that are all zero under relative damping, or a matrix that stays indefinite; CapacityError when `memory_bytes` is too small.
    """
    kernel, r = opened_kernel(theta, residual, block_size)
    if memory_bytes is not None and (needed := peak_bytes(len(r), block_size)) > memory_bytes:
        raise CapacityError(
            f"an exact Cholesky over {len(r)} rows needs {needed} bytes, expected at most {memory_bytes}. Give it more memory, "
            f"lower `ntk.sample`, or use conjugate gradients or Nystroem, which hold no square matrix."
        )
    factor = factorised(kernel, kernel_shift(kernel, damping, mode))
    half = factor.half_solution(r)
    solution = factor.solution(half)
    shift, size, value = factor.damping + factor.jitter, float(np.linalg.norm(r)), float(half @ half)
    product, norm = _product_and_norm(kernel, solution)
    reciprocal, _ = linalg.lapack.dpocon(factor.lower.T, norm + shift, uplo="U")
    return QuadraticForm(
        value=value,
        term=math.sqrt(value / len(r)),
        n=len(r),
        damping=factor.damping,
        jitter=factor.jitter,
        residual_norm=float(np.linalg.norm(product + shift * solution - r)) / size if size else 0.0,
        condition=1 / float(reciprocal) if reciprocal > 0 else math.inf,
        n_blocks=1,
    )


def peak_bytes(n: int, block_size: int = BLOCK_SIZE) -> int:
    """Bytes that the exact solve holds at most beside Theta itself: the buffer, eight blocks, sixteen vectors."""
    return 8 * (n * n + 8 * min(n, block_size) ** 2 + 16 * n)


def opened_kernel(theta: KernelLike, residual: ArrayLike, block_size: int = BLOCK_SIZE) -> tuple[KernelBlocks, Floats]:
    """Theta by blocks, and r (N,). Raises ShapeError when they do not fit, NumericalError without rows or for a broken r."""
    r = floats("the residual r", residual, 1)
    if not callable(theta) and tuple(theta.shape) != (r.size, r.size):
        raise ShapeError(
            f"expected a square Theta over {r.size} residuals, found {tuple(theta.shape)}. Use the same rows for both."
        )
    if r.size == 0:
        raise NumericalError("the NTK term needs at least one row, found none. Leave empty contributors out.")
    if block_size < 1:
        raise NumericalError(f"expected blocks of at least one row, found block_size {block_size}. 1,024 is a good size.")
    return KernelBlocks(theta, r.size, block_size), r


def kernel_shift(kernel: KernelBlocks, damping: float, mode: DampingMode) -> float:
    """lambda in units of Theta, by the one rule of `quadratic_form`."""
    mean = float(kernel.diagonal().mean()) if mode == "relative" else 0.0
    return damping_shift(mean, kernel.n, damping, mode)


def factorised(kernel: KernelBlocks, shift: float) -> Factor:
    """L of Theta + shift I, with jitter in the steps of `quadratic_form` where it fails. Each step reads Theta anew.

    Raises NumericalError when it fails with the last step.
    """
    scale = float(kernel.diagonal().mean()) + shift
    lower = np.empty((kernel.n, kernel.n))
    reached = 0
    for step in JITTER_STEPS:
        reached = _factorise_into(lower, kernel, shift + step * scale)
        if reached == kernel.n:
            return Factor(lower, shift, step * scale)
    raise NumericalError(
        f"Theta + lambda I over {kernel.n} rows is not positive definite, not even with {JITTER_STEPS[-1]:g} of its mean "
        f"diagonal {scale:g} added: the factorisation broke off in the block that begins at row {reached}. Raise "
        f"`ntk.damping`, or set `backbone.dtype: float64`."
    )


def _factorise_into(lower: Floats, kernel: KernelBlocks, shift: float) -> int:
    """Rows that were factorised: all of them, or those before the block that is indefinite."""
    runs = kernel.runs()
    for j, cols in enumerate(runs):
        left = lower[cols, : cols.start]
        block = kernel.read(cols, cols) - left @ left.T
        block[np.diag_indices_from(block)] += shift
        try:
            corner = linalg.cholesky(block, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:
            return int(cols.start)
        lower[cols, cols] = corner
        for rows in runs[j + 1 :]:
            below = kernel.read(rows, cols) - lower[rows, : cols.start] @ left.T
            lower[rows, cols] = linalg.solve_triangular(corner, below.T, lower=True, check_finite=False).T
    return kernel.n


def _product_and_norm(kernel: KernelBlocks, vector: Floats) -> tuple[Floats, float]:
    """Theta v (N,), and the 1-norm of Theta, in one pass."""
    product, sums = np.zeros(kernel.n), np.zeros(kernel.n)
    for rows, cols, block in kernel.lower():
        product[rows] += block @ vector[cols]
        size = np.abs(block)
        sums[cols] += size.sum(axis=0)
        if rows != cols:
            product[cols] += block.T @ vector[rows]
            sums[rows] += size.sum(axis=1)
    return product, float(sums.max())


def _said(rows: slice) -> str:
    return f"{rows.start}:{rows.stop}"
