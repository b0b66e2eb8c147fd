"""What a table of runs must be before a law is fitted to it, and what makes one suspicious."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mixval.errors import ContractError
from mixval.scaling.laws import Floats
from mixval.scaling.runs import SHOWN, Runs

UNIT_GAP = 1e4
"""Two neighbouring values of a column this far apart are of two units: no table of runs leaves out four orders of magnitude."""
LEAST_SIZES = 3
"""Distinct values of an input that an exponent and an asymptote need."""
WORDS = {"params": "model size", "tokens": "amount of data", "unique_tokens": "amount of unique data"}
OPTIONS = {"params": "--params", "tokens": "--data", "unique_tokens": "--unique"}


def check_runs(runs: Runs) -> list[str]:
    """Warnings of one mixture's runs, in words. Raises ContractError for runs that no law can be fitted to."""
    _check_units(runs)
    _check_duplicates(runs)
    _check_levels(runs)
    return _rising(runs)


def _check_units(runs: Runs) -> None:
    for name, values in (*runs.columns.items(), ("loss", runs.losses)):
        levels = np.unique(values)
        gaps = levels[1:] / levels[:-1]
        if len(gaps) and gaps.max() >= UNIT_GAP:
            at = int(np.argmax(gaps))
            raise ContractError(
                f"{runs.mixture}: expected one unit for {WORDS.get(name, name)}, found {levels[at]:g} and, as the next larger "
                f"value, {levels[at + 1]:g}. Write all of them in one unit."
            )
    if "unique_tokens" in runs.columns and np.any(runs.columns["unique_tokens"] > runs.columns["tokens"] * 1.001):
        raise ContractError(f"{runs.mixture}: expected no more unique tokens than training tokens, found more. Check both.")


def _check_duplicates(runs: Runs) -> None:
    rows = np.stack([*runs.columns.values(), runs.losses], axis=1)
    _, first, places = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    repeated = [int(at) for at, place in enumerate(places.ravel()) if first[place] != at]
    if repeated:
        pairs = [f"{runs.lines[at]} (as {runs.lines[first[places.ravel()[at]]]})" for at in repeated]
        more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
        raise ContractError(
            f"{runs.mixture}: expected each run once, found the same inputs and loss again in line {', '.join(pairs[:SHOWN])}"
            f"{more}. Remove the copies; repetitions of a run have losses of their own."
        )


def _check_levels(runs: Runs) -> None:
    for name, values in runs.columns.items():
        levels = len(np.unique(values))
        if levels >= LEAST_SIZES or name == "unique_tokens":
            continue
        advice = f"Leave {OPTIONS[name]} out, or add runs." if len(runs.columns) > 1 else "Add runs."
        raise ContractError(
            f"{runs.mixture}: expected at least {LEAST_SIZES} values of {WORDS[name]} for an exponent and an asymptote, found "
            f"{levels}. {advice}"
        )


def _rising(runs: Runs) -> list[str]:
    """Raises where most of the steps to more data, or to larger models, raise the loss; warns where some do."""
    warnings = []
    for name in ("tokens", "params"):
        if name not in runs.columns or "unique_tokens" in runs.columns:
            continue  # repeated data may raise a loss
        others = [values for other, values in runs.columns.items() if other != name]
        steps = _steps(runs.columns[name], others, runs.losses)
        up = [step for step in steps if step > 0]
        if len(up) * 2 > len(steps):
            raise ContractError(
                f"{runs.mixture}: expected a loss that falls with the {WORDS[name]}, found that it rises in {len(up)} of "
                f"{len(steps)} steps. Check that the column is a loss, not an accuracy, and that the columns are not swapped."
            )
        if up:
            warnings.append(
                f"{runs.mixture}: the loss rises with the {WORDS[name]} in {len(up)} of {len(steps)} steps, by up to "
                f"{max(up):.2%}"
            )
    return warnings


def _steps(values: Floats, others: Sequence[Floats], losses: Floats) -> list[float]:
    """Relative change of the mean loss at each step to the next larger value, all others equal."""
    groups: dict[tuple[float, ...], list[int]] = {}
    for at, key in enumerate(zip(*others, strict=True) if others else [()] * len(values)):
        groups.setdefault(tuple(key), []).append(at)
    steps: list[float] = []
    for own in groups.values():
        levels = np.unique(values[own])
        means = [float(losses[own][values[own] == level].mean()) for level in levels]
        steps += [after / before - 1 for before, after in pairwise(means)]
    return steps
