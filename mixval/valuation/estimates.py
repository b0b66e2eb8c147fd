"""Terms of all contributors as arrays: the input of the reduce stage.

Letters: K contributors; T terms of Eq. 8 (arXiv 2511.13640) in the order of `TERMS`; R replicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixval.contracts.terms import TERMS
from mixval.errors import NumericalError, ShapeError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TermEstimates:
    """The terms of K contributors with their errors."""

    contributors: tuple[str, ...]
    terms: Floats
    """(K, T)."""
    standard_errors: Floats
    """(K, T); 0 where a term is exact, NaN where its spread is unknown."""
    deviations: Floats | None
    """(R, K, T): replicate minus estimate; NaN where a spread is unknown. T's rows have the same multipliers in replicate r for
    all contributors.
    """

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together, and numbers that are not finite."""
        expected = (len(self.contributors), len(TERMS))
        if self.terms.shape != expected or self.standard_errors.shape != expected:
            raise ShapeError(f"terms must be {expected}, found {self.terms.shape} and {self.standard_errors.shape}")
        if self.deviations is not None and self.deviations.shape[1:] != expected:
            raise ShapeError(f"deviations must be (R, {expected[0]}, {expected[1]}), found {self.deviations.shape}")
        for name, row in zip(self.contributors, self.terms, strict=True):
            bad = [term for term, value in zip(TERMS, row, strict=True) if not np.isfinite(value)]
            if bad:
                raise NumericalError(f"contributor {name!r}: {', '.join(bad)} is not finite. Look at its terms record.")

    def of(self, term: str) -> Floats:
        """(K,) one term, by its name."""
        return np.asarray(self.terms[:, TERMS.position(term)])

    def spread(self) -> Floats:
        """(T,) standard deviation over contributors; 0 for a single one."""
        if len(self.contributors) < 2:
            return np.zeros(len(TERMS))
        return np.asarray(self.terms.std(axis=0, ddof=1))

    def informative(self) -> NDArray[np.bool_]:
        """(T,) whether a term's spread over contributors is above the mean of its standard errors."""
        known = np.isfinite(self.standard_errors)
        noise = np.where(known, self.standard_errors, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        # Rounding of K equal numbers is no spread.
        floor = 1e-9 * np.abs(self.terms).max(axis=0, initial=0.0)
        return np.asarray(self.spread() > np.maximum(noise, floor))
