"""Sufficient statistics of a part of a contributor: additive sums from which all terms of Eq. 8 (arXiv 2511.13640) follow.

Letters: N rows; q sketch features; F frequencies; C classes.

    loss           sums over 32 groups of rows                                            (32, 8)
    discrepancy    sums of random Fourier features over the same groups                   (32, 2F)
    NTK            Phi'Phi, Phi'r, r'r, Phi'Y over all rows                               (q, q), (q,), 1, (q, C)
    replicates     sketched gradients of at most M rows, those with the smallest keys     (M, q)
                   with their residuals, labels and token counts                          (M,)

`a + b` are the statistics of the rows of both, whatever the split and order, up to rounding. Both must have been made in one
shared sketch (bandwidths, frequencies, gradient sketch and seeds), whose fingerprint is part of that of stored statistics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixval.errors import ShapeError
from mixval.terms.discrepancy.random_features import FourierFeatures, MeanEmbedding, embed
from mixval.terms.loss.sums import LossSums
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.ntk.row_sums import RowSums, arrays_of_kept, below
from mixval.terms.ntk.statistics import GradientStatistics, response_sums
from mixval.terms.replicates import Keys

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class MeasuredRows:
    """Quantities of N rows from one pass."""

    keys: Keys
    """(N,) uint64, by content."""
    losses: npt.NDArray[np.float64]
    """(N,) nats, summed over the answer tokens where there are any."""
    counts: npt.NDArray[np.float64]
    """(N,) 1, or answer tokens."""
    features: npt.NDArray[Any]
    """(N, D), for the discrepancy."""
    gradients: npt.NDArray[Any]
    """(N, q) phi."""
    residual: npt.NDArray[np.float64]
    """(N,) r."""
    responses: npt.NDArray[np.float64]
    """(N, C) Y: one-hot labels; of causal LMs (N, 1) the residual times the row's answer tokens."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) class indices; -1 where rows have no label."""
        n, n_classes = self.responses.shape
        return self.responses.argmax(axis=1) if n_classes > 1 else np.full(n, -1, dtype=np.int64)

    def sums(self, most_kept: int) -> RowSums:
        """What regression needs of these rows, at most `most_kept` of them stored."""
        return RowSums.of(most_kept, self.keys, self.gradients, self.residual, self.responses, self.labels, self.counts)

    def kept_arrays(self, most_kept: int) -> Arrays:
        """`sums(most_kept).to_arrays()` where all rows are kept, without making sums that are not stored then."""
        kept = KeptRows.of(most_kept, self.keys, self.gradients, self.residual, self.labels, self.counts)
        return arrays_of_kept(kept, response_sums(self.gradients, self.responses))

    def take(self, chosen: npt.NDArray[np.bool_]) -> "MeasuredRows":
        """The rows that the mask (N,) marks."""
        return MeasuredRows(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class SmallStatistics:
    """What is small of a part's sums."""

    losses: LossSums
    embedding: MeanEmbedding
    keys: Keys
    """(M,) of the rows that are kept, in their order."""

    @property
    def n(self) -> int:
        """Rows."""
        return self.losses.n

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "SmallStatistics":
        """Of what `SufficientStatistics.to_arrays` wrote. Raises ShapeError when something is missing."""
        if missing := sorted({"losses", "kept/keys"} - set(arrays)):
            raise ShapeError(f"sufficient statistics need {missing}, found {sorted(arrays)[:5]}. Make it again.")
        embedding = MeanEmbedding.from_arrays(below(arrays, "embedding/"))
        return cls(LossSums(arrays["losses"]), embedding, arrays["kept/keys"].astype(np.uint64))


@dataclass(frozen=True)
class SufficientStatistics:
    """Sums over the rows of one part. Raises ShapeError when they are not of the same number of rows."""

    losses: LossSums
    embedding: MeanEmbedding
    gradients: GradientStatistics
    kept: KeptRows

    def __post_init__(self) -> None:
        """Refuse sums over different rows."""
        if not self.losses.n == self.embedding.n == self.gradients.n:
            raise ShapeError(
                f"sufficient statistics: expected sums over the same rows, found losses of {self.losses.n}, features of "
                f"{self.embedding.n} and gradients of {self.gradients.n}. Make it again."
            )

    @classmethod
    def of(cls, rows: MeasuredRows, fourier: FourierFeatures, most_kept: int) -> "SufficientStatistics":
        """Of N rows, N may be 0; at most `most_kept` of them are stored for replicates."""
        sums = rows.sums(most_kept)
        return cls(
            LossSums.of(rows.losses, rows.counts, rows.keys, fourier.settings.seed),
            embed(fourier, rows.features, rows.keys),
            sums.gradients,
            sums.kept,
        )

    @classmethod
    def arrays_of(cls, rows: MeasuredRows, fourier: FourierFeatures, most_kept: int) -> Arrays:
        """`of(...).to_arrays()`, without making sums that are not stored."""
        if len(rows.keys) > most_kept:
            return cls.of(rows, fourier, most_kept).to_arrays()
        losses = LossSums.of(rows.losses, rows.counts, rows.keys, fourier.settings.seed)
        embedding = embed(fourier, rows.features, rows.keys).to_arrays()
        named = {f"embedding/{name}": array for name, array in embedding.items()}
        return {"losses": losses.groups} | named | rows.kept_arrays(most_kept)

    @property
    def n(self) -> int:
        """Rows."""
        return self.losses.n

    def __add__(self, other: "SufficientStatistics") -> "SufficientStatistics":
        """Of the rows of both. Raises ShapeError when they were made in different settings."""
        return SufficientStatistics(
            self.losses + other.losses,
            self.embedding + other.embedding,
            self.gradients + other.gradients,
            self.kept + other.kept,
        )

    def to_arrays(self) -> Arrays:
        """Contiguous arrays by name, e.g. for safetensors. Of few rows, only the rows' sketches (`ntk/row_sums.py`)."""
        embedding = {f"embedding/{name}": array for name, array in self.embedding.to_arrays().items()}
        return {"losses": self.losses.groups} | embedding | RowSums(self.gradients, self.kept).to_arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "SufficientStatistics":
        """What `to_arrays` wrote. Raises ShapeError when something is missing or does not fit."""
        if "losses" not in arrays:
            raise ShapeError(f"sufficient statistics need 'losses', found {sorted(arrays)[:5]}. Make it again.")
        sums = RowSums.from_arrays(arrays)
        embedding = MeanEmbedding.from_arrays(below(arrays, "embedding/"))
        return cls(LossSums(arrays["losses"]), embedding, sums.gradients, sums.kept)
