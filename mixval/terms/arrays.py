"""Checks of the inputs of a term: float64, of the expected dimensions, finite."""

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mixval.errors import NumericalError, ShapeError

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]
ArrayLike = Tensor | npt.NDArray[Any]


def floats(name: str, given: ArrayLike, ndim: int) -> Floats:
    """The same numbers as a float64 array of `ndim` dimensions. Raises ShapeError, or NumericalError with counts."""
    array = np.asarray(given.detach().cpu().double().numpy() if isinstance(given, Tensor) else given, dtype=np.float64)
    if array.ndim != ndim:
        raise ShapeError(f"{name}: expected {ndim} dimensions, found shape {array.shape}.")
    if n_broken := int(array.size - np.isfinite(array).sum()):
        raise NumericalError(
            f"{name}: {n_broken} of {array.size} numbers are NaN or infinite. Look for rows that overflow the backbone's "
            f"precision, run it in float32 or float64, or leave those rows out."
        )
    return array
