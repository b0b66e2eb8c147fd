"""What real and synthetic rows of a contributor are worth, alone and together, and at which weight they are best mixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.results import CANNOT_SAY, LEAVE, TAKE
from mixval.publish.names import listed
from mixval.publish.numerals import compact, counted, decimals_for, fixed, percent, signed
from mixval.publish.ranking import interval_words
from mixval.publish.results import ValuationResults
from mixval.publish.share_worth import ShareWorth

OTHER = {REAL: SYNTHETIC, SYNTHETIC: REAL}


class PartWorth(ShareWorth):
    """One part of a contributor's rows, or both: a row of parts.parquet."""

    part: str


class MixtureWorth(FrozenModel):
    """Rows with the synthetic ones at one weight: a row of mixture.parquet."""

    copies: float
    weight: float
    synthetic_share: float
    value: float
    value_low: float | None
    value_high: float | None
    below_best: float
    """What this weight costs against the best one for these copies."""
    below_best_low: float | None
    below_best_high: float | None
    is_extrapolated: bool


class BestMixture(FrozenModel):
    """The best weight of the synthetic rows: a row of mixture_best.parquet."""

    copies: float
    weight: float
    weight_low: float | None
    weight_high: float | None
    synthetic_share: float
    synthetic_share_low: float | None
    synthetic_share_high: float | None
    is_at_end: bool
    value: float
    gain: float
    """Over weight 1."""
    gain_low: float | None
    gain_high: float | None
    is_extrapolated: bool


class PartValues(FrozenModel):
    """Values of a contributor's parts, or of those of all ranked contributors together. Higher is better."""

    parts: list[PartWorth]
    """Real, synthetic, both: those that have rows."""
    best: list[BestMixture] = Field(default_factory=list)
    """By copies, fewest first; empty where there is one part."""
    curve: list[MixtureWorth] = Field(default_factory=list)
    """By copies 1, then others, and weight."""

    def part(self, name: str) -> PartWorth | None:
        """The part of this name. None where it has no rows."""
        return next((one for one in self.parts if one.part == name), None)

    @property
    def has_both(self) -> bool:
        """Whether what a part adds has a value."""
        return any(one.adds is not None for one in self.parts)

    @property
    def as_it_is(self) -> BestMixture | None:
        """The best weight for the rows that are there. None where it is not known."""
        return next((one for one in self.best if one.copies == 1), None)


def part_values(
    contributor: str | None,  # None: of all together
    parts: pa.Table | None,  # PARTS_TABLE
    mixture: pa.Table | None,  # MIXTURE
    mixture_best: pa.Table | None,  # MIXTURE_BEST
) -> PartValues | None:
    """The values of one contributor's parts. None where the run has none of it."""
    if parts is None or mixture is None or mixture_best is None:
        return None
    own, curve, best = (
        [row for row in table.to_pylist() if row["contributor"] == contributor] for table in (parts, mixture, mixture_best)
    )
    if not own:
        return None
    return PartValues(
        parts=[PartWorth(**{name: row[name] for name in PartWorth.model_fields}) for row in own],
        best=[BestMixture(**{name: row[name] for name in BestMixture.model_fields}) for row in best],
        curve=[MixtureWorth(**{name: row[name] for name in MixtureWorth.model_fields}) for row in curve],
    )


def adds_decimals(values: Sequence[PartValues], value_decimals: int) -> int:
    """Decimals for what parts add, no fewer than values have."""
    return max(value_decimals, decimals_for([one.adds for value in values for one in value.parts if one.adds is not None]))


def part_sentence(values: PartValues, part: str, decimals: int, is_together: bool = False) -> str:
    """Whether one part is better in or out, beside the other. Empty where there is no other."""
    found = values.part(part)
    if found is None or found.adds is None:
        return ""
    whose, others = ("The", f"the {OTHER[part]} ones") if is_together else ("Its", f"its {OTHER[part]} ones")
    rows = f"{part} rows of all together" if is_together else f"{part} rows"
    span = interval_words(found.adds_low, found.adds_high, decimals)
    number = f"{signed(found.adds, decimals)}" + ("" if found.adds_low is None else f", {span}")
    if found.verdict in (None, CANNOT_SAY):
        return f"Whether {whose.lower()} {rows} add anything to {others} cannot be said: {number}."
    if found.verdict == TAKE:
        return f"{whose} {rows} add to {others}: {number}."
    if found.adds_high is not None and found.adds_high < 0:
        return f"{whose} {rows} would be better left out: {number}."
    return f"{whose} {rows} add nothing to speak of to {others}: {number}."


