"""What a contributor gains under values of parts by what it says of its rows: `python -m benchmarks.mixing.attacks --data DIR`.

In the worlds of `python -m benchmarks.mixing`, by each of their contributors:

    overstate-real        half of its generated rows are declared real
    overstate-synthetic   half of its real rows are declared generated
    split                 it enters as two contributors of half its rows each

The value of all of its rows depends on no origin, so declaring gains none of it. Measured is what becomes of the verdict on its
generated rows where they harm, of what the best weight of the rows that are called generated gains over taking all alike, and
of the weight at which its generated rows enter then. Of a split, the places that the better half gains in the ranking, and the
sum of what both halves add to all others against what the whole adds. No training is needed: these are values alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, figure, write_beside
from benchmarks.mixing.measure import CONFIDENCE, Contributor, contributors, part_of, target_side, value_of
from benchmarks.mixing.worlds import MixingWorld, Rows, worlds
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.terms.replicates import interval
from mixval.valuation.mixtures import WEIGHTS, Mixtures
from mixval.valuation.players import TargetSide

COMMAND = "python -m benchmarks.mixing.attacks"


def halves(rows: Rows) -> tuple[Rows, Rows]:
    """Every other row, and the others; rows stand in the order of a random draw."""
    places = np.arange(len(rows.labels))
    return rows.take(places[::2]), rows.take(places[1::2])


def declared(one: Contributor, origin: str) -> Contributor:
    """Half of the rows of the other origin are declared to be of this one."""
    if origin == REAL:
        moved, kept = halves(one.synthetic)
        return Contributor(one.real + moved, kept)
    moved, kept = halves(one.real)
    return Contributor(kept, one.synthetic + moved)


def harm(one: Contributor, world: MixingWorld) -> tuple[float, bool]:
    """What generated rows add, and whether their interval is below 0."""
    parts = {REAL: part_of(one.real, world), SYNTHETIC: part_of(one.synthetic, world, 1 << 20)}
    mixtures = Mixtures(parts, target_side(world))
    adds = mixtures.worth({}).value.less(mixtures.worth({SYNTHETIC: 0.0}).value)
    high = interval(adds.value, np.zeros(0) if adds.deviations is None else adds.deviations, CONFIDENCE)[1]
    return adds.value, high is not None and high < 0


def weighed(one: Contributor, world: MixingWorld, side: TargetSide) -> tuple[float, float]:
    """The best weight of what is called generated, and what it gains over weight 1."""
    mixtures = Mixtures({REAL: part_of(one.real, world), SYNTHETIC: part_of(one.synthetic, world, 1 << 20)}, side)
    values = [mixtures.worth({SYNTHETIC: weight}, spread=False).value.value for weight in WEIGHTS]
    best = int(np.argmax(values))
    return WEIGHTS[best], values[best] - values[WEIGHTS.index(1.0)]


@dataclass(frozen=True)
class Weighing:
    """Of contributors whose generated rows harm: mean gain of the best weight, and mean weight of their generated rows."""

    gain: float
    gain_declared: float
    weight: float
    weight_declared: float


def weighing(world: MixingWorld, drawn: Sequence[Contributor], origin: str) -> Weighing | None:
    """As they are, and with half of the rows of the other origin declared to be of this one. None where nobody harms."""
    side, harmed = target_side(world), [one for one in drawn if harm(one, world)[1]]
    found = [(*weighed(one, world, side), *weighed(declared(one, origin), world, side)) for one in harmed]
    if not found:
        return None
    before, gain, after, gain_declared = np.mean(found, axis=0)
    # Half of the generated rows enter as real ones.
    return Weighing(float(gain), float(gain_declared), float(before), float((1 + after) / 2 if origin == REAL else after))


def joined(parts: Sequence[Rows]) -> Rows:
    """All of these rows, of one part at least."""
    return Rows(np.concatenate([one.features for one in parts]), np.concatenate([one.labels for one in parts]))


def declaring(world: MixingWorld, drawn: Sequence[Contributor], origin: str) -> tuple[int, int, float]:
    """Contributors whose generated rows harm, how many of these are still told, and the largest change of a whole value."""
    harmed = [one for one in drawn if harm(one, world)[1]]
    after = [declared(one, origin) for one in harmed]
    side = target_side(world)
    changes = [
        abs(value_of(one.rows, world, side) - value_of(two.rows, world, side)) for one, two in zip(harmed, after, strict=True)
    ]
    return len(harmed), sum(harm(one, world)[1] for one in after), max(changes, default=0.0)


def splitting(world: MixingWorld, drawn: Sequence[Contributor]) -> tuple[float, float]:
    """Mean places that the better half gains by its own value, and the mean ratio of what both halves add to all others, each
    beside the other, to what the whole adds.
    """
    side = target_side(world)
    own = np.array([value_of(one.rows, world, side) for one in drawn])
    places, ratios = [], []
    for at, one in enumerate(drawn):
        first, second = halves(one.rows)
        better = max(value_of(half, world, side) for half in (first, second))
        others = np.delete(own, at)
        places.append(int((others > own[at]).sum()) - int((others > better).sum()))
        rest = [other.rows for place, other in enumerate(drawn) if place != at]
        with_all = value_of(joined([*rest, one.rows]), world, side)
        whole = with_all - value_of(joined(rest), world, side)
        both = 2 * with_all - sum(value_of(joined([*rest, half]), world, side) for half in (first, second))
        ratios.append((both, whole))
    return float(np.mean(places)), float(np.sum([both for both, _ in ratios]) / np.sum([abs(whole) for _, whole in ratios]))


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    given, figures = parser.parse_args(), list[Figure]()
    counted: dict[str, list[tuple[int, int, float]]] = {REAL: [], SYNTHETIC: []}
    splits, of_weights = [], list[tuple[str, Weighing]]()
    for world in worlds(given.data):
        drawn = contributors(world)
        for origin, found in counted.items():
            found.append(declaring(world, drawn, origin))
            if (one := weighing(world, drawn, origin)) is not None:
                of_weights.append((origin, one))
        splits.append(splitting(world, drawn))
        print(world.name, counted, splits[-1], flush=True)
    for origin, found in counted.items():
        name, harmed = f"parts_attacks/overstate-{origin}", sum(n for n, *_ in found)
        if harmed:
            figures.append(figure(f"{name}/still_told", sum(told for _, told, _ in found) / harmed, "-", "share", COMMAND))
        figures.append(figure(f"{name}/value_change", max(change for *_, change in found), "<= 1e-6", "nats", COMMAND))
        own = [one for of, one in of_weights if of == origin]
        kept = sum(one.gain_declared for one in own) / max(sum(one.gain for one in own), 1e-12)
        rows = [("weighing_gain_kept", kept, "share")] + [
            (name, float(np.mean([getattr(one, of) for one in own])), "1")
            for name, of in (("generated_weight_before", "weight"), ("generated_weight", "weight_declared"))
        ]
        figures += [figure(f"{name}/{words}", number, "-", unit, COMMAND) for words, number, unit in rows if own]
    places, ratio = np.mean(splits, axis=0)
    figures.append(figure("parts_attacks/split/places", float(places), "<= 0", "ranks", COMMAND))
    figures.append(figure("parts_attacks/split/added_ratio", float(ratio), "<= 1", "ratio", COMMAND))
    write_beside("evidence", figures, COMMAND)


if __name__ == "__main__":
    main()
