"""Sums of contributors' gradient statistics over a coalition, updated from one coalition to the next by the contributors that
join and leave.

Letters: K contributors; q features; Phi (n, q) gradient features and r (n,) residuals of n rows. A = Phi'Phi, c = Phi'r and
r'r are additive over contributors:

    A(U + k) = A(U) + A_k,    A(U - k) = A(U) - A_k

Sums are float64. Entries stored as float32 are added and subtracted without any rounding while they are within about 2^29 of
their sum. Beyond, a change rounds an entry by eps |A_ij| <= eps sqrt(A_ii A_jj), of the largest coalition so far: so sums are
made anew where the trace is small against that coalition's, or after many changes, and `rounding` bounds the error.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixval.errors import NumericalError, ShapeError
from mixval.valuation.estimates import Floats

BLOCK = 128
"""Rows of a matrix worked on at a time, so that the upper triangle is left alone."""
FAINTEST = 0.1
"""Share of the largest trace so far below which a coalition is summed anew."""
MOST_CHANGES = 256
"""Contributors that join and leave before sums are made anew. Their roundings are a random walk, of 16 times a single one."""


@dataclass(frozen=True)
class Statistics:
    """Sums over the rows of K contributors.

    Raises ShapeError when they do not fit; NumericalError for numbers that are not finite, or that no rows can have.
    """

    n: NDArray[np.int64]
    """(K,) rows."""
    gram: NDArray[Any]
    """(K, q, q) float32 or float64: Phi'Phi. Only lower triangles are read; referenced, not copied."""
    cross: Floats
    """(K, q) Phi'r."""
    square: Floats
    """(K,) r'r."""
    measured: NDArray[np.int64]
    """(K,) rows behind the sums, where sums are weighted."""
    diagonals: Floats = field(init=False)
    """(K, q) of Phi'Phi."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together, and statistics that no rows can have."""
        _check_shapes(self)
        object.__setattr__(self, "diagonals", np.diagonal(self.gram, axis1=1, axis2=2).astype(np.float64))
        for k in range(len(self.n)):
            _check_contributor(k, self.gram[k], self.diagonals[k], self.cross[k], float(self.square[k]))


class GramSums:
    """Sum of Gram matrices over a coalition, changed step by step."""

    def __init__(self, grams: Sequence[NDArray[Any]] | NDArray[Any], diagonals: Floats, *, lower: bool) -> None:
        """Take K (q, q) matrices and their diagonals (K, q); the coalition is empty.

        With `lower`, only blocks that meet the lower triangle are read and summed.
        """
        k, q = diagonals.shape
        self._grams, self._diagonals = grams, diagonals
        self._blocks = list(lower_blocks(q)) if lower else [(slice(None), slice(None))]
        self._changes, self._largest = 0, np.zeros(q)
        self.members = np.zeros(k, dtype=np.bool_)
        self.gram: Floats = np.zeros((q, q))
        self.diagonal: Floats = np.zeros(q)
        """(q,) of `gram`, from the contributors'."""

    @property
    def rounding(self) -> Floats:
        """(q,) d: entry ij of `gram` is wrong by sqrt(d_i d_j) as a root mean square, from float64 alone."""
        return float(np.finfo(np.float64).eps) * math.sqrt(self._changes) * self._largest

    def become(self, members: NDArray[np.bool_]) -> None:
        """Sum over the contributors that `members` (K,) marks, by the fewest additions and subtractions that keep it exact."""
        leaving, joining = self.members & ~members, members & ~self.members
        diagonal = self._diagonals[members].sum(axis=0)
        if leaving.any() and self._is_better_anew(members, int(leaving.sum() + joining.sum()), float(diagonal.sum())):
            self.members[:], self._changes, self._largest = False, 0, np.zeros_like(diagonal)
            leaving, joining = np.zeros_like(members), members
        for k in np.flatnonzero(leaving):
            self._change(int(k), np.subtract)
        for k in np.flatnonzero(joining):
            self._change(int(k), np.add)
        self.diagonal, self._largest = diagonal, np.maximum(self._largest, diagonal)

    def _is_better_anew(self, members: NDArray[np.bool_], changes: int, trace: float) -> bool:
        is_cheaper = changes >= int(members.sum())
        return is_cheaper or self._changes + changes > MOST_CHANGES or trace < FAINTEST * float(self._largest.sum())

    def _change(self, k: int, operation: np.ufunc) -> None:
        is_first = not self.members.any()
        for rows, columns in self._blocks:
            held, own = self.gram[rows, columns], self._grams[k][rows, columns]
            if is_first:
                held[:] = own
            else:
                operation(held, own, out=held)
        self.members[k] = not self.members[k]
        self._changes += 1


