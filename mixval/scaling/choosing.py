"""Which law and which Huber delta: those whose fits to smaller runs predict larger runs best (`folds.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixval.errors import ContractError
from mixval.scaling.fitting import around, few_starts, fit_law
from mixval.scaling.folds import rolling_folds
from mixval.scaling.laws import LAWS, Floats, Law

DELTAS = (np.inf, 1e-2, 3e-3, 1e-3)
"""Of log loss. The last is that of Hoffmann et al. 2022; infinity is least squares."""
CLEARLY = 0.95
"""A candidate later in the list must err less than this share of the best before it: the simpler one wins a draw."""
Table = tuple[dict[str, Floats], Floats]
"""Columns (n,) each, and losses (n,)."""


@dataclass(frozen=True)
class Candidate:
    """A law and a delta with their rolling validation."""

    law: Law
    delta: float
    errors: dict[str, float]
    """Mean absolute relative error along each axis, over mixtures and folds; empty where all have too few runs to roll."""

    @property
    def mean_error(self) -> float:
        """Over axes; infinite where nothing was rolled."""
        return float(np.mean(list(self.errors.values()))) if self.errors else np.inf


def laws_for(columns: dict[str, Floats]) -> tuple[str, ...]:
    """The laws that such a table can be fitted to, the simpler first."""
    if "unique_tokens" in columns and "params" in columns:
        return ("joint", "repeated", "overfit")
    if "params" in columns and "tokens" in columns:
        return ("joint", "kaplan", "coupled")
    return ("data",) if "tokens" in columns else ("size",)


def choose(laws: Sequence[str], tables: Sequence[Table], deltas: Sequence[float] = DELTAS) -> list[Candidate]:
    """All candidates, the chosen one first: one law and delta for all tables, so that their curves compare.

    A fold that leaves a law no spare run does not judge it. A law that is judged along fewer axes than another is not chosen,
    and where nothing is judged the first law is, with the first delta. Raises ContractError where the tables have too few runs
    for all laws.
    """
    least = min(len(losses) for _, losses in tables)
    able = [name for name in laws if LAWS[name].n_fitted < least]
    if not able:
        first = LAWS[laws[0]]
        raise ContractError(
            f"law {first.name}: expected more than {first.n_fitted} runs a mixture, one for each fitted number and one to "
            f"judge by, found {least}. Add runs."
        )
    found = [one for law in able for one in _judged(LAWS[law], deltas, tables)]
    n_axes = max(len(one.errors) for one in found)
    best = found[0]
    for one in found[1:]:
        if len(one.errors) == n_axes and (len(best.errors) < n_axes or one.mean_error < CLEARLY * best.mean_error):
            best = one
    return [best, *(one for one in found if one is not best)]


def _judged(law: Law, deltas: Sequence[float], tables: Sequence[Table]) -> list[Candidate]:
    by_delta: dict[float, dict[str, list[float]]] = {delta: {} for delta in deltas}
    for columns, losses in tables:
        for fold in rolling_folds(columns):
            if fold.fitted.sum() <= law.n_fitted:
                continue
            small, large = part(columns, fold.fitted), part(columns, fold.predicted)
            plain = fit_law(law, small, losses[fold.fitted], begun=few_starts(law))
            for delta in deltas:
                fit = plain if np.isinf(delta) else fit_law(law, small, losses[fold.fitted], delta, around(plain))
                off = np.abs(fit.predict(large) / losses[fold.predicted] - 1)
                by_delta[delta].setdefault(fold.axis, []).append(float(off.mean()))
    return [
        Candidate(law, delta, {axis: float(np.mean(errors)) for axis, errors in by_axis.items()})
        for delta, by_axis in by_delta.items()
    ]


def part(columns: dict[str, Floats], kept: np.typing.NDArray[np.bool_]) -> dict[str, Floats]:
    """The columns of these runs."""
    return {name: values[kept] for name, values in columns.items()}
