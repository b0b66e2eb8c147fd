"""What a ranking's values are, in words: Eq. 8's score, or what regression on the tangent kernel predicts for T, in nats."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mixval.contracts.results import VALUE_KINDS
from mixval.errors import ContractError


@dataclass(frozen=True)
class ValueKind:
    """Words for one kind of value; higher is better for each."""

    head: str
    """Of a column."""
    axis: str
    """Of a chart."""
    meaning: str
    """A sentence."""
    adds_terms: bool
    """Whether the value is the sum of Eq. 8's weighted terms, which else are shown beside it."""
    source: str
    """Where the formula comes from."""
    of_coalitions: str = ""
    """How coalitions are valued, where that is another way."""


EQ_8, CROSS_ENTROPY, GAIN, TRAINED_GAIN = VALUE_KINDS
_REGRESSION = "ridge regression on the tangent kernel of the initial model"
_KINDS = {
    EQ_8: ValueKind(
        "value",
        "value (higher is better)",
        "It compares contributors of this run and has no meaning alone.",
        adds_terms=True,
        source="Eq. 8 of arXiv 2511.13640",
    ),
    CROSS_ENTROPY: ValueKind(
        "value (nats)",
        "minus the cross-entropy on the target, nats (higher is better)",
        "It is minus the cross-entropy, in nats a row, with which the target would be classified after training on the "
        "contributor's measured rows, linearised at the initial model. Guessing gives minus the logarithm of the number of "
        "classes.",
        adds_terms=False,
        source=_REGRESSION,
    ),
    GAIN: ValueKind(
        "value (nats)",
        "gain in log-probability of the target, nats (higher is better)",
        "It is the gain in mean log-probability of the target's answer tokens, in nats a token, that training on the "
        "contributor's measured rows would bring, linearised at the initial model. No training brings 0.",
        adds_terms=False,
        source=_REGRESSION,
    ),
    TRAINED_GAIN: ValueKind(
        "value (nats)",
        "gain of a training on the target, nats (higher is better)",
        "It is the gain in mean log-probability of the target's answer tokens, in nats a token, that training on the "
        "contributor's measured rows would bring, linearised at the initial model, less what the way costs: half of what "
        "this run's average contributor gains by a step of that length. No training brings 0.",
        adds_terms=False,
        source=_REGRESSION,
        of_coalitions="Coalitions, and contributors alone among them, are valued by the gain to first order, at no cost of the "
        "way.",
    ),
}


def kind_of(ranking: pa.Table) -> ValueKind:
    """What the values of a ranking are; Eq. 8's where nobody was ranked. Raises ContractError for several or unknown kinds."""
    named = sorted(set(ranking["value_kind"].to_pylist())) or [EQ_8]
    if len(named) > 1 or named[0] not in _KINDS:
        raise ContractError(f"ranking: expected one value_kind of {', '.join(_KINDS)}, found {', '.join(named)}. Run again.")
    return _KINDS[named[0]]
