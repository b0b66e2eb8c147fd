"""What counts of a sample say of the shares behind them: an estimated distribution of shares, and of a count's share given it.

Letters: U distinct counts; J nodes, which are shares times the sample's size, so that node m is a share that is counted m times
in the mean.

    P(c | m) = exp((c log m - m) / phi) / c!^(1 / phi)      phi: how much more counts vary than those of independent draws
    H(m)       things with that share, seen or not, by EM with smoothing over log m (Silverman et al. 1990)
    P(m | c)   from both

So a thing that came once is not taken for one of share 1 / N: many of those are rarer and were lucky. Ranks of shares follow
from H. Smoothing takes neighbouring ranks for alike, as in any distribution with a long tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.errors import ShapeError

SMALLEST = 0.1
"""The smallest node: rarer things are not told from those."""
RATIO, ROOT_STEP = 1.04, 0.1
"""Nodes are this far apart, or in square roots, whichever is closer: a fraction of a count's error."""
SMOOTHED = 0.25
"""Of log m, a standard deviation."""
ROUNDS = 60


@dataclass(frozen=True)
class Shares:
    """The distribution of shares behind counts."""

    nodes: np.ndarray
    """(J,) ascending."""
    counts: np.ndarray
    """(U,) distinct counts of what was seen, descending."""
    multiplicity: np.ndarray
    """(U,) things with that count."""
    given: np.ndarray
    """(U, J) P(m | c)."""
    things: np.ndarray
    """(J,) things with that share, unseen ones included."""

    @property
    def ranks(self) -> np.ndarray:
        """(J,) things with a larger share, and half of those with this one: between r - 1 and r for the r-th."""
        above = np.cumsum(self.things[::-1])[::-1]
        found: np.ndarray = above - self.things / 2
        return found

    @property
    def mass(self) -> np.ndarray:
        """(J,) share of the whole at each node; sums to 1."""
        own = self.things * self.nodes
        found: np.ndarray = own / own.sum()
        return found


def shares_of(counts: np.ndarray, phi: float = 1.0) -> Shares:
    """Of (V,) whole counts, zeros left out. Raises ShapeError without a positive one."""
    seen = counts[counts > 0]
    if not len(seen):
        raise ShapeError("counts: expected some above 0, found none. Give a sample that is not empty.")
    distinct, multiplicity = np.unique(seen, return_counts=True)
    distinct, multiplicity = distinct[::-1].astype(float), multiplicity[::-1].astype(float)
    nodes = _nodes(float(distinct[0]))
    fit = (distinct[:, None] * np.log(nodes) - nodes) / phi
    likelihood = np.exp(fit - fit.max(axis=1, keepdims=True))
    unseen = np.exp(-nodes / phi)
    smoother = _smoother(np.log(nodes))
    things = np.gradient(np.log(nodes))
    things *= len(seen) / things.sum()
    for _ in range(ROUNDS):
        given = _given(likelihood, things)
        things = smoother @ (multiplicity @ given / np.maximum(1 - unseen, SMALLEST / 2))
    given = _given(likelihood, things)
    return Shares(nodes, distinct, multiplicity, given, multiplicity @ given + things * unseen)


def excess_variance(by_group: np.ndarray) -> float:
    """phi of (G, V) counts by group: 1 of independent draws, more where things come in clusters."""
    sizes = by_group.sum(axis=1).astype(float)
    held = by_group[sizes > 0].astype(float)
    if len(held) < 2:
        return 1.0
    expected = sizes[sizes > 0][:, None] * (held.sum(axis=0) / held.sum())
    usable = expected.min(axis=0) >= 1
    if usable.sum() < 2:
        return 1.0
    off = (held - expected)[:, usable] ** 2 / expected[:, usable]
    return max(1.0, float(off.sum() / ((len(held) - 1) * usable.sum())))


def _nodes(largest: float) -> np.ndarray:
    last, found = SMALLEST, [SMALLEST]
    end = largest + 4 * np.sqrt(largest) + 4
    while last < end:
        last = min(last * RATIO, (np.sqrt(last) + ROOT_STEP) ** 2)
        found.append(last)
    return np.array(found)


def _smoother(logs: np.ndarray) -> np.ndarray:
    """(J, J): averages a density over log m; counts of things are densities times their node's width."""
    width = np.gradient(logs)
    near = np.exp(-(((logs[:, None] - logs) / SMOOTHED) ** 2) / 2)
    spread = near * width[:, None]
    found: np.ndarray = spread / spread.sum(axis=0)
    return found


def _given(likelihood: np.ndarray, things: np.ndarray) -> np.ndarray:
    joint = likelihood * things
    found: np.ndarray = joint / joint.sum(axis=1, keepdims=True)
    return found