def weight_sentence(values: PartValues, decimals: int, is_together: bool = False) -> str:
    """At which weight the synthetic rows are best counted, and what that gains. Empty where it is not known."""
    if (best := values.as_it_is) is None:
        return ""
    whose = "The synthetic rows of all together" if is_together else "Its synthetic rows"
    at = f"{compact(best.weight)}" + _range(best.weight_low, best.weight_high, compact)
    share = f"{percent(best.synthetic_share)} synthetic" + _range(best.synthetic_share_low, best.synthetic_share_high, percent)
    more = ", the highest weight that was looked at" if best.is_at_end else ""
    if best.weight == 1:
        return f"{whose} are best counted as they are ({share}): no other weight from 0 to 4 has a higher value."
    gain = f"{fixed(best.gain, decimals)}" + _range(best.gain_low, best.gain_high, lambda end: fixed(end, decimals))
    if best.gain_low is None or best.gain_low <= 0:
        return (
            f"{whose} have the highest value at weight {at}{more}: {share}. Whether that is better than weight 1 cannot be "
            f"said: a gain of {gain}."
        )
    words = f"left out: weight {at}" if best.weight == 0 else f"counted at weight {at}{more}: {share}"
    return f"{whose} are best {words}. That gains {gain} over weight 1."


def cost_sentence(values: PartValues, decimals: int) -> str:
    """What a wrong weight costs. Empty where the curve is not known."""
    ends = [one for one in values.curve if one.copies == 1 and one.weight in (0.0, 1.0, 4.0) and one.below_best > 0]
    if not ends:
        return ""
    costs = [
        f"weight {compact(one.weight)} costs {fixed(one.below_best, decimals)}"
        + _range(one.below_best_low, one.below_best_high, lambda end: fixed(end, decimals))
        for one in ends
    ]
    words = costs[0] if len(costs) == 1 else f"{', '.join(costs[:-1])} and {costs[-1]}"
    return f"Against the best weight, {words}."


def budget_sentence(values: PartValues) -> str:
    """The best weights for other numbers of rows. Empty where they are not known."""
    others = [one for one in values.best if one.copies != 1]
    if not others:
        return ""
    told = [
        f"{compact(one.weight)} for {_times(one.copies)} the rows{' (beyond the data)' if one.is_extrapolated else ''}"
        for one in others
    ]
    return f"The best weight by number of rows: {', '.join(told)}."


def run_lines(run: ValuationResults, decimals: int) -> list[str]:
    """What a run says of real and synthetic rows: of all together, and whose synthetic rows would be better left out."""
    tables = (run.parts, run.mixture, run.mixture_best)
    if run.parts is None:
        return []
    together = part_values(None, *tables)
    lines = []
    if together is not None and together.has_both:
        places = adds_decimals([together], decimals)
        said = [part_sentence(together, SYNTHETIC, places, True), weight_sentence(together, places, True)]
        lines = [sentence for sentence in said if sentence]
    harmful = [
        row["contributor"]
        for row in run.parts.to_pylist()
        if row["contributor"] is not None and (row["part"], row["verdict"]) == (SYNTHETIC, LEAVE) and row["adds_high"] < 0
    ]
    return [*lines, f"Worth more without their synthetic rows: {listed(harmful)}."] if harmful else lines


def part_lines(values: PartValues, decimals: int) -> list[str]:
    """The values of one contributor's parts as lines of plain text."""
    if not values.has_both:
        return []
    places = adds_decimals([values], decimals)
    width = max(len(one.part) for one in values.parts)
    lines = ["By real and synthetic rows:"]
    for one in values.parts:
        worth = "unknown" if one.value is None else fixed(one.value, decimals)
        span = "" if one.value_low is None else f" ({interval_words(one.value_low, one.value_high, decimals)})"
        lines.append(f"  {one.part:<{width}}  {worth}{span}, {counted(one.n_rows, 'row')}")
    said = [part_sentence(values, part, places) for part in (SYNTHETIC, REAL)]
    said += [weight_sentence(values, places), cost_sentence(values, places), budget_sentence(values)]
    return [*lines, *(sentence for sentence in said if sentence)]


def _range(low: float | None, high: float | None, shown: Callable[[float], str]) -> str:
    if low is None or high is None or shown(low) == shown(high):
        return ""
    return f" ({shown(low)} to {shown(high)})"


def _times(copies: float) -> str:
    return f"{compact(copies)} times" if copies > 1 else f"1/{round(1 / copies)} of"
