"""Generators side by side: where mixed data bends, when synthetic data is cut, drawn colder, or repeats a sample.

All are matched at one rank k. `cut` holds the first k pieces. `finite` repeats a sample of 1 / p_k real rows, in which piece k
is expected once. `temperature` is the one at which synthetic rows bring piece k as often as real ones do:
(1 - pi) p'_k = pi p_k. Places are given as multiples of k^beta and k^beta / pi, or of p_1 / p_k in place of k^beta where p is
no power law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from mixval.errors import ShapeError
from mixval.scaling.effective_rows import Exchange, of_mixture, of_shares, synthetic_shares
from mixval.scaling.knowledge import Generator, Mixture, power_sum
from mixval.scaling.laws import Floats

CLASSES = (100, 1_000)
"""Finite numbers of pieces beside infinitely many."""
COLDEST, WARMEST = 0.02, 0.999


@dataclass(frozen=True)
class Compared:
    """One generator."""

    words: str
    kind: str
    at: float
    n_items: int | None
    found: Exchange
    first: float
    """k^beta, or p_1 / p_k."""
    second: float
    """That over pi."""


def compare(beta: float, cut: int, real: float, n_items: int | None = None) -> list[Compared]:
    """Zipf's law: the generators, and the cut with fewer pieces where there are infinitely many."""
    _check(real)
    p_cut = cut**-beta / power_sum(beta, n_items)
    first = float(cut) ** beta
    ways = [Generator("cut", cut), Generator("finite", 1 / p_cut)]

    def gap(temperature: float) -> float:
        heated = beta / temperature
        share = math.log(power_sum(beta, n_items) / power_sum(heated, n_items)) + (beta - heated) * math.log(cut)
        return math.log((1 - real) / real) + share

    if gap(COLDEST) < 0 < gap(WARMEST):
        ways.append(Generator("temperature", float(brentq(gap, COLDEST, WARMEST))))
    mixtures = [Mixture(beta, real, way, n_items) for way in ways]
    if n_items is None:
        mixtures += [Mixture(beta, real, ways[0], classes) for classes in CLASSES if classes > cut]
    return [_compared(one.generator, cut, one.n_items, of_mixture(one), first, real) for one in mixtures]


def compare_shares(p: Floats, cut: int, real: float) -> list[Compared]:
    """Shares of any form, largest first."""
    _check(real)
    if not 1 <= cut < len(p):
        raise ShapeError(f"cut: expected a rank from 1 to {len(p) - 1}, found {cut}. Give one of them.")
    ways = [Generator("cut", cut), Generator("finite", 1 / float(p[cut - 1]))]

    def gap(temperature: float) -> float:
        made = synthetic_shares(p, Generator("temperature", temperature))[cut - 1]
        return math.log(max((1 - real) * made, 1e-300) / (real * float(p[cut - 1])))

    if gap(COLDEST) < 0 < gap(WARMEST):
        ways.append(Generator("temperature", float(brentq(gap, COLDEST, WARMEST))))
    first = float(p[0] / p[cut - 1])
    return [_compared(way, cut, None, of_shares(p, way, real), first, real) for way in ways]


def _compared(way: Generator, cut: int, n_items: int | None, found: Exchange, first: float, real: float) -> Compared:
    return Compared(_words(way, cut, n_items), way.kind, way.at, n_items, found, first, first / real)


def curves(compared: list[Compared]) -> dict[str, tuple[Floats, Floats]]:
    """By words: n, and the rate."""
    return {one.words: (one.found.n, np.clip(one.found.rate, 0.0, 1.5)) for one in compared}


def _check(real: float) -> None:
    if not 0 < real < 1:
        raise ShapeError(f"real: expected a share between 0 and 1, found {real:g}: alone, neither kind of row is exchanged.")


def _words(generator: Generator, cut: int, n_items: int | None) -> str:
    said = {
        "cut": f"cut at rank {cut}",
        "finite": f"a sample of {generator.at:,.0f} rows",
        "temperature": f"temperature {generator.at:.2f}",
    }[generator.kind]
    return said if n_items is None else f"{said}, {n_items:,} pieces"
