"""Where the synthetic rows of a contributor stop beside the target, and beside its own real rows, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from mixval.config.base import FrozenModel
from mixval.contracts.truncation import Over, Reference
from mixval.publish.numerals import count, fixed, percent

REFERENCES: dict[Reference, str] = {"target": "the target", "real": "its real rows"}
THINGS: dict[Over, str] = {"labels": "labels", "clusters": "clusters of the target's rows", "tokens": "tokens"}


class Truncated(FrozenModel):
    """A row of truncation.parquet."""

    over: Over
    reference: Reference
    n_reference: int
    n_synthetic: int
    n_things: int
    cut_rank: float | None
    cut_rank_low: float | None
    cut_rank_high: float | None
    softness: float | None
    softness_low: float | None
    softness_high: float | None
    lost_mass: float | None
    lost_mass_low: float | None
    lost_mass_high: float | None
    n_lacking: int
    lacking_mass: float
    reason: str | None
    """Why the cut-off cannot be told; None where it can."""

    @property
    def rank_words(self) -> str:
        """The cut-off rank with its interval, or from where on there may be one."""
        if self.cut_rank is not None:
            return f"{_rank(self.cut_rank)}{_span(self.cut_rank_low, self.cut_rank_high, _rank)}"
        return "cannot say" if self.cut_rank_low is None or self.cut_rank_low < 2 else f"not before {_rank(self.cut_rank_low)}"

    @property
    def softness_words(self) -> str:
        """The softness with its interval."""
        if self.softness is None:
            return "cannot say"
        if self.softness_high is None:
            return f"{fixed(self.softness, 2)} ({fixed(self.softness_low, 2)} or more)"
        return f"{fixed(self.softness, 2)}{_span(self.softness_low, self.softness_high, _two_places)}"

    @property
    def lost_words(self) -> str:
        """The share that is not covered, with its interval."""
        if self.lost_mass is None:
            return "cannot say"
        return f"{percent(self.lost_mass)}{_span(self.lost_mass_low, self.lost_mass_high, percent)}"

    @property
    def lacking_words(self) -> str:
        """What it surely lacks."""
        return f"{count(self.n_lacking)} ({percent(self.lacking_mass)})" if self.n_lacking else "–"


def truncated(contributor: str, table: pa.Table | None) -> list[Truncated]:
    """Where a contributor's synthetic rows stop; empty where the run says nothing of it."""
    rows = [] if table is None else [row for row in table.to_pylist() if row["contributor"] == contributor]
    return [Truncated(**{name: row[name] for name in Truncated.model_fields}) for row in rows]


def truncation_sentence(found: Truncated) -> str:
    """Where they stop by one kind of thing, or why that cannot be said."""
    things, reference = THINGS[found.over], REFERENCES[found.reference]
    lacking = (
        f" Of {count(found.n_lacking)} they surely have less than a tenth of the share: {percent(found.lacking_mass)} of "
        f"{reference} together."
        if found.n_lacking
        else ""
    )
    if found.cut_rank is not None:
        return (
            f"By {things}, its synthetic rows stop at rank {found.rank_words} of {count(found.n_things)} in {reference}, with "
            f"softness {found.softness_words}; {found.lost_words} of {reference} is not covered.{lacking}"
        )
    most = "" if found.lost_mass_high is None else f" {found.lost_words} of {reference} is not covered."
    return (
        f"By {things}, it cannot be said at which rank in {reference} its synthetic rows stop: {found.reason}.{most}{lacking}"
    )


def truncation_lines(found: Sequence[Truncated]) -> list[str]:
    """Where one contributor's synthetic rows stop as lines of plain text."""
    return ["Where its synthetic rows stop:", *(f"  {truncation_sentence(one)}" for one in found)] if found else []


def _rank(rank: float) -> str:
    return count(max(1, round(rank)))


def _two_places(number: float) -> str:
    return fixed(number, 2)


def _span(low: float | None, high: float | None, shown: Callable[[float], str]) -> str:
    if low is None or high is None:
        return ""
    return f" ({shown(low)} to {shown(high)})"
