"""The MMD from sums of random Fourier features: 2F numbers a set, which add up to those of any union of sets.

Letters: M rows of T, N rows of S, D input features, F frequencies w, G groups of rows. For the Gaussian kernel of bandwidth s,

    phi(x) = sqrt(1 / F_s) [cos(w'x), sin(w'x)],   w ~ N(0, 1 / s^2),   <phi(x), phi(y)> = mean over w of cos(w'(x - y))

has the kernel as its expectation (Rahimi and Recht, NeurIPS 2007); these pairs have a lower variance than cosines with a random
phase (Sutherland and Schneider, UAI 2015), and |phi(x)|^2 is k(x, x) exactly, so the diagonal of the unbiased estimate need not
be stored. Each bandwidth has F / (number of bandwidths) frequencies, orthogonal in blocks of D (Yu et al., NeurIPS
2016). The error of MMD^2 against the exact one falls as 1 / sqrt(F) (figures: docs/laboratory.md).

Sums are stored by G groups of rows, chosen by a hash of each row's content; the spread of the groups estimates that of the
rows. Copies of a row share a group, so that they do not narrow it. With C the covariance of phi, u = E phi(t) - E phi(s) and
the letters of `variance.py`, z_t = u' C_t u, e_tt = tr C_t^2, e_ts = tr C_t C_s, and the same correction for estimated
projections holds. All sums are float64.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self, get_args

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.seeds import generator
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.discrepancy.kernel import Combine, Kernel, make_kernel
from mixval.terms.discrepancy.mmd import Estimator, MmdEstimate, Scale, row_moves, scaled
from mixval.terms.discrepancy.variance import SquaredMmdVariance
from mixval.terms.replicates import GROUPS, Keys, row_groups

COMBINES: tuple[Combine, ...] = get_args(Combine)


@dataclass(frozen=True)
class FourierSettings:
    """What must agree for two embeddings to be compared or added; it fixes the frequencies."""

    bandwidths: tuple[float, ...]
    """Standard deviations s, in feature units."""
    combine: Combine
    n_columns: int
    """D."""
    n_frequencies: int
    """F, over all bandwidths; an embedding has two numbers each."""
    seed: int

    @property
    def counts(self) -> tuple[int, ...]:
        """F_s of each bandwidth."""
        share, rest = divmod(self.n_frequencies, len(self.bandwidths))
        return tuple(share + (place < rest) for place in range(len(self.bandwidths)))

    @property
    def weights(self) -> Floats:
        """(F,) squared length of each cosine and sine pair; they sum to k(x, x)."""
        each = 1 / len(self.bandwidths) if self.combine == "mean" else 1.0
        return np.concatenate([np.full(n, each / n) for n in self.counts])


@dataclass(frozen=True)
class FourierFeatures:
    """The feature map phi, the same in every process."""

    settings: FourierSettings
    kernel: Kernel
    """The kernel that phi approximates, with its centre at the origin: all sets must have the same phases."""
    frequencies: Floats
    """(F, D), in 1 / feature units, bandwidth after bandwidth."""


@dataclass(frozen=True)
class MeanEmbedding:
    """Sums of phi over the rows of a set. `+` gives that of the union, in any order; the one of no rows changes nothing."""

    settings: FourierSettings
    group_sums: Floats
    """(G, 2F): cosines of all frequencies, then sines."""
    group_counts: Floats
    """(G,) rows of each group."""

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.group_counts.sum())

    @property
    def sums(self) -> Floats:
        """(2F,) sum of phi over all rows."""
        total: Floats = self.group_sums.sum(axis=0)
        return total

    def __add__(self, other: "MeanEmbedding") -> "MeanEmbedding":
        """The embedding of both sets' rows together. Raises ShapeError when they were made in different settings."""
        _same_settings(self, other)
        return MeanEmbedding(self.settings, self.group_sums + other.group_sums, self.group_counts + other.group_counts)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Numbers alone, for a tensor file."""
        settings = self.settings
        integers = (COMBINES.index(settings.combine), settings.n_columns, settings.n_frequencies, settings.seed)
        return {
            "group_sums": self.group_sums,
            "group_counts": self.group_counts,
            "bandwidths": np.array(settings.bandwidths, dtype=np.float64),
            "settings": np.array(integers, dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The embedding that `to_arrays` gave. Raises ShapeError when an array is missing or does not fit."""
        if missing := sorted({"group_sums", "group_counts", "bandwidths", "settings"} - set(arrays)):
            raise ShapeError(f"mean embedding: no array {missing}. Embed the rows again.")
        if arrays["settings"].shape != (4,):
            raise ShapeError(
                f"mean embedding: expected 4 numbers in 'settings', found {arrays['settings'].shape}. Embed the rows again."
            )
        combine, n_columns, n_frequencies, seed = (int(one) for one in arrays["settings"])
        bandwidths = tuple(float(s) for s in arrays["bandwidths"])
        settings = FourierSettings(bandwidths, COMBINES[combine], n_columns, n_frequencies, seed)
        sums, counts = floats("group sums", arrays["group_sums"], 2), floats("group counts", arrays["group_counts"], 1)
        if sums.shape != (GROUPS, 2 * n_frequencies) or counts.shape != (GROUPS,):
            raise ShapeError(
                f"mean embedding: expected sums {(GROUPS, 2 * n_frequencies)} and counts {(GROUPS,)}, found {sums.shape} "
                f"and {counts.shape}. Embed the rows again."
            )
        return cls(settings, sums, counts)


