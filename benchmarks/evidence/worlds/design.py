"""The design of a benchmark world: which faults contributors have and how strong they are, drawn by seed.

Letters: K contributors. Each factor has a random stream of its own and is stratified over contributors (Latin hypercube:
one draw in each of K equal slices of its range, in shuffled order), so that a small world spans every range too, and
switching one factor off moves no other.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from mixval.config.base import FrozenModel
from mixval.config.tasks import Task, for_modality, spec_of
from mixval.seeds import generator

ImageShift = Literal["blur", "contrast", "quantise"]
TextShift = Literal["word-dropout", "upper-case"]
Shift = ImageShift | TextShift
AnswerNoise = Literal["swapped", "cut"]
IMAGE_SHIFTS: tuple[ImageShift, ...] = ("blur", "contrast", "quantise")
TEXT_SHIFTS: tuple[TextShift, ...] = ("word-dropout", "upper-case")
LARGE_FROM, SMALL_TO = 0.8, 1 / 3
"""Of the range of sizes, in logarithms, where `n_large` is given."""
ANSWER_NOISES: tuple[AnswerNoise, ...] = ("swapped", "cut")


class Factor(FrozenModel):
    """A fault that some contributors have: how many of them, and how strongly."""

    affected: float = Field(default=0.0, ge=0, le=1)
    """Share of contributors that have it, rounded to whole contributors. The others have none of it."""
    low: float = Field(default=0.0, ge=0, le=1)
    """Smallest amount, a share of rows or a strength. Dimensionless."""
    high: float = Field(default=0.0, ge=0, le=1)
    """Largest amount. Dimensionless."""

    @model_validator(mode="after")
    def _ordered(self) -> Factor:
        if self.low > self.high:
            raise ValueError(f"`low` ({self.low}) stands above `high` ({self.high})")
        return self


class WorldDesign(FrozenModel):
    """Ranges of every factor. The same design, seed and tables give the same world to the bit."""

    task: Task
    """What the rows are for; it fixes the row contract and what noise means."""
    contributors: int = Field(ge=2, le=200)
    """K. Rank statistics need 8, and say little under 30."""
    seed: int = Field(default=0, ge=0)
    """Of every draw."""
    size: tuple[int, int] = (100, 1000)
    """Fewest and most rows of a contributor; drawn log-uniformly."""
    n_large: int = Field(default=0, ge=0)
    """So many contributors have sizes in the upper fifth of the range, in logarithms, and the others in its lower third. 0:
    sizes are spread over the whole range."""
    families: int | None = Field(default=None, ge=1)
    """So many families of contributors that share a generator: what is planted in one member, but for its size, copies and
    rows, is planted in all. None: every contributor is drawn by itself."""
    real_share: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest share of real rows, pi; drawn uniformly."""
    one_part: float = Field(default=0.0, ge=0, le=1)
    """Share of contributors that are cut to one part, whichever their pi is nearer to: all real or all synthetic."""
    real_groups: tuple[int, int] | None = None
    """Fewest and most groups (labels, or the `group` column) in a contributor's real rows: the first k by rank. None: all."""
    synthetic_groups: tuple[int, int] | None = None
    """The same for its synthetic rows: a generator that has lost the tail."""
    sources: tuple[int, int] | None = None
    """Fewest and most values of the `source` column among a contributor's synthetic rows. None: all."""
    noise: Factor = Factor()
    """Share of rows with a wrong label (another one, uniformly), a spoilt response, or, for language modelling, words in a
    shuffled order."""
    duplicates: Factor = Factor()
    """Share of rows that repeat another row of the contributor."""
    overlap: Factor = Factor()
    """Share of rows that another contributor holds too. `high` at most 0.5."""
    near_copies: Factor = Factor()
    """Share of rows that are another contributor's, slightly altered: one pixel by one level, one letter twice. `high` at most
    0.5."""
    shift: Factor = Factor()
    """Strength of a domain shift of all own rows: images are blurred, lose contrast or grey levels; texts lose words, or
    have words in upper case."""
    pools: Literal["disjoint", "independent"] = "disjoint"
    """`disjoint`: no row of the pools stands in two contributors, but for planted overlap. `independent`: each contributor
    draws from the whole pools, as it must where contributors are many."""

    @model_validator(mode="after")
    def _fits(self) -> WorldDesign:
        for name in ("size", "real_share", "real_groups", "synthetic_groups", "sources"):
            bounds = getattr(self, name)
            if bounds is not None and not (0 if name == "real_share" else 1) <= bounds[0] <= bounds[1]:
                raise ValueError(f"`{name}` must be a smallest and a largest value in that order, found {bounds}")
        if self.real_share[1] > 1:
            raise ValueError(f"`real_share` must end at 1 or below, found {self.real_share[1]}")
        borrowed = self.overlap, self.near_copies
        if sum(one.high for one in borrowed) > 0.5 or sum(one.affected for one in borrowed) > 0.5:
            raise ValueError(
                "`overlap` and `near_copies` may have `high` and `affected` of at most 0.5 together: every copy needs an "
                "original"
            )
        if self.n_large >= self.contributors:
            raise ValueError(f"`n_large` must leave small ones among {self.contributors} contributors, found {self.n_large}")
        return self


