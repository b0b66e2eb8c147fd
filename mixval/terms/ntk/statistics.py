"""Sufficient statistics of a part's gradients, additive over parts: Phi'Phi, Phi'r, r'r, Phi'Y and n.

Letters: n rows; q sketch features; C classes; Phi (n, q) rows phi_i with <phi_i, phi_j> ~ <g_i, g_j>; r (n,) residuals; Y
(n, C) responses. Features come in any precision, sums are float64: 8 q (q + C + 1) bytes, whatever n is.

Statistics of two parts add up to those of their union only if one sketch made both: the same q, the same seed, the same
parameters in the same order. Another seed cannot be seen in the numbers, so it belongs to the fingerprint of a stored artifact.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixval.errors import ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats

Arrays = dict[str, npt.NDArray[Any]]
BLOCK_ROWS = 1024
"""Rows that are in float64 at a time: 8 q bytes each."""


@dataclass(frozen=True)
class GradientStatistics:
    """Sums over n rows. `a + b` is the same as one pass over the rows of both, up to the order of additions.

    Raises ShapeError when the sums are not of one q, or n is negative.
    """

    n: int
    """Rows."""
    gram: Floats
    """(q, q): Phi'Phi, in units of Theta."""
    cross: Floats
    """(q,): Phi'r."""
    square: float
    """r'r."""
    responses: Floats
    """(q, C): Phi'Y. C is 0 when no responses were given."""

    def __post_init__(self) -> None:
        """Refuse sums that do not fit together."""
        q = self.cross.size
        shapes = (self.gram.shape, self.cross.shape, self.responses.shape[:1])
        if shapes != ((q, q), (q,), (q,)) or self.responses.ndim != 2 or self.n < 0:
            raise ShapeError(
                f"gradient statistics: expected n >= 0, gram (q, q), cross (q,) and responses (q, C), found n = {self.n}, "
                f"{self.gram.shape}, {self.cross.shape} and {self.responses.shape}. Make them again."
            )

    @property
    def q(self) -> int:
        """Sketch features."""
        return int(self.cross.size)

    @property
    def n_classes(self) -> int:
        """C, columns of Y."""
        return int(self.responses.shape[1])

    @classmethod
    def of(
        cls,
        features: ArrayLike,  # (n, q)
        residual: ArrayLike,  # (n,)
        responses: ArrayLike | None = None,  # (n, C)
    ) -> "GradientStatistics":
        """Of n rows, n may be 0. Memory beyond the sums: `BLOCK_ROWS` rows in float64. Cost: n q (q + C) multiply-adds.

        Raises ShapeError when rows do not pair up, NumericalError for NaN or infinity (counted within a block).
        """
        r = floats("the residual r", residual, 1)
        y = np.zeros((r.size, 0)) if responses is None else floats("the responses Y", responses, 2)
        if features.ndim != 2 or not features.shape[0] == r.size == len(y):
            raise ShapeError(
                f"gradient statistics: expected features (n, q), residuals (n,) and responses (n, C) of the same rows, found "
                f"{tuple(features.shape)}, {r.shape} and {y.shape}. Use the same rows for all."
            )
        q = features.shape[1]
        gram, cross, products = np.zeros((q, q)), np.zeros(q), np.zeros((q, y.shape[1]))
        for low in range(0, r.size, BLOCK_ROWS):
            rows = slice(low, low + BLOCK_ROWS)
            phi = floats(f"features Phi from row {low} on", features[rows], 2)
            own = phi.T @ phi, phi.T @ r[rows], phi.T @ y[rows]
            if low == 0:  # as few rows are: nothing is there to add to
                gram, cross, products = own
                continue
            gram += own[0]
            cross += own[1]
            products += own[2]
        return cls(r.size, gram, cross, float(r @ r), products)

    def __add__(self, other: "GradientStatistics") -> "GradientStatistics":
        """Of the rows of both. Raises ShapeError for another q or C."""
        if (self.q, self.n_classes) != (other.q, other.n_classes):
            raise ShapeError(
                f"gradient statistics add up over one sketch and one set of classes: found q = {self.q} and {other.q}, "
                f"C = {self.n_classes} and {other.n_classes}. Make both with the same settings."
            )
        return GradientStatistics(
            self.n + other.n,
            self.gram + other.gram,
            self.cross + other.cross,
            self.square + other.square,
            self.responses + other.responses,
        )

    def to_arrays(self, without: Collection[str] = ()) -> Arrays:
        """Contiguous arrays by name, e.g. for safetensors. Of the Gram matrix, which is symmetric, the lower triangle."""
        made: dict[str, Callable[[], npt.NDArray[Any]]] = {
            "n": lambda: np.array(self.n, dtype=np.int64),
            "gram": lambda: lower_triangle(self.gram),
            "cross": lambda: np.ascontiguousarray(self.cross),
            "square": lambda: np.array(self.square, dtype=np.float64),
            "responses": lambda: np.ascontiguousarray(self.responses),
        }
        return {name: make() for name, make in made.items() if name not in without}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], summed: "GradientStatistics | None" = None
    ) -> "GradientStatistics":
        """What `to_arrays` wrote; the Gram matrix may be whole, too. `summed` has the sums that were not written.

        Raises ShapeError when something is missing or of another shape, NumericalError for NaN.
        """
        is_whole = "gram" in arrays and arrays["gram"].ndim == 2
        ranks = {"n": 0, "square": 0, "responses": 2} | ({} if summed else {"gram": 2 if is_whole else 1, "cross": 1})
        if missing := sorted(set(ranks) - set(arrays)):
            raise ShapeError(f"gradient statistics need {sorted(ranks)}, {missing} are missing. Make them again.")
        given = {name: floats(f"gradient statistics, '{name}'", arrays[name], rank) for name, rank in ranks.items()}
        if summed is not None:
            return cls(int(arrays["n"]), summed.gram, summed.cross, float(given["square"]), given["responses"])
        gram = given["gram"] if is_whole else symmetric(given["gram"], given["cross"].size)
        return cls(int(arrays["n"]), gram, given["cross"], float(given["square"]), given["responses"])


