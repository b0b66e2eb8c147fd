"""Rows of an attacker that nearly repeat other rows by their prints (`mixval/gate/near.py`): rows of T and of others, which a
run reports, and earlier rows of its own, which no check of a run covers.

Letters: N rows; M rows of T; P of others; D numbers of a print.

`kept` marks what a gate could leave: of rows near each other the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mixval.config.gate import GateConfig
from mixval.config.tasks import Task
from mixval.errors import ContractError
from mixval.gate.derive import derive_rows
from mixval.gate.near import FACTORS, PrintedSet, closeness, printed_set
from mixval.terms.arrays import Masks

FACTOR = FACTORS[1]


@dataclass(frozen=True)
class NearRows:
    """Which rows of a contributor are near others."""

    target: Masks
    """(N,) near a row of T."""
    earlier: Masks
    """(N,) near an earlier row of the contributor."""
    others: Masks
    """(N,) near a row of another contributor."""

    @property
    def shares(self) -> dict[str, float]:
        """Share of rows by what they are near."""
        return {name: float(getattr(self, name).mean()) for name in ("target", "earlier", "others")}

    @property
    def kept(self) -> Masks:
        """(N,) rows that stay when those near T, or near an earlier own one, are dropped."""
        return ~(self.target | self.earlier)


def row_prints(table: pa.Table, task: Task) -> np.ndarray:  # (N, D)
    """The prints of a table's rows."""
    return np.stack(derive_rows(table, task, GateConfig(), None, has_prints=True).prints or [])


def near_rows(own: np.ndarray, of_target: np.ndarray, of_others: np.ndarray) -> NearRows:  # (N, D), (M, D), (P, D)
    """Which of a contributor's rows are near T's, its own earlier ones and others'. Raises ContractError for too few rows."""
    target, others = printed_set(of_target), printed_set(of_others)
    if target is None or others is None:
        raise ContractError("near rows need at least five distinct rows of T and of others. Take a larger world.")
    earlier = np.array(
        [at > 0 and bool(closeness(_at(target, own[:at]), own[at : at + 1])[0] <= FACTOR) for at in range(len(own))]
    )
    return NearRows(closeness(target, own) <= FACTOR, earlier, closeness(others, own) <= FACTOR)


def _at(held: PrintedSet, prints: np.ndarray) -> PrintedSet:
    """These rows as a set with the median reach of another one: of single rows none is known."""
    moved = np.asarray(prints, np.float32) - held.centre
    units = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
    return PrintedSet(held.centre, units, np.full(len(units), np.median(held.reach)), held.by_chance)
