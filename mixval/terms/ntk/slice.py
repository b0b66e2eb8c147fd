"""Gradients of a slice of rows, batch by batch, in a form whose Gram blocks are exact: per weight, vectors or factors.

The form changes cost and never the result: a Gram block takes any mix (see `gram.py`). Batches are not joined, so that nothing
is copied and a batch of short rows is not padded to the longest of another.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mixval.terms.ntk.contribution import Factors

Kept = Tensor | tuple[Factors, ...]
"""Of one weight in one batch: gradients (B, O I), or factors, one for each time that the pass used the weight; none is zero."""


@dataclass(frozen=True)
class WeightGradients:
    """Per-example gradients of one parameter, seen as a matrix of O rows and I columns (a vector: I = 1)."""

    shape: tuple[int, int]
    """(O, I)."""
    counts: tuple[int, ...]
    """Rows of each batch."""
    batches: tuple[Kept, ...]

    @property
    def n(self) -> int:
        """Rows."""
        return sum(self.counts)

    @property
    def is_zero(self) -> bool:
        """Whether no batch used the weight."""
        return all(isinstance(batch, tuple) and not batch for batch in self.batches)

    @property
    def has_only_factors(self) -> bool:
        """Whether every batch that used the weight is left as factors."""
        return not any(isinstance(batch, Tensor) for batch in self.batches)

    @property
    def uses(self) -> list[Factors]:
        """All factors, batch after batch."""
        return [use for batch in self.batches if isinstance(batch, tuple) for use in batch]

    @property
    def positions(self) -> int:
        """Positions of all rows and uses together, as they lie in the factors."""
        return sum(use.right.shape[0] * use.right.shape[1] for use in self.uses)

    @property
    def n_bytes(self) -> int:
        """Bytes in memory."""
        tensors = [t for batch in self.batches for t in _tensors(batch)]
        return sum(t.numel() * t.element_size() for t in tensors)

    def runs(self) -> list[tuple[slice, Kept]]:
        """Each batch with the rows of the slice that it holds."""
        edges = itertools.pairwise([0, *itertools.accumulate(self.counts)])
        return [(slice(*edge), batch) for edge, batch in zip(edges, self.batches, strict=True)]

    def matrices(self, low: int, high: int) -> Tensor:
        """(n, (high - low) I): rows `low` to `high` of every example's gradient, flattened. Not for a weight that is zero."""
        like = next(tensor for batch in self.batches for tensor in reversed(_tensors(batch)))
        made = like.new_empty(self.n, (high - low) * self.shape[1])
        for rows, batch in self.runs():
            if isinstance(batch, Tensor):
                made[rows] = batch[:, low * self.shape[1] : high * self.shape[1]]
            elif not batch:
                made[rows] = 0
            for i, use in enumerate(batch if isinstance(batch, tuple) else ()):
                use.add_matrices(made[rows], low, high, is_first=i == 0)
        return made

    def row(self, row: int) -> Tensor:
        """(O I,): one row's gradient, of the first batch; zeros when it does not use the weight."""
        first = self.batches[0]
        if isinstance(first, Tensor):
            return first[row]
        uses = [Factors(use.left[row : row + 1], use.right[row : row + 1]).matrices(0, self.shape[0]) for use in first]
        return sum((use[0] for use in uses), start=torch.zeros(()) if uses else torch.zeros(self.shape[0] * self.shape[1]))


@dataclass(frozen=True)
class GradientSlice:
    """Outputs and gradients of n rows over chosen parameters."""

    outputs: Tensor
    """(n,) float64: f(x)."""
    weights: Mapping[str, WeightGradients]
    """By parameter name, in the order in which the backward pass reached them."""

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.outputs)

    @property
    def n_bytes(self) -> int:
        """Bytes in memory."""
        return self.outputs.numel() * self.outputs.element_size() + sum(w.n_bytes for w in self.weights.values())


def joined(slices: Sequence[GradientSlice]) -> GradientSlice:
    """Slices of consecutive rows as one. Nothing is copied but the outputs."""
    weights = {}
    for name, first in slices[0].weights.items():
        parts = [one.weights[name] for one in slices]
        counts, batches = ([x for part in parts for x in getattr(part, side)] for side in ("counts", "batches"))
        weights[name] = WeightGradients(first.shape, tuple(counts), tuple(batches))
    return GradientSlice(torch.cat([one.outputs for one in slices]), weights)


def _tensors(batch: Kept) -> list[Tensor]:
    return [batch] if isinstance(batch, Tensor) else [side for use in batch for side in (use.left, use.right)]