class Planting(FrozenModel):
    """What is planted in one contributor. Shares are of its rows, and hold in each part up to rounding."""

    name: str
    family: str
    """Its own name, or that of the first of its family: names the draw of its sources."""
    n_rows: int
    real_share: float
    n_real_groups: int | None
    n_synthetic_groups: int | None
    n_sources: int | None
    noise: float
    answer_noise: AnswerNoise
    """How a response is spoilt. Means nothing outside of `instruction`."""
    duplicates: float
    overlap: float
    near_copies: float
    shift: float
    shift_kind: Shift


def draw_plantings(design: WorldDesign) -> list[Planting]:
    """K plantings, by name in order."""
    K = design.contributors
    sizes = _sizes(design)
    shares = _real_shares(design)
    kinds = for_modality({"image": IMAGE_SHIFTS, "text": TEXT_SHIFTS}, spec_of(design.task), "domain shifts")
    amounts = {name: _amounts(design, name) for name in ("noise", "duplicates", "overlap", "near_copies", "shift")}
    counts = {name: _counts(design, name) for name in ("real_groups", "synthetic_groups", "sources")}
    picks = {name: generator(design.seed, "world", name).permutation(K) for name in ("shift-kind", "answer-noise")}
    plantings = [
        Planting(
            name=f"c{k:03d}",
            family=f"c{k:03d}",
            n_rows=int(sizes[k]),
            real_share=float(shares[k]),
            n_real_groups=counts["real_groups"][k],
            n_synthetic_groups=counts["synthetic_groups"][k],
            n_sources=counts["sources"][k],
            answer_noise=ANSWER_NOISES[picks["answer-noise"][k] % len(ANSWER_NOISES)],
            shift_kind=kinds[picks["shift-kind"][k] % len(kinds)],
            **{name: float(values[k]) for name, values in amounts.items()},
        )
        for k in range(K)
    ]
    return plantings if design.families is None else _in_families(design, design.families, plantings)


def _in_families(design: WorldDesign, n: int, plantings: list[Planting]) -> list[Planting]:
    """The same with what is a generator's taken from the first of each family."""
    places = generator(design.seed, "world", "families").permutation(len(plantings)) % n
    first = {place: one for one, place in reversed(list(zip(plantings, places, strict=True)))}
    own = {"name", "n_rows", "duplicates", "overlap", "near_copies"}
    return [first[place].model_copy(update=one.model_dump(include=own)) for one, place in zip(plantings, places, strict=True)]


def _sizes(design: WorldDesign) -> np.ndarray:  # (K,) int
    low, high = np.log(design.size[0]), np.log(design.size[1] + 0.0)
    at = _strata(design, "size")
    if design.n_large:
        is_large = np.zeros(design.contributors, dtype=bool)
        is_large[generator(design.seed, "world", "large").permutation(design.contributors)[: design.n_large]] = True
        at = np.where(is_large, LARGE_FROM + (1 - LARGE_FROM) * at, SMALL_TO * at)
    sizes: np.ndarray = np.rint(np.exp(low + (high - low) * at)).astype(int)
    return sizes


def _strata(design: WorldDesign, name: str) -> np.ndarray:  # (K,) in [0, 1)
    """One uniform draw in each of K equal slices, in shuffled order."""
    random = generator(design.seed, "world", name)
    return (random.permutation(design.contributors) + random.random(design.contributors)) / design.contributors


def _real_shares(design: WorldDesign) -> np.ndarray:  # (K,)
    low, high = design.real_share
    shares = low + (high - low) * _strata(design, "real-share")
    one_part = generator(design.seed, "world", "one-part").permutation(design.contributors)
    chosen = one_part[: round(design.one_part * design.contributors)]
    shares[chosen] = np.rint(shares[chosen])
    return shares


def _amounts(design: WorldDesign, name: str) -> np.ndarray:  # (K,)
    factor: Factor = getattr(design, name)
    random, amounts = generator(design.seed, "world", name), np.zeros(design.contributors)
    chosen = random.permutation(design.contributors)[: round(factor.affected * design.contributors)]
    slices = (random.permutation(len(chosen)) + random.random(len(chosen))) / max(len(chosen), 1)
    amounts[chosen] = factor.low + (factor.high - factor.low) * slices
    return amounts


def _counts(design: WorldDesign, name: str) -> list[int | None]:  # (K,)
    bounds: tuple[int, int] | None = getattr(design, name)
    if bounds is None:
        return [None] * design.contributors
    low, high = bounds
    return [low + int((high + 1 - low) * at) for at in _strata(design, name)]
