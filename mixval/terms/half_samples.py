"""Half-samples: which rows each replicate keeps, and the standard deviation of the whole from their spread.

Letters: N rows, R replicates, n rows of the whole, m rows of a replicate.

A replicate keeps the floor(n_part / 2) rows of each part whose hash of (content key, replicate, seed) is smallest, so the
choice depends on the rows and not on their order. The hash is splitmix64's finaliser (Steele, Lea, Flood, OOPSLA 2014).

Rows drawn without replacement give a mean's replicate the variance (s^2 / n) (n - m) / m, so deviations from the replicates'
mean are multiplied by sqrt(m / (n - m)): the delete-d jackknife (Shao and Wu, Annals of Statistics 17, 1989; Politis and
Romano, Annals of Statistics 22, 1994). They are centred on the replicates' own mean, not on the estimate, since a term such
as the NTK's depends on n.

Where only sums are stored, rows fall into `GROUPS` groups by a hash of their key, and a replicate keeps half of the groups: the
same spread, with a relative error of an eighth, from sums that are additive over any split of the rows.
"""

import math

import numpy as np
import numpy.typing as npt

from mixval.errors import NumericalError, ShapeError
from mixval.seeds import derive_seed, generator
from mixval.terms.arrays import ArrayLike, Floats, Masks, floats

Keys = npt.NDArray[np.uint64]
GROUPS = 32
"""Groups of rows whose sums are stored. Standard errors from them are off by an eighth; by a quarter where two sets agree."""


def half_masks(keys: Keys, is_real: npt.NDArray[np.bool_], replicates: int, seed: int) -> Masks:
    """(replicates, N) bool: the rows that each half-sample keeps, floor(n / 2) and at least 1 of each part.

    `keys` (N,) uint64 name the rows by content; `is_real` (N,) bool is the part. Raises ShapeError for other inputs.
    """
    if keys.ndim != 1 or keys.dtype != np.uint64 or is_real.shape != keys.shape or is_real.dtype != np.bool_:
        raise ShapeError(
            f"half-samples: expected (N,) uint64 keys and (N,) bool parts, found {keys.dtype} {keys.shape} and "
            f"{is_real.dtype} {is_real.shape}."
        )
    masks = np.zeros((replicates, keys.size), dtype=np.bool_)
    parts = [rows for rows in (np.flatnonzero(is_real), np.flatnonzero(~is_real)) if rows.size]
    for replicate in range(replicates):
        hashed = splitmix64(keys ^ np.uint64(derive_seed("half-samples", seed, replicate)))
        for rows in parts:
            # Rows with one key are one content: which of them a replicate keeps makes no difference.
            order = np.argsort(hashed[rows], kind="stable")
            masks[replicate, rows[order[: max(1, rows.size // 2)]]] = True
    return masks


def row_groups(keys: Keys, seed: int) -> npt.NDArray[np.int64]:
    """(N,) group of each row, 0 to GROUPS - 1, from its content key: equal rows share one, wherever they are."""
    return (splitmix64(keys ^ np.uint64(derive_seed("embedding-groups", seed))) % np.uint64(GROUPS)).astype(np.int64)


def half_groups(replicates: int, seed: int) -> Masks:
    """(replicates, GROUPS) bool: the half of the groups that each replicate keeps, the same for T and all contributors."""
    order = generator("half-groups", seed).random((replicates, GROUPS)).argsort(axis=1, kind="stable")
    return np.asarray(order < GROUPS // 2)


def splitmix64(keys: Keys) -> Keys:
    """The splitmix64 hash of each key, (N,) uint64: a bijection whose output bits look independent of the input's."""
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def deviations(replicates: ArrayLike, n: int, m: int) -> Floats:
    """(R,) deviations of the replicates from their mean, rescaled from m rows drawn of n to the spread of the whole.

    Raises NumericalError unless 0 < m < n and there are at least two replicates.
    """
    values = floats("replicates", replicates, 1)
    if values.size < 2 or not 0 < m < n:
        raise NumericalError(
            f"a spread needs at least 2 replicates and 0 < m < n, found {values.size} replicates, m={m}, n={n}. "
            f"Raise `value.half_samples`, or set it to 0 for no intervals."
        )
    centred: Floats = (values - values.mean()) * math.sqrt(m / (n - m))
    return centred


def own_deviations(replicates: Floats, masks: Masks) -> Floats:
    """(R,) deviations on the scale of all rows; zeros where the masks keep every row."""
    if len(replicates) == 0:
        return np.zeros(0)
    n, m = masks.shape[1], int(masks[0].sum())
    return deviations(replicates, n, m) if m < n else np.zeros(len(replicates))
