"""The loss term from sums over groups of rows, additive over any split of the rows; formulas as in `mean.py`."""

import math
from dataclasses import dataclass

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats
from mixval.terms.loss.mean import Average, LossEstimate, paired_losses
from mixval.terms.replicates import GROUPS, Keys, row_groups

COLUMNS = ("rows", "per_row", "per_row_squared", "loss", "count", "loss_squared", "loss_count", "count_squared")
"""What is summed: 1, l/c, (l/c)^2, l, c, l^2, l c, c^2, with l a row's summed loss in nats and c its tokens."""


def columns_of(average: Average) -> tuple[int, int]:
    """Places in `COLUMNS` of the numerator and the denominator of the mean."""
    return (COLUMNS.index("loss"), COLUMNS.index("count")) if average == "token" else (COLUMNS.index("per_row"), 0)


@dataclass(frozen=True)
class LossSums:
    """Sums over the rows of a part. `a + b` is the sums over the rows of both."""

    groups: Floats
    """(GROUPS, len(COLUMNS))."""

    def __post_init__(self) -> None:
        """Refuse another shape."""
        if self.groups.shape != (GROUPS, len(COLUMNS)):
            expected = (GROUPS, len(COLUMNS))
            raise ShapeError(f"loss sums: expected an array of {expected}, found {self.groups.shape}. Make them again.")

    @classmethod
    def of(cls, losses: ArrayLike, counts: ArrayLike, keys: Keys, seed: int) -> "LossSums":
        """Of (N,) summed losses, (N,) token counts and (N,) content keys; N may be 0. Errors as `estimate_loss`."""
        if len(keys) == 0:
            return cls(np.zeros((GROUPS, len(COLUMNS))))
        loss, count = paired_losses(losses, counts)
        mean = loss / count
        columns = np.stack([np.ones_like(loss), mean, mean**2, loss, count, loss**2, loss * count, count**2], axis=1)
        groups = np.zeros((GROUPS, len(COLUMNS)))
        np.add.at(groups, row_groups(keys, seed), columns)
        return cls(groups)

    def __add__(self, other: "LossSums") -> "LossSums":
        """Over the rows of both."""
        return LossSums(self.groups + other.groups)

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.groups[:, 0].sum())

    def estimate(self, average: Average) -> LossEstimate:
        """The mean loss with its standard error. Raises NumericalError for no rows."""
        n, per_row, per_row_squared, loss, count, loss_squared, loss_count, count_squared = self.groups.sum(axis=0)
        if n == 0:
            raise NumericalError("a mean loss needs at least one row, found none. Leave empty parts out.")
        if average == "token":
            mean = loss / count
            spread = math.sqrt(max(n * (loss_squared - 2 * mean * loss_count + mean**2 * count_squared), 0.0)) / count
        else:
            mean = per_row / n
            spread = math.sqrt(max(per_row_squared / n - mean**2, 0.0))
        error = float(spread / math.sqrt(n - 1)) if n > 1 else None
        return LossEstimate(float(mean), error, int(n), float(loss), float(count))

    def moves(self, average: Average) -> Floats:
        """(GROUPS,) how far the mean loss falls as each group leaves, as `mean.loss_moves`."""
        above, below = columns_of(average)
        totals = self.groups.sum(axis=0)
        return np.asarray((self.groups[:, above] - totals[above] / totals[below] * self.groups[:, below]) / totals[below])
