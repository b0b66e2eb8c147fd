"""NTK regression from the gradient features of single rows, for studies that draw subsets of them."""

from __future__ import annotations

from mixval.terms.arrays import ArrayLike, floats
from mixval.terms.ntk.regression import KernelRegression, feature_regression, kernel_regression


def regression_of_rows(
    features: ArrayLike,  # (n, q): Phi
    features_t: ArrayLike,  # (m, q): Phi_T
    responses: ArrayLike,  # (n, C): R
) -> KernelRegression:
    """The regression from gradient features of single rows, by the smaller of two matrices. Raises as `kernel_regression`."""
    rows, of_target = floats("features of S", features, 2), floats("features of T", features_t, 2)
    right = floats("responses", responses, 2)
    if len(rows) <= rows.shape[1]:
        return kernel_regression(rows @ rows.T, of_target @ rows.T, right)
    # Each row of one-hot labels adds up to 1; a centred lambda is for such rows alone.
    return feature_regression(rows.T @ rows, rows.T @ right, len(rows), of_target, rows.sum(axis=0))
