"""The table of figures in README.md, from what the benchmark measured: `python -m docs.generate_figures`.

`benchmarks/results/main_job.json` is a list of figures, each with its target, command, commit, machine and date. No figure is
written by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.marked import rewrite

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results" / "main_job.json"
COLUMNS = ("name", "figure", "target", "command", "commit", "machine", "date")
HEADER = "| what | measured | target | how |\n| --- | --- | --- | --- |"
NOT_MEASURED = "Not filled in yet: `make figures` measures, and `python -m docs.generate_figures` writes the table here."


def table(results: Path = RESULTS) -> str:
    """The figures as Markdown; a sentence when none are recorded. Raises ValueError for a figure that is not whole."""
    if not results.exists():
        return NOT_MEASURED
    figures = json.loads(results.read_text(encoding="utf-8"))
    for figure in figures:
        if missing := [column for column in COLUMNS if not str(figure.get(column, "")).strip()]:
            raise ValueError(
                f"{results.name}: figure {figure.get('name')!r}: expected {', '.join(COLUMNS)}, found no {missing}"
            )
    rows = [f"| {' | '.join(_cell(one, column) for column in COLUMNS[:3])} | `{one['command']}` |" for one in figures]
    return "\n".join([HEADER, *rows, "", *_provenance(figures)])


def _cell(figure: dict[str, Any], column: str) -> str:
    return " ".join(str(figure[column]).split()).replace("|", "\\|")


def _provenance(figures: list[dict[str, Any]]) -> list[str]:
    """Where and when, once a combination."""
    found = dict.fromkeys((_cell(one, "machine"), _cell(one, "commit"), _cell(one, "date")) for one in figures)
    return [f"Measured on {machine}; commit `{commit}`, {date}." for machine, commit, date in found]


if __name__ == "__main__":
    rewrite(README, "figures", table())