class CoalitionSums:
    """Sum of statistics over a coalition, changed step by step. Of `gram` (q, q) only the lower triangle is summed."""

    def __init__(self, statistics: Statistics) -> None:
        """Start with the empty coalition."""
        self._statistics = statistics
        self._grams = GramSums(statistics.gram, statistics.diagonals, lower=True)
        self.n, self.measured, self.square = 0, 0, 0.0
        self.cross: Floats = np.zeros(statistics.cross.shape[1])

    @property
    def gram(self) -> Floats:
        """(q, q) Phi'Phi, of which only the lower triangle is valid."""
        return self._grams.gram

    @property
    def diagonal(self) -> Floats:
        """(q,) of `gram`, from the contributors'."""
        return self._grams.diagonal

    @property
    def rounding(self) -> Floats:
        """As `GramSums.rounding`."""
        return self._grams.rounding

    def become(self, members: NDArray[np.bool_]) -> None:
        """Sum over the contributors that `members` (K,) marks, as `GramSums.become`."""
        self._grams.become(members)
        of = self._statistics
        self.n, self.measured = int(of.n[members].sum()), int(of.measured[members].sum())
        self.square, self.cross = float(of.square[members].sum()), of.cross[members].sum(axis=0)


def lower_blocks(q: int) -> Iterator[tuple[slice, slice]]:
    """Bands of rows and their columns up to the diagonal block: together the lower triangle."""
    for low in range(0, q, BLOCK):
        high = min(low + BLOCK, q)
        yield slice(low, high), slice(0, high)


def _check_shapes(held: Statistics) -> None:
    n, gram, cross, square = held.n, held.gram, held.cross, held.square
    if gram.ndim != 3 or gram.shape[1] != gram.shape[2] or 0 in gram.shape:
        raise ShapeError(f"Gram matrices: expected shape (K, q, q) with K and q at least 1, found {gram.shape}.")
    k, q, _ = gram.shape
    if gram.dtype not in (np.float32, np.float64):
        raise ShapeError(f"Gram matrices: expected float32 or float64, found {gram.dtype}. Convert them.")
    if n.shape != (k,) or cross.shape != (k, q) or square.shape != (k,):
        raise ShapeError(
            f"statistics of {k} contributors and {q} features: expected n ({k},), cross ({k}, {q}) and square ({k},), found "
            f"{n.shape}, {cross.shape} and {square.shape}. Stack them in one order."
        )
    if n.dtype.kind not in "iu" or (n < 1).any():
        raise ShapeError(f"rows by contributor: expected whole numbers from 1, found {n.tolist()}. Leave empty ones out.")
    if held.measured.shape != n.shape or (held.measured < 1).any():
        raise ShapeError(f"measured rows: expected {n.shape} whole numbers from 1, found {held.measured.tolist()}.")


def _check_contributor(k: int, gram: NDArray[Any], diagonal: Floats, cross: Floats, square: float) -> None:
    n_broken = sum(int(x.size - np.isfinite(x).sum()) for x in (gram, cross, np.array(square)))
    if n_broken:
        raise NumericalError(f"statistics of contributor {k}: {n_broken} numbers are NaN or infinite. Leave its rows out.")
    # Cauchy-Schwarz; the tolerance is for a Gram in float32.
    if (diagonal < 0).any() or square < 0 or (cross**2 > (1 + 1e-5) * diagonal * square).any():
        raise NumericalError(
            f"statistics of contributor {k} are of no rows: expected (Phi'r)_j^2 <= (Phi'Phi)_jj r'r for every feature j. Take "
            f"all of them from the same rows, features and residuals."
        )