def response_sums(features: ArrayLike, responses: ArrayLike) -> Floats:  # (n, q), (n, C)
    """(q, C) Phi'Y alone, as in `GradientStatistics.of`, with its errors."""
    y = floats("the responses Y", responses, 2)
    if features.ndim != 2 or features.shape[0] != len(y):
        raise ShapeError(
            f"gradient statistics: expected features (n, q) and responses (n, C) of the same rows, found "
            f"{tuple(features.shape)} and {y.shape}. Use the same rows for all."
        )
    products = np.zeros((features.shape[1], y.shape[1]))
    for low in range(0, len(y), BLOCK_ROWS):
        rows = slice(low, low + BLOCK_ROWS)
        products += floats(f"features Phi from row {low} on", features[rows], 2).T @ y[rows]
    return products


def lower_triangle(whole: Floats) -> Floats:
    """(q (q + 1) / 2,): the lower triangle of a symmetric matrix (q, q), row after row."""
    return np.concatenate([row[: place + 1] for place, row in enumerate(whole)] or [np.zeros(0)])


def symmetric(triangle: Floats, q: int) -> Floats:
    """(q, q) from its lower triangle, row after row. Raises ShapeError for one of another size."""
    if triangle.size != q * (q + 1) // 2:
        raise ShapeError(
            f"expected {q * (q + 1) // 2} numbers of the lower triangle of ({q}, {q}), found {triangle.size}. Make the sums "
            "again."
        )
    whole, first = np.empty((q, q)), 0
    for place in range(q):  # row by row: places of all entries would take more memory and time than the entries
        own = triangle[first : first + place + 1]
        whole[place, : place + 1] = own
        whole[:place, place] = own[:-1]
        first += place + 1
    return whole
