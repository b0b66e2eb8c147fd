"""Features with the label joined to them, so that the MMD compares the joint distribution of rows and labels.

A one-hot block of the class y, scaled by a, joins the features x:  z = [x, a onehot(y) / sqrt(2)],  hence

    |z - z'|^2 = |x - x'|^2 + a^2 1[y != y'],    k_s(z, z') = k_s(x, x') exp(-a^2 1[y != y'] / (2 s^2))

which for every bandwidth s is the Gaussian kernel of the features times a kernel of the labels (a product of characteristic
kernels is one of the joint distribution: Szabo and Sriperumbudur, JMLR 18, 2018). Bandwidths stay those of the features alone.

a is given relative to the median distance within T. At 1, the default, a different class adds the square of a median distance
to the squared distance: with multipliers 1/4 to 4 of the median the label kernel is 0.0003 to 0.97, so the narrow bandwidths
compare class by class and the wide ones hardly depend on the class. Larger values detect label noise little better and
differences of the inputs much worse (docs/laboratory.md). All arithmetic is float64.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mixval.errors import ContractError, NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats


@dataclass(frozen=True)
class LabelBlock:
    """How labels become columns: the same for T and every part."""

    classes: npt.NDArray[np.int64]
    """(C,) labels of T, ascending."""
    distance: float
    """a, in feature units: a different class adds a^2 to the squared distance."""


def label_block(
    target_labels: ArrayLike,  # (M,) integers
    median_distance: float,  # in feature units, as `median_bandwidth` gives it
    relative_distance: float = 1.0,
) -> LabelBlock:
    """The block for T's classes, a being `relative_distance` medians.

    Raises ShapeError unless the labels are (M,) integers, NumericalError for no labels or distances that are not positive.
    """
    labels = _labels("labels of T", target_labels)
    distance = median_distance * relative_distance
    if len(labels) == 0 or not (math.isfinite(distance) and median_distance > 0 and relative_distance > 0):
        raise NumericalError(
            f"labels of T: expected at least one row and positive, finite distances, found {len(labels)} rows, median "
            f"{median_distance} and relative distance {relative_distance}. For an MMD without labels, leave the block out."
        )
    return LabelBlock(np.unique(labels), distance)


def with_labels(
    block: LabelBlock,
    features: ArrayLike,  # (N, D)
    labels: ArrayLike,  # (N,) integers
) -> Floats:  # (N, D + C)
    """Features joined with their classes, for T and for parts alike.

    Raises ContractError for labels that T does not have, ShapeError when labels and features do not pair up.
    """
    rows, given = floats("features to label", features, 2), _labels("labels", labels)
    if len(rows) != len(given):
        raise ShapeError(f"expected one label a row, found {len(rows)} rows and {len(given)} labels.")
    places = np.minimum(np.searchsorted(block.classes, given), len(block.classes) - 1)
    unknown = given[block.classes[places] != given]
    if len(unknown):
        raise ContractError(
            f"labels: expected T's {len(block.classes)} classes ({_span(block.classes)}), found {_span(np.unique(unknown))} in "
            f"{len(unknown)} of {len(given)} rows. Map the labels, leave those rows out, or add rows of those classes to T."
        )
    one_hot = np.zeros((len(rows), len(block.classes)))
    one_hot[np.arange(len(rows)), places] = block.distance / math.sqrt(2)
    return np.concatenate([rows, one_hot], axis=1)


def _labels(name: str, given: ArrayLike) -> npt.NDArray[np.int64]:
    labels = np.asarray(given.cpu().numpy() if isinstance(given, Tensor) else given)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ShapeError(f"{name}: expected (N,) integers, found {labels.dtype} {labels.shape}. Number the classes.")
    return labels.astype(np.int64)


def _span(labels: npt.NDArray[np.int64]) -> str:
    return ", ".join(map(str, labels)) if len(labels) <= 12 else f"{labels[0]} to {labels[-1]}"
