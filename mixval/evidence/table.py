"""The comparison as lines of text: every method over every world, and the cases in which ours loses."""

from __future__ import annotations

from mixval.evidence.bootstrap import Interval
from mixval.evidence.comparison import Comparison, MethodSummary
from mixval.publish.names import visible
from mixval.publish.numerals import fixed, seconds, size

DECIMALS = 2


def spread(found: Interval | None) -> str:
    """`0.81 [0.62, 0.90]`, or a dash."""
    if found is None:
        return "–"
    value, low, high = (fixed(number, DECIMALS) for number in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def p_words(p: float) -> str:
    """`0.034`, or `<0.001`."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def table_text(comparison: Comparison) -> str:
    """Spearman with its interval by world and in the mean, ours less the rival's, Holm's p, and what it cost; best first.

    Of a single world there is no mean.
    """
    worlds = [visible(world) for world in comparison.worlds]
    means = ["mean", "worlds"] if len(worlds) > 1 else []
    head = ["method", *worlds, *means, "ours less this", "p (Holm)", "seconds", "memory", "needs"]
    lines = [head, *(_cells(comparison, one) for one in comparison.methods)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    ceilings = ", ".join(f"{visible(world)} {fixed(found, DECIMALS)}" for world, found in comparison.ceilings.items())
    return "\n".join([*rows, f"ceiling: {ceilings}", *losses_text(comparison)])


def losses_text(comparison: Comparison) -> list[str]:
    """One line for each world and rival where the rival is ahead."""
    lost = comparison.losses
    if not lost:
        return [f"{comparison.ours} is ahead of, or level with, every rival in every world"]
    lines = [f"{comparison.ours} is behind:"]
    for world, rival in lost:
        found = rival.against_ours_by_world[world]
        lines.append(f"  {visible(world)}: {rival.method} {spread(rival.by_world[world])}, p (Holm) {p_words(found.p_holm)}")
    return lines


def _cells(comparison: Comparison, one: MethodSummary) -> list[str]:
    found = one.against_ours
    return [
        one.method + (" *" if one.method == comparison.ours else ""),
        *(spread(one.by_world.get(world)) for world in comparison.worlds),
        *([spread(one.mean), str(len(one.by_world))] if len(comparison.worlds) > 1 else []),
        spread(None if found is None else found.gain),
        "–" if found is None else p_words(found.p_holm),
        seconds(one.seconds),
        size(one.peak_bytes),
        ", ".join(one.needs) or "rows alone",
    ]
