"""How often intervals of a truncation hold what was planted: `python -m benchmarks.mixing.truncation`.

Reference and synthetic rows are drawn again and again where it is known at which rank the synthetic ones stop, how softly, and
how much of the reference they leave out: over labels; over tokens that repeat in their documents; and over rows about centres,
which are clustered as a run clusters those of its target. Where nothing was cut off, a cut-off that is told is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import Figure, figure, write_beside
from mixval.corpus.frequencies import excess_variance
from mixval.corpus.jackknife import Estimate
from mixval.corpus.truncation import Truncation, truncation
from mixval.stages.truncations import clustered, counts_of, directions

COMMAND = "python -m benchmarks.mixing.truncation"
DRAWS = 40
GROUPS = 20
AT_BOUNDS = "at-bounds"
WIDTH = 16
GOES_ON = 2 / 3
"""Chance that a token is the last of its kind in a document."""
Counts = tuple[np.ndarray, np.ndarray]
"""(G, V) of the reference and of the synthetic rows."""


@dataclass(frozen=True)
class Planted:
    """Zipf's law over some things, cut at a rank."""

    kind: str
    n_things: int
    exponent: float
    n_reference: int
    n_synthetic: int
    cut: float
    """Infinite where nothing is cut off."""
    softness: float

    @property
    def shares(self) -> np.ndarray:
        """(V,) of the reference."""
        own = np.arange(1, self.n_things + 1.0) ** -self.exponent
        return own / own.sum()

    @property
    def kept(self) -> np.ndarray:
        """(V,) the part of each share that synthetic rows keep."""
        ranks = np.arange(1, self.n_things + 1.0)
        if not self.softness or np.isinf(self.cut):
            return (ranks <= self.cut).astype(float)
        return 1 / (1 + (ranks / self.cut) ** (1 / self.softness))

    @property
    def lost(self) -> float:
        """Share of the reference that is not covered."""
        return float(1 - self.shares @ self.kept)


SETTINGS = (
    Planted("labels", 100, 1.0, 2000, 2000, 30, 0.0),
    Planted("labels", 100, 1.0, 2000, 2000, 30, 0.2),
    Planted("labels", 30, 0.7, 1000, 1000, 12, 0.0),
    Planted("labels", 30, 0.7, 1000, 3000, 12, 0.1),
    Planted("tokens", 1000, 1.0, 10_000, 10_000, 60, 0.0),
    Planted("tokens", 1000, 1.0, 10_000, 10_000, 60, 0.3),
    Planted("tokens", 2000, 1.05, 30_000, 60_000, 150, 0.2),
    Planted("clusters", 30, 1.0, 2000, 1000, 10, 0.0),
    Planted("clusters", 30, 1.0, 2000, 1000, 10, 0.25),
    Planted("labels", 100, 1.0, 2000, 2000, np.inf, 0.0),
    Planted("tokens", 1000, 1.0, 10_000, 10_000, np.inf, 0.0),
    Planted("clusters", 30, 1.0, 2000, 1000, np.inf, 0.0),
)


def labels(planted: Planted, random: np.random.Generator) -> Counts:
    """Independent rows."""
    order, made = random.permutation(planted.n_things), planted.shares * planted.kept
    drawn = random.multinomial(planted.n_reference, planted.shares), random.multinomial(planted.n_synthetic, made / made.sum())
    return drawn[0][None, order], drawn[1][None, order]


def tokens(planted: Planted, random: np.random.Generator) -> Counts:
    """Groups of documents in which a token that comes is followed by more of it, half as many in the mean."""
    made = planted.shares * planted.kept
    sizes = ((planted.n_reference, planted.shares), (planted.n_synthetic, made / made.sum()))
    reference, synthetic = (random.multinomial(round(n * GOES_ON / GROUPS), p, GROUPS) for n, p in sizes)
    return tuple(first + random.negative_binomial(np.maximum(first, 1e-9), GOES_ON) for first in (reference, synthetic))


