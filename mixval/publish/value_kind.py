"""Sentences about the values of a ranking: Eq. 8's score, or the prediction of NTK regression for T, in nats or as a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixval.contracts.results import EARLIER_KINDS, VALUE_KINDS
from mixval.errors import ContractError


@dataclass(frozen=True)
class ValueKind:
    """Texts about one kind of value. Higher is better for each kind."""

    head: str
    """Of a column."""
    axis: str
    """Of a chart."""
    meaning: str
    """A sentence."""
    adds_terms: bool
    """Whether the value is the sum of Eq. 8's weighted terms. If not, they are reported next to it."""
    source: str
    """Name or source of the formula."""
    of_coalitions: str = ""
    """How coalitions are valued, where that differs."""
    alone: str = "value alone"
    """Name of what a coalition of one contributor is worth."""
    unit: str = ""
    """Of differences; empty for a score, which is no amount of what training changes."""
    improves: str = ""
    """What good rows do, after `to`; empty where no rows have no value to compare with."""
    worsens: str = ""
    change: str = ""
    """Opens a difference from training on no rows, above 0 where that is an improvement."""
    caveat: str = ""
    """After a difference from training on no rows."""
    no_rows: str = "training on no rows"
    """What the verdict take means better than."""
    penalised: bool = False
    """Whether the value is a gain less a penalty."""

    @property
    def has_empty(self) -> bool:
        """Whether training on no rows has a value of this kind."""
        return bool(self.improves)


EQ_8, CROSS_ENTROPY, GAIN, TRAINED_GAIN = VALUE_KINDS
_REGRESSION = "ridge regression with the empirical NTK of the initial model"
_IMPROVES, _WORSENS = (f"{verb} the log-probability of the target's answers" for verb in ("raise", "lower"))
_AS_IT_IS = "leaving the model as it is"
_NO_FORECAST = " The number compares contributors and is no forecast of what training gains."
_KINDS = {
    EQ_8: ValueKind(
        "value",
        "value (higher is better)",
        "It compares contributors of this run; its absolute size has no meaning.",
        adds_terms=True,
        source="Eq. 8 of arXiv 2511.13640",
        alone="value as a coalition of one, bias of the sketch included",
    ),
    CROSS_ENTROPY: ValueKind(
        "value (nats)",
        "minus the cross-entropy on the target, nats (higher is better)",
        "It is minus the cross-entropy on the target, in nats per row, predicted for a model that is trained on the "
        "contributor's measured rows and linearised at its initial parameters. Uniform guessing gives minus the logarithm of "
        "the number of classes. Below that, training would do harm, by as much as the reversed predictions would gain.",
        adds_terms=False,
        source=_REGRESSION,
        unit="nats per row",
        improves="lower the loss on the target",
        worsens="raise the loss on the target",
        change="the predicted reduction of the loss on the target,",
    ),
    GAIN: ValueKind(
        "value (score)",
        "score of the gain in log-probability of the target (higher is better)",
        "It is a score, the gain in mean log-probability of the target's answer tokens predicted for a model that is trained "
        "on the contributor's measured rows and linearised at its initial parameters. No training gives 0." + _NO_FORECAST,
        adds_terms=False,
        source=_REGRESSION,
        improves=_IMPROVES,
        worsens=_WORSENS,
        caveat=_NO_FORECAST,
        no_rows=_AS_IT_IS,
        change="the score of the predicted gain in log-probability of the target's answers,",
    ),
    TRAINED_GAIN: ValueKind(
        "value (score)",
        "score of the penalised gain on the target (higher is better)",
        "It is a score, the gain in mean log-probability of the target's answer tokens predicted for a model that is trained "
        "on the contributor's measured rows and linearised at its initial parameters, less a displacement penalty: a quarter "
        "of what this run's average contributor gains by moving the parameters as far. No training gives 0." + _NO_FORECAST,
        adds_terms=False,
        source=_REGRESSION,
        improves=_IMPROVES,
        worsens=_WORSENS,
        caveat=_NO_FORECAST,
        no_rows=_AS_IT_IS,
        change="the score of the predicted gain less its displacement penalty,",
        penalised=True,
        alone="first-order gain alone, no penalty",
        of_coalitions="Coalitions, including those of one contributor, are valued by the first-order gain, without the "
        "displacement penalty.",
    ),
}


def kind_of(ranking: pa.Table) -> ValueKind:
    """The kind of a ranking's values; Eq. 8's for an empty ranking. Raises ContractError for several or unknown kinds."""
    named = sorted(set(ranking["value_kind"].to_pylist())) or [EQ_8]
    if len(named) > 1 or named[0] not in {*_KINDS, *EARLIER_KINDS}:
        raise ContractError(f"ranking: expected one value_kind of {', '.join(_KINDS)}, found {', '.join(named)}. Run again.")
    return _named(named[0])


def kind_of_row(row: dict[str, Any]) -> ValueKind:
    """The kind of a row's value. Raises KeyError for an unknown one."""
    return _named(row["value_kind"])


def _named(kind: str) -> ValueKind:
    return _KINDS[EARLIER_KINDS.get(kind, kind)]
