"""Results of attacks as text: a line an attack, what it gains, what it is worth, and who notices."""

from __future__ import annotations

from benchmarks.evidence.attacks.results import AttackSummary, WorldAttacks, summaries
from mixval.publish.numerals import fixed, signed

RANK_DECIMALS, METRIC_DECIMALS = 1, 3


def attacks_text(result: WorldAttacks) -> str:
    """The table of one world."""
    titles = ["attack", *result.methods, "truth", "metric", "beside", "after gate", "after near", "works", "caught by"]
    lines = [titles, *(_line(result, one) for one in summaries(result))]
    widths = [max(len(line[at]) for line in lines) for at in range(len(titles))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    honest = ", ".join(f"{name} {share:.3f}" for name, share in result.honest_near.items())
    return "\n".join([*rows, f"near shares of honest contributors, at most: {honest}"])


def ranks(value: float | None) -> str:
    """Ranks gained; a dash for what is not known."""
    return "–" if value is None else signed(value, RANK_DECIMALS)


def metric(value: float | None) -> str:
    """A change of the test metric; a dash for what is not known."""
    return "–" if value is None else signed(value, METRIC_DECIMALS)


def verdict_words(one: AttackSummary) -> str:
    """Who notices; `nothing`, and which check would."""
    caught = ", ".join(one.caught_by) or "nothing"
    return f"{caught}; would be: {', '.join(one.would_catch)}" if one.would_catch else caught


def _line(result: WorldAttacks, one: AttackSummary) -> list[str]:
    score = f" ({fixed(one.score_before, METRIC_DECIMALS)} to {fixed(one.score_after, METRIC_DECIMALS)})"
    gains = [ranks(one.gains[method]) + (score if method == result.ours else "") for method in result.methods]
    after = "rejected" if one.after_gate is None else ranks(one.after_gate)
    truth = [ranks(one.truth_gain), metric(one.truth_change), metric(one.beside_change)]
    return [one.attack, *gains, *truth, after, ranks(one.after_near), "yes" if one.works else "no", verdict_words(one)]
