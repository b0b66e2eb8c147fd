"""The NTK of an infinitely wide head on frozen features, in closed form: it needs a forward pass and no gradient.

Letters: N, M rows; D features; x a row's features less T's mean, over the root mean square length of T's.

    Theta(x, z) = |x| |z| (k1 + u k0) + 1,      u the cosine between x and z
    k0 = 1 - arccos(u) / pi,    k1 = u k0 + sqrt(1 - u^2) / pi

the kernel of a head with one hidden layer of ReLUs and an output bias, both layers trained, in the limit of infinite width: k1
comes from the outer weights and u k0 from the inner ones (Cho and Saul, NeurIPS 2009; Jacot et al., arXiv 1806.07572; Arora et
al., arXiv 1904.11955). float64. Other kernels on the same features are compared in docs/laboratory.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.ntk.objective import TargetObjective, squared_lengths
from mixval.terms.ntk.regression import KernelRegression, kernel_regression

BLOCK_ROWS = 1024
"""Rows of a block of the kernel: temporaries take 8 MiB a block and 1,000 rows of the other side."""


@dataclass(frozen=True)
class WideHead:
    """The kernel, with mean and scale of T's features. Made by `wide_head`."""

    mean: Floats
    """(D,) of T's features."""
    scale: float
    """Root mean square length of T's features less their mean."""

    def kernel(self, left: ArrayLike, right: ArrayLike) -> Floats:  # (N, D), (M, D)
        """(N, M) Theta. Raises ShapeError for other features than T's, NumericalError for NaN or infinite ones."""
        x, z = self._moved("left", left), self._moved("right", right)
        lengths_x, lengths_z = np.linalg.norm(x, axis=1), np.linalg.norm(z, axis=1)
        theta = np.empty((len(x), len(z)))
        for start in range(0, len(x), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            theta[rows] = _kernel(x[rows] @ z.T, np.outer(lengths_x[rows], lengths_z))
        return theta

    def regression(self, own: ArrayLike, target: ArrayLike, responses: ArrayLike) -> KernelRegression:
        """Of S's responses (n, C), from its features (n, D) and T's (m, D). Raises as `kernel` and `kernel_regression` do."""
        return kernel_regression(self.kernel(own, own), self.kernel(target, own), responses)

    def objective(self, target: ArrayLike, labels: NDArray[np.int64], n_classes: int) -> TargetObjective:  # (m, D), (m,)
        """The objective on T's labelled rows, with gradient lengths in this kernel. Raises as `kernel` and `TargetObjective`
        do.
        """
        lengths = np.sqrt(np.maximum(squared_lengths(self.kernel(target, target)), 0.0))
        return TargetObjective(labels=labels, n_classes=n_classes, norms=lengths)

    def _moved(self, name: str, given: ArrayLike) -> Floats:
        features = floats(f"features, {name}", given, 2)
        if features.shape[1] != len(self.mean):
            raise ShapeError(
                f"features, {name}: expected {len(self.mean)} as T has, found {features.shape[1]}. Take both from one backbone."
            )
        return np.asarray((features - self.mean) / self.scale)


def wide_head(target: ArrayLike) -> WideHead:  # (M, D)
    """The kernel, standardised by T's features. Raises NumericalError where they are all alike."""
    features = floats("T's features", target, 2)
    mean = features.mean(0)
    scale = math.sqrt(float(((features - mean) ** 2).sum(1).mean()))
    if not scale > 1e-12 * math.sqrt(float((features**2).sum(1).mean())):
        raise NumericalError(
            f"T's features: expected rows that differ, found {len(features)} alike. Look at the target set and the backbone, "
            "or set `value.rows: gradients`."
        )
    return WideHead(mean, scale)


def _kernel(products: Floats, lengths: Floats) -> Floats:
    cosine = np.clip(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0), -1.0, 1.0)
    active = 1 - np.arccos(cosine) / math.pi
    return np.asarray(lengths * (2 * cosine * active + np.sqrt(1 - cosine**2) / math.pi) + 1)
