"""The composition term of Eq. 8 (arXiv 2511.13640): sqrt(max(pi, 1 - pi) / n), pi = n_real / n. Exact."""

import math

from mixval.errors import NumericalError


def composition_term(n_real: int, n_synthetic: int) -> float:
    """The penalty on few rows and on an uneven mixture; dimensionless, smaller is better.

    Raises NumericalError when a count is negative or there are no rows.
    """
    return math.sqrt(max_share(n_real, n_synthetic) / (n_real + n_synthetic))


def max_share(n_real: int, n_synthetic: int) -> float:
    """max(pi, 1 - pi): the share (0.5 to 1) of the larger part. Raises NumericalError as `composition_term` does."""
    if n_real < 0 or n_synthetic < 0 or n_real + n_synthetic == 0:
        raise NumericalError(
            f"composition: expected at least one row and no negative count, found n_real={n_real}, "
            f"n_synthetic={n_synthetic}. Leave contributors without rows out."
        )
    return max(n_real, n_synthetic) / (n_real + n_synthetic)
