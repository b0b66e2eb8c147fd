"""What a batch is worth given the holdings, with everything else that a policy compares.

Rows that the table holds already add nothing: otherwise copies of it would, since training on a row twice heeds it more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

from mixval.config.policy import QuantityName, ValueName
from mixval.config.sample import SampleConfig
from mixval.contracts.ingestion import Measured, PartValue, Quantity
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.parts import REAL
from mixval.errors import NumericalError
from mixval.stages.drift import drift_of
from mixval.stages.held_batches import Batch
from mixval.stages.holdings import Holdings
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import multipliers
from mixval.stages.regression_coalitions import looked_at_each, regression_target
from mixval.stages.statistics_terms import FEWEST_DRAWN
from mixval.terms.replicates import Keys
from mixval.valuation.held_rows import LEAST_COMPARED, HeldRows
from mixval.valuation.marginal import Estimated, Marginal, marginal_of, missing_share, worth_of
from mixval.valuation.players import Player, player_of
from mixval.valuation.summed_rows import SampledSums

Quantities = dict[QuantityName, Quantity]
Untold = Literal["untold"]
UNTOLD: Untold = "untold"
UNREAD = "the backbone is made from a seed and has learnt no language: it hardly reads whether an answer fits its prompt"
UNREAD_ADVICE = (
    f"No delivery has a value, since {UNREAD}. No rule that compares a value holds, and what no other rule decides waits in "
    "quarantine. Take a pretrained model (`backbone.path`); `mixval init` names one."
)
NO_VALUE = "some of its rows are in the table, and too few of them can be looked up to tell which"


def measure_given(
    holdings: Holdings,
    batch: Batch,
    outcome: GateOutcome,
    target: MeasureJob,
    sample: SampleConfig,
    price: float | None = None,
) -> Measured:
    """What a policy compares, of a batch that the gate let in; `price` is the sum over its rows.

    `sample` is that of the valuation. Raises NumericalError where no value can be computed, such as for gradients that are all
    zero.
    """
    found, confidence = _marginal(holdings, batch, target), target.value.confidence
    quantities: Quantities = {
        "marginal-value": _unknown(NO_VALUE) if found is None else _quantity(found.marginal, confidence),
        "standalone-value": _unknown(NO_VALUE) if found is None else _quantity(found.standalone, confidence),
        "redundancy": _redundancy(found, confidence, is_first=not holdings.parts),
        "overlap-share": _overlap(holdings, batch, confidence),
        "drift": drift_of(holdings, batch, target, sample),
        **of_outcome(outcome),
    }
    quantities |= _rates(quantities["marginal-value"], batch, price)
    return Measured(
        quantities=quantities,
        table_version=holdings.version,
        n_rows=batch.n_rows,
        n_dropped=outcome.n_dropped,
        n_tokens=batch.n_tokens,
        price=price,
        parts={} if found is None else _part_values(found, batch, confidence),
        unit="score" if target.classes is None else "nats",
        notes=list(holdings.notes),
    )


def unread(measured: Measured) -> Measured:
    """The same without values: where the model hardly reads whether an answer fits its prompt they tell nothing, and a rule
    that compares one does not hold."""
    valued = {name: _unknown(UNREAD) for name in measured.quantities if name in get_args(ValueName)}
    return measured.model_copy(update={"quantities": measured.quantities | valued, "parts": {}})


def not_measured(
    outcome: GateOutcome, version: int | None, *, rejected: str | None = None, failed: str | None = None
) -> Measured:
    """What is known of a delivery that the gate rejects, or that could not be measured, with the reason."""
    return Measured(
        quantities=of_outcome(outcome),
        table_version=version,
        n_rows=outcome.n_real + outcome.n_synthetic,
        n_dropped=outcome.n_dropped,
        rejected=rejected,
        failed=failed,
    )


def of_outcome(outcome: GateOutcome) -> Quantities:
    """What the gate of rows counted."""
    n_rows = outcome.n_rows
    shares = {"duplicate-share": outcome.n_repeats, "dropped-share": outcome.n_dropped}
    found: Quantities = {"rows": _exactly(outcome.n_real + outcome.n_synthetic)}
    for name, count in shares.items():
        found[name] = _exactly(count / n_rows) if n_rows else _unknown("it has no rows")  # type: ignore[index]
    return found


def _marginal(holdings: Holdings, batch: Batch, target: MeasureJob) -> Marginal | None:
    """None where rows of the batch are held and too few of it can be looked up to tell which."""
    own, side, most = batch.parts(), regression_target(target), looked_at_each(target, 2)
    _require_drawn(batch, own)
    each = math.ceil(most / len(own))
    parts = {part: _player({part: one}, target, each) for part, one in own.items()}
    held, added = _player(holdings.parts, target, most) if holdings.parts else None, None
    if held is not None and holdings.rows.told(batch.rows.keys)[1].any():
        new = {part: new_rows(one, batch.kept[part], holdings.rows) for part, one in own.items()}
        if UNTOLD in new.values():
            return None
        added = {part: _player({part: one}, target, each) for part, one in new.items() if isinstance(one, SampledSums)}
    known = holdings.known
    if held is not None and known.worth is None and known.union is not None:
        known.worth = worth_of(known.union, held, side)
    found = marginal_of(held, parts, side, added, known.worth)
    known.worth, known.union = found.before, None  # batches that come one after another are valued against the same
    known.with_batch = None if added is not None or found.union is None else (batch.name, found.union)
    return found


def _require_drawn(batch: Batch, own: Mapping[str, SampledSums]) -> None:
    for part, n in batch.n_by_part.items():
        drawn = own[part].measured if part in own else 0
        if drawn < min(n, FEWEST_DRAWN):
            raise NumericalError(
                f"expected at least {min(n, FEWEST_DRAWN)} of its {n:,} {part} rows to be drawn and measured, found {drawn}. "
                "Raise `sample.fraction`, or set no `sample`."
            )


def new_rows(part: SampledSums, content: Keys, held: HeldRows) -> SampledSums | Untold | None:
    """A part's rows that are not held, from those that are kept, of which `content` (M,) are the keys.

    None where all are held; `UNTOLD` where too few can be looked up to tell.
    """
    known, is_held = held.told(content)
    n_known = int(known.sum())
    if n_known == 0 or (n_known < LEAST_COMPARED and n_known < part.measured):
        return UNTOLD
    new = known & ~is_held
    n_new = int(new.sum())
    return part.of_kept(new, max(n_new, round(part.admitted * n_new / n_known))) if n_new else None


def _player(parts: Mapping[str, SampledSums], target: MeasureJob, most: int) -> Player:
    drawn = (lambda keys: multipliers(target, keys)) if target.value.replicates else None
    return player_of(list(parts.values()), [part == REAL for part in parts], most, drawn)


def _quantity(found: Estimated, confidence: float) -> Quantity:
    if not math.isfinite(found.value):
        return _unknown("its estimate is no number")
    low, high = found.ends(confidence)
    return Quantity(value=found.value, low=low, high=high)


def _redundancy(found: Marginal | None, confidence: float, *, is_first: bool) -> Quantity:
    if found is None:
        return _unknown(NO_VALUE)
    if is_first:
        return _exactly(0.0)
    share = missing_share(found.marginal, found.standalone, confidence)
    if share is None:
        return _unknown("by itself it is not told from worth nothing, so that there is no share to speak of")
    return Quantity(value=share[0], low=share[1], high=share[2])


def _overlap(holdings: Holdings, batch: Batch, confidence: float) -> Quantity:
    if not holdings.parts:
        return _exactly(0.0)
    found = holdings.rows.share_of(batch.rows.keys, confidence)
    if found is None:
        return _unknown("too few of its rows are among the share of the table's rows that is kept for comparison")
    return Quantity(value=found.share, low=found.low, high=found.high)


def _rates(marginal: Quantity, batch: Batch, price: float | None) -> Quantities:
    no_tokens = "rows of this task have no answer tokens" if batch.n_tokens is None else "it has no answer tokens"
    no_price = "no price was given" if price is None else f"its rows cost {price:g} together"
    return {
        "marginal-value-per-row": _over(marginal, batch.n_rows, "it has no rows"),
        "marginal-value-per-token": _over(marginal, batch.n_tokens, no_tokens),
        "marginal-value-per-price": _over(marginal, price, no_price),
    }


def _over(marginal: Quantity, units: float | None, why: str) -> Quantity:
    if units is None or not units > 0 or marginal.value is None:
        return _unknown(marginal.why_unknown or why)
    low, high = (None if end is None else end / units for end in (marginal.low, marginal.high))
    return Quantity(value=marginal.value / units, low=low, high=high)


def _part_values(found: Marginal, batch: Batch, confidence: float) -> dict[str, PartValue]:
    return {
        part: PartValue(
            n_rows=batch.n_by_part[part],
            given_holdings=_quantity(found.given_held[part], confidence),
            given_rest=_quantity(found.given_rest[part], confidence),
        )
        for part in found.given_held
    }


def _exactly(value: float) -> Quantity:
    return Quantity(value=value, low=value, high=value)


def _unknown(why: str) -> Quantity:
    return Quantity(value=None, why_unknown=why)
