"""Deliveries in words: what was decided, of whom, and by which numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixval.config.policy import Action
from mixval.contracts.gate_run import DeliveryOutcome, GateRunSummary
from mixval.contracts.ingestion import Decision, Measured, Quantity
from mixval.publish.names import visible
from mixval.publish.numerals import MINUS, count, counted, decimals_for, fixed, signed

DONE: dict[Action, str] = {"accept": "accepted", "quarantine": "quarantined", "reject": "rejected"}
"""What has become of a delivery."""
SHOWN: tuple[Action, ...] = ("accept", "quarantine", "reject")
"""The order in which outcomes are counted."""


@dataclass(frozen=True)
class Line:
    """One delivery as every table shows it."""

    action: Action
    done: str
    """In a word, `accepted`; what would have been done in shadow mode is `would be accepted`."""
    contributor: str
    file: str
    key: str
    rows: str
    value: str
    """Marginal value; a dash where it cannot be said."""
    interval: str
    rule: str
    sentence: str
    when: str
    """`now`, or the day of an earlier decision that stands."""


def lines(outcomes: Sequence[DeliveryOutcome]) -> list[Line]:
    """One line a delivery, in the given order; names are as the data spells them, made visible."""
    decimals = value_decimals([one.decision for one in outcomes])
    return [line_of(one.decision, decimals, one.is_new) for one in outcomes]


def line_of(decision: Decision, decimals: int, is_new: bool = True) -> Line:
    """The line of a decision, with so many decimals of its value."""
    value = marginal_value(decision)
    done = DONE[decision.action]
    return Line(
        action=decision.action,
        done=f"would be {done}" if decision.shadow else done,
        contributor=visible(decision.contributor),
        file=visible(decision.name),
        key=decision.digest[:16],
        rows=count(decision.measured.n_rows),
        value="–" if value is None or value.value is None else signed(value.value, decimals),
        interval=interval_words(value, decimals),
        rule=visible(decision.rule),
        sentence=visible(decision.sentence),
        when="now" if is_new else decision.decided[:10],
    )


def marginal_value(decision: Decision) -> Quantity | None:
    """The marginal value that was decided by; None where none was measured."""
    return decision.measured.quantities.get("marginal-value")


def value_unit(decisions: Sequence[Decision]) -> str:
    """Of the marginal values of one gate: nats, or of causal models a score."""
    return "score" if any(one.measured.unit == "score" for one in decisions) else "nats"


def value_decimals(decisions: Sequence[Decision]) -> int:
    """Decimals that show differences between these values and their intervals."""
    known = [marginal_value(one) for one in decisions]
    return decimals_for([number for one in known if one is not None for number in (one.value, one.low, one.high)])


def interval_words(value: Quantity | None, decimals: int) -> str:
    """`-0.01 to 0.02`, or a dash."""
    if value is None or value.low is None or value.high is None:
        return "–"
    return f"{fixed(value.low, decimals)} to {fixed(value.high, decimals)}"


def headline(outcomes: Sequence[DeliveryOutcome], failed: int, n_appended: int, shadow: bool) -> str:
    """How many deliveries were accepted, wait, and were rejected; and the rows that entered."""
    if not outcomes and not failed:
        return "Nothing lies in the inbox."
    counts = {action: sum(one.action == action for one in outcomes) for action in SHOWN}
    would = "would be " if shadow else ""
    said = [f"{counts[action]} {would}{DONE[action]}" for action in SHOWN if counts[action]]
    said += [f"{failed} not decided"] if failed else []
    total = counted(len(outcomes) + failed, "delivery").replace("deliverys", "deliveries")
    rows = "nothing was changed" if shadow else f"{counted(n_appended, 'row')} entered the table"
    return f"{total}: {', '.join(said)}; {rows}."


def exit_words(summary: GateRunSummary) -> str:
    """Why the exit code is what it is, where it is not 0."""
    waiting, refused = summary.count("quarantine"), sum(one.stays_out and one.action == "reject" for one in summary.deliveries)
    said = [f"{waiting} in quarantine"] if waiting else []
    said += [f"{refused} rejected"] if refused else []
    said += [f"{len(summary.failed)} not decided"] if summary.failed else []
    return f"Exit code {summary.exit_code}: {', '.join(said)}." if said else ""


def measured_words(measured: Measured) -> list[str]:
    """All that was measured of a delivery: a line a quantity, then what its real and its synthetic rows add, then notes."""
    said = [quantity_words(name, found) for name, found in measured.quantities.items()]
    for part, found in measured.parts.items():
        said.append(quantity_words(f"marginal value of its {part} rows ({found.n_rows:,})", found.given_holdings))
        if len(measured.parts) > 1:
            said.append(quantity_words("the same given its other rows", found.given_rest))
    return [visible(words) for words in (*said, *measured.notes)]


def quantity_words(name: str, found: Quantity) -> str:
    """`marginal-value -0.026 (-0.047 to -0.006)`, or why it is not known."""
    if found.value is None:
        return f"{name}: not known{f', {found.why_unknown}' if found.why_unknown else ''}"
    known = f"{found.value:.4g}".replace("-", MINUS)
    if found.low is None or found.high is None or found.low == found.high:
        return f"{name}: {known}"
    ends = " to ".join(f"{end:.4g}".replace("-", MINUS) for end in (found.low, found.high))
    return f"{name}: {known} ({ends})"