def clusters(planted: Planted, random: np.random.Generator) -> Counts:
    """Rows about centres, clustered by every other row of the reference, which is counted by the rest."""
    centres = 3 * random.standard_normal((planted.n_things, WIDTH))
    made = planted.shares * planted.kept
    sizes = ((planted.n_reference, planted.shares), (planted.n_synthetic, made / made.sum()))
    target, synthetic = (
        directions(centres[random.choice(planted.n_things, n, p=p)] + 0.3 * random.standard_normal((n, WIDTH)))
        for n, p in sizes
    )
    found = clustered(target[::2])
    return counts_of(found, target[1::2])[None], counts_of(found, synthetic)[None]


DRAWN: dict[str, Callable[[Planted, np.random.Generator], Counts]] = {"labels": labels, "tokens": tokens, "clusters": clusters}


def found_again(planted: Planted, draws: int = DRAWS) -> list[Truncation]:
    """What is said of each draw."""
    random = np.random.default_rng(11)
    drawn = [DRAWN[planted.kind](planted, random) for _ in range(draws)]
    return [
        truncation(reference.sum(axis=0), synthetic.sum(axis=0), excess_variance(reference), excess_variance(synthetic))
        for reference, synthetic in drawn
    ]


def holding(planted: Planted, found: list[Truncation]) -> dict[str, list[bool]]:
    """Quantity -> for each draw in which it is told whether its interval holds what was planted.

    What lies at a bound, as a hard cut and a loss of nothing do, is apart: an interval errs to one side there.
    """
    told = [one for one in found if not one.reason]
    lost = [_holds(one.lost, planted.lost) for one in found]
    if not np.isfinite(planted.cut):
        return {AT_BOUNDS: lost}
    softness = [_holds(one.softness, planted.softness) for one in told]
    held = {"lost-mass": lost, "cut-rank": [_holds(one.cut, planted.cut) for one in told]}
    return held | {"softness" if planted.softness else AT_BOUNDS: softness}


def _holds(found: Estimate, truth: float) -> bool:
    """A missing upper end is open."""
    return bool(found.low <= truth + 1e-12 and (np.isnan(found.high) or truth <= found.high + 1e-12))


def truncation_figures(found: dict[Planted, list[Truncation]]) -> list[Figure]:
    """Mean over settings and quantities, by kind and by quantity, and how often a cut-off is told."""
    held = [(one.kind, name, float(np.mean(own))) for one in found for name, own in holding(one, found[one]).items() if own]
    is_cut = {one: np.isfinite(one.cut) for one in found}
    told = {one: float(np.mean([not each.reason for each in own])) for one, own in found.items()}

    inside = [one for one in held if one[1] != AT_BOUNDS]

    def mean(kind: str | None = None, name: str | None = None) -> float:
        chosen = held if name == AT_BOUNDS else inside
        return float(np.mean([share for of, what, share in chosen if kind in (None, of) and name in (None, what)]))

    kinds, names = dict.fromkeys(kind for kind, *_ in inside), dict.fromkeys(name for _, name, _ in held)
    rows = [("truncation_coverage", mean(), "0.9 to 0.97")]
    rows += [(f"truncation_coverage/{kind}", mean(kind), "-") for kind in kinds]
    rows += [(f"truncation_coverage/{name}", mean(name=name), "-") for name in names]
    rows.append(("truncation_coverage/worst", min(share for *_, share in inside), "-"))
    for words, wanted, target in (("truncation_told", True, "-"), ("truncation_told_without_one", False, "<= 0.05")):
        shares = [told[one] for one in found if is_cut[one] == wanted]
        rows += [(words, float(np.mean(shares)), target)] if shares else []
    return [figure(name, value, target, "share", COMMAND) for name, value, target in rows]


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each setting; other than the default stores nothing")
    draws, found = parser.parse_args().draws, dict[Planted, list[Truncation]]()
    for planted in SETTINGS:
        found[planted] = found_again(planted, draws)
        shares = {name: round(float(np.mean(own)), 3) for name, own in holding(planted, found[planted]).items() if own}
        told = np.mean([not one.reason for one in found[planted]])
        print(planted, f"lost {planted.lost:.3f}, told in {told:.2f}", shares, flush=True)
    figures = truncation_figures(found)
    if draws == DRAWS:
        write_beside("evidence", figures, COMMAND)
    else:
        print(*(f"{one['name']} {one['figure']}" for one in figures), sep="\n")


if __name__ == "__main__":
    main()
