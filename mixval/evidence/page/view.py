"""Words and cells of the evidence page, without any HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixval.evidence.bootstrap import Interval
from mixval.evidence.comparison import Comparison, MethodSummary
from mixval.evidence.comparison_statistics import STATISTICS
from mixval.evidence.results import WorldResult
from mixval.evidence.table import DECIMALS, p_words, spread
from mixval.publish.names import listed, visible
from mixval.publish.numerals import counted, fixed, seconds, signed, size

PANELS = 4
"""Methods whose scores are plotted in each world: ours, and the best rivals there."""


@dataclass(frozen=True)
class Cell:
    """A statistic as shown in a table."""

    value: str
    interval: str


@dataclass(frozen=True)
class MethodLine:
    """One row of the table of methods."""

    method: str
    is_ours: bool
    by_world: list[Cell]
    mean: Cell
    n_worlds: str
    gain: Cell
    p: str
    seconds: str
    memory: str
    needs: str


@dataclass(frozen=True)
class Loss:
    """A world in which a rival is ahead."""

    world: str
    rival: str
    ours: str
    theirs: str
    p: str


def cell(found: Interval | None, is_signed: bool = False) -> Cell:
    """The value, and its interval apart; dashes for unknown numbers."""
    if found is None:
        return Cell("–", "")
    value = signed(found.value, DECIMALS) if is_signed else fixed(found.value, DECIMALS)
    return Cell(value, f"{fixed(found.low, DECIMALS)} to {fixed(found.high, DECIMALS)}")


def method_lines(comparison: Comparison) -> list[MethodLine]:
    """The table of methods, the best mean first."""
    return [_line(comparison, one) for one in comparison.methods]


def losses(comparison: Comparison) -> list[Loss]:
    """Worlds in which a rival is ahead, the largest gap first."""
    ours = comparison.named(comparison.ours)
    return [
        Loss(
            visible(world),
            visible(rival.method),
            spread(ours.by_world[world]),
            spread(rival.by_world[world]),
            p_words(rival.against_ours_by_world[world].p_holm),
        )
        for world, rival in comparison.losses
    ]


def panels(comparison: Comparison, world: str) -> list[str]:
    """Ours, and the rivals with the highest Spearman in that world."""
    there = sorted((one for one in comparison.rivals if world in one.by_world), key=lambda one: -one.by_world[world].value)
    return [comparison.ours, *(one.method for one in there[: PANELS - 1])]


def headline(comparison: Comparison) -> tuple[str, str]:
    """The mean of ours, and of the best rival over all worlds."""
    ours = comparison.named(comparison.ours)
    worlds = counted(len(comparison.worlds), "world")
    first = f"{visible(ours.method)} orders contributors with a Spearman correlation of {spread(ours.mean)} over {worlds}"
    best = next((one for one in comparison.rivals if len(one.by_world) == len(comparison.worlds)), None)
    if best is None or best.against_ours is None:
        return first, "No rival has scores in every world."
    gain = best.against_ours
    n_rivals = counted(len(comparison.rivals), "rival")
    second = (
        f"The best rival in the mean, {visible(best.method)}, reaches {spread(best.mean)}; ours less the rival's is "
        f"{spread(gain.gain)}, p {p_words(gain.p_holm)} after Holm's correction over {n_rivals}."
    )
    return first, second


def world_lines(result: WorldResult) -> list[tuple[str, list[Cell]]]:
    """Each method of one world and its statistics in the order of `STATISTICS`, the best Spearman first."""
    ranked = sorted(result.methods, key=lambda one: (-one.statistics["spearman"].value, one.method))
    return [(visible(one.method), [cell(one.statistics[name]) for name in STATISTICS]) for one in ranked]


def world_words(result: WorldResult) -> str:
    """Task, contributors, seeds, ceiling, the cost of truth, and contributors without it."""
    n_seeds = len(next(iter(result.truth.values())))
    ceiling = "unknown" if result.ceiling is None else fixed(result.ceiling, DECIMALS)
    left_out = f" Left out, without a training result: {listed(result.without_truth)}." if result.without_truth else ""
    if result.without_value:
        left_out += f" Left out, without a value: {listed(list(result.without_value))}."
    return (
        f"{result.task}, {counted(len(result.truth), 'contributor')}, {counted(n_seeds, 'seed')} of truth in "
        f"{seconds(result.truth_seconds)}. Highest Spearman to be expected, as far as the seeds agree: {ceiling}.{left_out}"
    )


def world_notes(result: WorldResult) -> list[str]:
    """What scores depend on besides the world itself, method by method."""
    return [f"{visible(one.method)}: {visible(one.note)}." for one in result.methods if one.note]


def skipped(results: Sequence[WorldResult]) -> list[tuple[str, str, str]]:
    """(world, method, reason) of every method without scores."""
    return [(visible(r.world), visible(one.method), visible(one.reason)) for r in results for one in r.skipped]


def _line(comparison: Comparison, one: MethodSummary) -> MethodLine:
    found = one.against_ours
    return MethodLine(
        method=visible(one.method),
        is_ours=one.method == comparison.ours,
        by_world=[cell(one.by_world.get(world)) for world in comparison.worlds],
        mean=cell(one.mean),
        n_worlds=str(len(one.by_world)),
        gain=cell(None if found is None else found.gain, is_signed=True),
        p="–" if found is None else p_words(found.p_holm),
        seconds=seconds(one.seconds),
        memory=size(one.peak_bytes),
        needs=", ".join(one.needs) or "rows alone",
    )
