"""Rows that nearly repeat rows of another set, the target or another contributor, from their prints.

A row is near row j of a set where their distance is at most a factor times the reach of j, the distance from j to the nearest
other row of the set: near for that place of the set, where rows may lie far apart (short texts) or close (forms, shared lines).
How many rows are near by chance is measured on the set itself, each row against the others. Only a share that chance does not
explain is reported.

Letters: N rows; M rows of the set, without repeats; D numbers of a print; F factors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mixval.gate.prints import IMAGE_WIDTH, mirrored

FACTORS = (0.3, 0.5, 0.7)
"""From copies with a few altered pixels or letters to short texts with another word, which images have no need of. The factor
that shows most is reported."""
CHANCE = (0.05, 0.2, 1.0)
"""Rows of the set that are counted as near by chance besides those found: M rows alone cannot show a share below 1 / M."""
LEAST_SHARE = 0.01
"""Share of rows below which nothing is reported."""
LEAST_ROWS = 3
"""Rows below which nothing is reported."""
FARTHEST = 1.0
"""Distance of unit prints beyond which no row is near: 1.41 is that of prints that have nothing in common."""
FEWEST = 5
"""Rows of a set from which the distance between its rows is measured."""
DEVIATIONS = 3.0
BLOCK_ROWS = 1024
_SAME = 1e-3
"""Distance up to which two prints are one row's: above the rounding of float16, far below any alteration."""


@dataclass(frozen=True)
class PrintedSet:
    """A set of rows against which others are held. Made by `printed_set`."""

    centre: np.ndarray
    """(D,) float32: what all rows have in common, such as lines that stand in each; 0 of images."""
    prints: np.ndarray
    """(M, D) float32: less the centre, of unit length."""
    reach: np.ndarray
    """(M,) float32: distance to the nearest other row of the set."""
    by_chance: np.ndarray
    """(F,) float64: share of the set's own rows that are near another one."""

    def near_share(self, prints: np.ndarray) -> float:  # (N, D)
        """Share of rows that are near a row of the set, beyond chance; 0 where chance may explain it."""
        n = len(prints)
        if n == 0:
            return 0.0
        counts = _counts(closeness(self, prints), prints)
        expected = n * self.by_chance
        beyond = counts >= np.maximum(expected + DEVIATIONS * np.sqrt(expected), LEAST_ROWS)
        share = float(counts[beyond].max(initial=0)) / n
        return share if share >= LEAST_SHARE else 0.0


def printed_set(prints: np.ndarray) -> PrintedSet | None:  # (M, D)
    """The set of these rows; None where there are too few to tell how far apart they are."""
    own = np.asarray(prints, dtype=np.float32)
    centre = np.zeros(own.shape[1], np.float32) if _are_images(own) or not len(own) else own.mean(axis=0)
    units = _units(own, centre)
    units = units[_distinct(units)]
    if len(units) < FEWEST:
        return None
    first, second, nearest = _two_nearest(units)
    counts = np.zeros(len(_factors(own)))
    for low in range(0, len(units), BLOCK_ROWS):
        block = _distances(units[low : low + BLOCK_ROWS], units)
        rows = np.arange(len(block))
        block[rows, low + rows] = np.inf
        # A row that is held against the others is no neighbour of theirs.
        reach = np.where(nearest[None, :] == (low + rows)[:, None], second[None, :], first[None, :])
        counts += _counts(_closest(block, reach), own)
    return PrintedSet(centre, units, first, (counts + CHANCE[: len(counts)]) / len(units))


def closeness(held: PrintedSet, prints: np.ndarray) -> np.ndarray:  # (N, D) -> (N,)
    """How near each row, mirrored or not, comes to a row of the set, in units of that row's reach; infinity beyond FARTHEST."""
    rows = np.asarray(prints, dtype=np.float32)
    found = [np.zeros(0, np.float32)]
    for low in range(0, len(rows), BLOCK_ROWS):
        block = rows[low : low + BLOCK_ROWS]
        views = [block, mirrored(block)] if _are_images(block) else [block]
        ratios = [_closest(_distances(_units(view, held.centre), held.prints), held.reach) for view in views]
        found.append(np.min(ratios, axis=0))
    return np.concatenate(found)


def as_arrays(held: PrintedSet | None) -> dict[str, np.ndarray]:
    """The set as arrays to store, the prints at half precision; none for None."""
    if held is None:
        return {}
    arrays = {f"set_{name}": array for name, array in vars(held).items()}
    return arrays | {"set_prints": held.prints.astype(np.float16)}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> PrintedSet | None:
    """The set that `as_arrays` gave."""
    if "set_prints" not in arrays:
        return None
    centre, prints, reach, by_chance = (arrays[f"set_{name}"] for name in ("centre", "prints", "reach", "by_chance"))
    return PrintedSet(centre, prints.astype(np.float32), reach, by_chance)


def _factors(prints: np.ndarray) -> tuple[float, ...]:
    return FACTORS[:2] if _are_images(prints) else FACTORS


def _counts(near: np.ndarray, prints: np.ndarray) -> np.ndarray:  # (N,) by `closeness` -> (F,)
    return np.array([(near <= factor).sum() for factor in _factors(prints)], dtype=np.float64)


def _are_images(prints: np.ndarray) -> bool:
    return bool(prints.shape[1] == IMAGE_WIDTH)


def _units(prints: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Less the centre and of unit length; a row without anything of its own stays 0, far from all."""
    moved = np.where(prints.any(axis=1, keepdims=True), prints - centre, 0)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(np.divide(moved, lengths, out=np.zeros_like(moved), where=lengths > _SAME))


def _distinct(units: np.ndarray) -> np.ndarray:
    """(M,) bool: the first of equal rows, and none of those without anything of their own."""
    _, first = np.unique(np.round(units, 3), axis=0, return_index=True)
    is_first = np.zeros(len(units), dtype=bool)
    is_first[first] = True
    return np.asarray(is_first & units.any(axis=1))


def _distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:  # (N, D), (M, D) -> (N, M)
    squared = 2 - 2 * (rows @ others.T)
    squared[~rows.any(axis=1)] = np.inf
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def _closest(distances: np.ndarray, reach: np.ndarray) -> np.ndarray:  # (N, M), (M,) or (N, M) -> (N,)
    return np.asarray(np.where(distances <= FARTHEST, distances / np.maximum(reach, _SAME), np.inf).min(axis=1))


def _two_nearest(units: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M,) distance to the nearest other row, (M,) to the second nearest, (M,) which is the nearest."""
    first, second, nearest = (np.empty(len(units), dtype) for dtype in (np.float32, np.float32, np.int64))
    for low in range(0, len(units), BLOCK_ROWS):
        block = _distances(units[low : low + BLOCK_ROWS], units)
        rows = np.arange(len(block))
        block[rows, low + rows] = np.inf
        two = np.argpartition(block, 1, axis=1)[:, :2]
        of_two = np.take_along_axis(block, two, axis=1)
        order = np.argsort(of_two, axis=1)
        of_two, two = np.take_along_axis(of_two, order, axis=1), np.take_along_axis(two, order, axis=1)
        at = slice(low, low + len(block))
        first[at], second[at], nearest[at] = of_two[:, 0], of_two[:, 1], two[:, 0]
    return first, second, nearest
