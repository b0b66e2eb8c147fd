"""How often intervals hold what is true, as a table: `generate_figures.py` writes it into docs/method.md."""

from __future__ import annotations

from collections.abc import Sequence

from docs.engine_tables import Figure, cell

PREFIX, WORST = "coverage/", ", worst setting"
WORDS = {
    "value": "regression value, exact",
    "value-sketched": "regression value, sketched",
    "value-rows-read": "regression value of all rows read (`value.rows: read`)",
    "value-contributors-part": "regression value by contributors' rows alone, under one target",
    "difference": "difference of two contributors' values, which decides ties",
    "union": "value of two contributors together",
    "leave-one-out": "what one of them adds to the other",
    "mixture": "value of both, one's rows counted three times",
    "mixture-gain": "what counting them three times gains",
    "gain": "gain of a causal LM",
    "gain-penalised": "gain of a causal LM, penalised",
    "discrepancy": "discrepancy, exact",
    "discrepancy-random-features": "discrepancy, random features",
    "loss": "loss",
    "ntk": "NTK term",
}


def coverage_table(figures: Sequence[Figure]) -> str:
    """A line a quantity: mean and worst over the settings. Raises KeyError for one without words, or without its worst."""
    by_name = {cell(one["name"]).removeprefix(PREFIX): one["figure"] for one in figures}
    means = {name for name in by_name if not name.endswith(WORST)}
    if unknown := means - WORDS.keys():
        raise KeyError(f"docs/coverage_table.py: expected words for {', '.join(sorted(unknown))}. Add them.")
    shown = [(words, by_name[name], by_name[name + WORST]) for name, words in WORDS.items() if name in means]
    lines = [f"| {words} | {mean:.3f} | {worst:.3f} |" for words, mean, worst in shown]
    return "\n".join(["| interval of | mean over settings | worst setting |", "| --- | --- | --- |", *lines])