@dataclass(frozen=True)
class EmbeddedMmd(MmdEstimate):
    """An MMD from embeddings; `standard_error` is from the rows, and may be None with few of them."""

    approximation_error: float
    """Of `squared` against the exact kernel on the same rows, from the frequencies' spread; too large for orthogonal ones."""

    def diagnostics(self) -> dict[str, float | None]:
        """As of every estimate, and the approximation's error."""
        return super().diagnostics() | {"approximation_error": self.approximation_error}


def fourier_features(
    bandwidths: Sequence[float],
    n_columns: int,
    n_frequencies: int = 1024,
    seed: int = 0,
    combine: Combine = "mean",
    block_rows: int = 512,
) -> FourierFeatures:
    """Draw the feature map for rows of `n_columns` features. Memory: F x D numbers; a block of rows holds 3 F numbers a row.

    Bandwidths come from T and are the same for all contributors. Raises NumericalError for bad bandwidths or fewer than two
    frequencies each.
    """
    kernel = make_kernel(np.zeros((1, n_columns)), bandwidths, combine, block_rows)
    n_bandwidths = len(kernel.bandwidths)
    if n_frequencies < 2 * n_bandwidths:
        raise NumericalError(
            f"random Fourier features: expected at least 2 frequencies for each of {n_bandwidths} bandwidths, found "
            f"{n_frequencies} in all. Ask for {2 * n_bandwidths} or more; hundreds are useful."
        )
    settings = FourierSettings(kernel.bandwidths, combine, n_columns, n_frequencies, seed)
    # Keyed by the bandwidth's place and not its digits: a bandwidth that differs by rounding gives phases that do so too.
    drawn = [_directions(n, n_columns, seed, place) for place, n in enumerate(settings.counts)]
    scaled = [directions / s for directions, s in zip(drawn, settings.bandwidths, strict=True)]
    return FourierFeatures(settings, kernel, np.concatenate(scaled))


def embed(
    fourier: FourierFeatures,
    features: ArrayLike,  # (N, D)
    keys: Keys,  # (N,) uint64
) -> MeanEmbedding:
    """Sums of phi over rows, N >= 0 of them, whose keys name them by content: equal rows are in one group, wherever they are.

    Cost: N x F x (D + G) products and 2 N x F cosines. Raises ShapeError for inputs that do not fit, NumericalError for NaN.
    """
    rows = fourier.kernel.centred(floats("features to embed", features, 2))
    if keys.shape != (len(rows),) or keys.dtype != np.uint64:
        raise ShapeError(f"features to embed: expected ({len(rows)},) uint64 keys, found {keys.dtype} {keys.shape}.")
    summed = np.arange(GROUPS)[:, None] == row_groups(keys, fourier.settings.seed)
    n_frequencies = len(fourier.frequencies)
    sums = np.zeros((len(summed), 2 * n_frequencies))
    for start in range(0, len(rows), fourier.kernel.block_rows):
        block = slice(start, start + fourier.kernel.block_rows)
        phases, kept = rows[block] @ fourier.frequencies.T, summed[:, block].astype(np.float64)
        sums[:, :n_frequencies] += kept @ np.cos(phases)
        sums[:, n_frequencies:] += kept @ np.sin(phases)
    sums *= np.tile(np.sqrt(fourier.settings.weights), 2)
    return MeanEmbedding(fourier.settings, sums, summed.sum(axis=1).astype(np.float64))


def embedding_mmd(
    target: MeanEmbedding, part: MeanEmbedding, estimator: Estimator = "unbiased", scale: Scale = "root"
) -> EmbeddedMmd:
    """The MMD between two embedded sets, with the errors of its rows and of its frequencies.

    Raises ShapeError for different settings, NumericalError when the unbiased estimate would have fewer than 2 rows on a side.
    """
    _same_settings(target, part)
    least = 2 if estimator == "unbiased" else 1
    for name, n in (("target set T", target.n), ("part", part.n)):
        if n < least:
            raise NumericalError(
                f"the {estimator} MMD needs at least {least} rows on each side; the {name} has {n}. "
                f"Raise `gate.min_rows_per_part`, or leave the part out."
            )
    by_frequency = _by_frequency(target, part, estimator)
    squared = float(by_frequency.sum())
    value = float(scaled(np.asarray(squared), scale))
    variance = _variance(target, part)
    moves = _group_moves(target, part), _group_moves(part, target)
    return EmbeddedMmd(value, squared, variance, part.n, target.n, *moves, _approximation_error(target.settings, by_frequency))


