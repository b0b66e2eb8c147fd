"""Gradients of a slice of rows, in a form whose Gram blocks are exact: per weight, vectors or factors.

The form changes cost and never the result: a Gram block takes any mix (see `gram.py`). `to_arrays` and `from_arrays` move a
slice through storage, so that blocks can be formed elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mixval.errors import ShapeError
from mixval.terms.ntk.contribution import Factors

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class WeightGradients:
    """Per-example gradients of one parameter, seen as a matrix of O rows and I columns (a vector: I = 1)."""

    shape: tuple[int, int]
    """(O, I)."""
    values: Tensor | None
    """(n, O I), or None when left as factors."""
    uses: tuple[Factors, ...]
    """One for each time that a forward pass uses the weight; empty when `values` holds the gradients."""

    def matrices(self, low: int, high: int) -> Tensor:
        """(n, (high - low) I): rows `low` to `high` of every example's gradient, flattened.

        Not for a weight without values or uses, whose gradient is zero.
        """
        if self.values is not None:
            return self.values[:, low * self.shape[1] : high * self.shape[1]]
        first, *others = [use.matrices(low, high) for use in self.uses]
        return sum(others, start=first)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What is stored, by a name within the weight."""
        if self.values is not None:
            return {"values": self.values}
        return {f"{side}{i}": getattr(use, side) for i, use in enumerate(self.uses) for side in ("left", "right")}


@dataclass(frozen=True)
class GradientSlice:
    """Outputs and gradients of n rows over chosen parameters."""

    outputs: Tensor
    """(n,) float64: f(x)."""
    weights: Mapping[str, WeightGradients]
    """By parameter name, in the order of selection."""

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.outputs)

    @property
    def n_bytes(self) -> int:
        """Bytes that the slice holds."""
        held = [t for weight in self.weights.values() for t in weight.tensors.values()]
        return sum(t.numel() * t.element_size() for t in [self.outputs, *held])

    @property
    def bytes_per_row(self) -> float:
        """Bytes a row, as measured on this slice: capture a few rows of the longest kind to plan for many."""
        return self.n_bytes / max(self.n, 1)

    def to_arrays(self) -> Arrays:
        """Contiguous arrays by name, e.g. for safetensors."""
        arrays: Arrays = {"outputs": self.outputs.detach().cpu().numpy()}
        for name, weight in self.weights.items():
            arrays[f"{name}:shape"] = np.array(weight.shape, dtype=np.int64)
            for key, tensor in weight.tensors.items():
                arrays[f"{name}:{key}"] = np.ascontiguousarray(tensor.detach().cpu().numpy())
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "GradientSlice":
        """The slice that `to_arrays` wrote. Raises ShapeError when something is missing or of another number of rows."""
        if "outputs" not in arrays:
            raise ShapeError(f"a gradient slice needs 'outputs', found {sorted(arrays)[:5]}. Make it again.")
        # Order of selection is not kept by every store, and does not matter beyond rounding: names are sorted.
        names = sorted(key.removesuffix(":shape") for key in arrays if key.endswith(":shape"))
        outputs = _tensor(arrays["outputs"])
        return cls(outputs, {name: _weight(name, arrays, len(outputs)) for name in names})


def _weight(name: str, arrays: Mapping[str, npt.NDArray[Any]], n: int) -> WeightGradients:
    shape = tuple(int(side) for side in arrays[f"{name}:shape"])
    if len(shape) != 2:
        raise ShapeError(f"gradient slice, weight '{name}': expected a shape of two sides, found {shape}. Make it again.")
    held: list[Tensor] = []
    uses: list[Factors] = []
    values = _tensor(arrays[f"{name}:values"]) if f"{name}:values" in arrays else None
    while values is None and f"{name}:left{len(uses)}" in arrays:
        left, right = (arrays.get(f"{name}:{side}{len(uses)}") for side in ("left", "right"))
        if left is None or right is None:
            raise ShapeError(f"gradient slice, weight '{name}': use {len(uses)} has only one factor. Make it again.")
        uses.append(Factors(_tensor(left), _tensor(right)))
        held += [uses[-1].left, uses[-1].right]
    if any(len(tensor) != n for tensor in (held if values is None else [values])):
        raise ShapeError(f"gradient slice, weight '{name}': expected {n} rows as in 'outputs'. Make it again.")
    return WeightGradients((shape[0], shape[1]), values, tuple(uses))


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())