@lru_cache(maxsize=8)
def _directions(n: int, n_columns: int, seed: int, place: int) -> Floats:
    """(n, D) rows that are each standard normal, orthogonal in blocks of D; more of them begin with the same ones.

    Read-only. Those drawn last are kept: all contributors have the same, and to draw them takes longer than a small one's rows.
    """
    blocks = []
    for start in range(0, n, n_columns):
        size = min(n_columns, n - start)
        lengths = np.sqrt(generator("random-feature-lengths", seed, place, start).chisquare(n_columns, size))
        normal = generator("random-features", seed, place, start).normal(size=(size, n_columns))
        basis, upper = np.linalg.qr(normal.T)
        # A column's sign is LAPACK's choice: with a positive diagonal, every machine has the same one.
        blocks.append((basis * np.copysign(lengths, np.diag(upper))).T)
    drawn: Floats = np.concatenate(blocks)
    drawn.setflags(write=False)
    return drawn


def _by_frequency(target: MeanEmbedding, part: MeanEmbedding, estimator: Estimator) -> Floats:
    """(F,) the contribution of each frequency to MMD^2."""
    t, s = target.sums.reshape(2, -1), part.sums.reshape(2, -1)
    m, n, weights = target.n, part.n, target.settings.weights
    tt, ss, ts = (t**2).sum(axis=0), (s**2).sum(axis=0), (t * s).sum(axis=0)
    if estimator == "biased":
        return np.asarray(tt / m**2 + ss / n**2 - 2 * ts / (m * n))
    return np.asarray((tt - m * weights) / (m * (m - 1)) + (ss - n * weights) / (n * (n - 1)) - 2 * ts / (m * n))


def _approximation_error(settings: FourierSettings, by_frequency: Floats) -> float:
    """Standard error of the sum, a frequency being one draw of those of its bandwidth."""
    of_bandwidths = np.split(by_frequency, np.cumsum(settings.counts)[:-1])
    return math.sqrt(sum(float(one.var(ddof=1)) * one.size for one in of_bandwidths))


def _variance(target: MeanEmbedding, part: MeanEmbedding) -> SquaredMmdVariance | None:
    """Of MMD^2, as in `variance.py`; None unless 3 groups or more have rows on both sides."""
    spread_t, spread_s = _spread(target), _spread(part)
    if len(spread_t) < 3 or len(spread_s) < 3:
        return None
    m, n = target.n, part.n
    apart = target.sums / m - part.sums / n
    first = 4 * float(((spread_t @ apart) ** 2).sum()) / ((len(spread_t) - 1) * m)
    first += 4 * float(((spread_s @ apart) ** 2).sum()) / ((len(spread_s) - 1) * n)
    across = float(((spread_t @ spread_s.T) ** 2).sum()) / ((len(spread_t) - 1) * (len(spread_s) - 1))
    second = 2 * _squared_trace(spread_t) / (m * (m - 1)) + 2 * _squared_trace(spread_s) / (n * (n - 1)) + 4 * across / (m * n)
    return SquaredMmdVariance(first, second)


def _group_moves(own: MeanEmbedding, other: MeanEmbedding) -> Floats:
    """(G,) how far MMD^2 falls as each group leaves `own`, as `mmd.row_moves`."""
    at_zero = float(own.settings.weights.sum())
    within = own.group_sums @ own.sums - own.group_counts * at_zero
    return row_moves(within, own.group_sums @ other.sums, other.n, own.group_counts, own.n)


def _spread(embedding: MeanEmbedding) -> Floats:
    """(occupied groups, 2F) deviations u of group means, times sqrt(rows): sum u u' / (groups - 1) estimates C."""
    occupied = embedding.group_counts > 0
    counts = embedding.group_counts[occupied, None]
    deviations = embedding.group_sums[occupied] / counts - embedding.sums / embedding.n
    return np.asarray(deviations * np.sqrt(counts))


def _squared_trace(spread: Floats) -> float:
    """tr C^2 without the part that estimating C from few groups adds (Bai and Saranadasa, Statistica Sinica 6, 1996)."""
    freedom = len(spread) - 1
    gram = spread @ spread.T / freedom
    excess = float((gram**2).sum()) - float(np.trace(gram)) ** 2 / freedom
    return max(excess, 0.0) * freedom**2 / ((freedom - 1) * (freedom + 2))


def _same_settings(one: MeanEmbedding, other: MeanEmbedding) -> None:
    if one.settings != other.settings:
        raise ShapeError(
            f"mean embeddings: expected the same settings, found {one.settings} and {other.settings}. Embed both with the same "
            f"bandwidths (T's), seed and number of frequencies."
        )
