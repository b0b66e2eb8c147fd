"""What the benchmarks measured, as tables and a plot: `python -m docs.generate_figures`.

`benchmarks/results/*.json` are lists of figures, each with its target, command, commit, machine and date. No figure is
written by hand.

    README.md                      `figures` of main_job.json, `engine` of engine.json where there is a target, `evidence`: the
                                   best methods of evidence.json
    docs/engine.md                 all of engine.json
    docs/method.md                 `sketch-errors`: how far off the sketched NTK term is
    docs/images/sketch_error.svg   the sketch's error over q
    docs/evidence.md               all of evidence.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from docs import engine_tables, evidence_tables, sketch_plot
from docs.engine_tables import Figure, cell
from docs.marked import rewrite

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
ENGINE = ROOT / "docs" / "engine.md"
METHOD = ROOT / "docs" / "method.md"
PLOT = ROOT / "docs" / "images" / "sketch_error.svg"
RESULTS = ROOT / "benchmarks" / "results" / "main_job.json"
ENGINE_RESULTS = RESULTS.with_name("engine.json")
EVIDENCE = ROOT / "docs" / "evidence.md"
EVIDENCE_RESULTS = RESULTS.with_name("evidence.json")
COLUMNS = ("name", "figure", "target", "command", "commit", "machine", "date")
HEADER = "| what | measured | target | how |\n| --- | --- | --- | --- |"
NOT_MEASURED = "Not filled in yet: `make figures` and `make bench` measure, and `python -m docs.generate_figures` writes this."


def table(results: Path = RESULTS) -> str:
    """The main job's figures as Markdown; a sentence when none are recorded. Raises ValueError for one that is not whole."""
    figures = read_figures(results)
    if not figures:
        return NOT_MEASURED
    rows = [f"| {' | '.join(cell(one[column]) for column in COLUMNS[:3])} | `{one['command']}` |" for one in figures]
    return "\n".join([HEADER, *rows, "", *_provenance(figures)])


def engine(results: Path = ENGINE_RESULTS) -> str:
    """All of the engine's figures by group, with whether targets are met; as `table`."""
    figures = read_figures(results)
    return "\n\n".join([engine_tables.grouped(figures), "\n".join(_provenance(figures))]) if figures else NOT_MEASURED


def engine_targets(results: Path = ENGINE_RESULTS) -> str:
    """The engine's figures that have a target; as `table`."""
    figures = read_figures(results)
    return "\n\n".join([engine_tables.with_targets(figures), "\n".join(_provenance(figures))]) if figures else NOT_MEASURED


def plot_points(results: Path = ENGINE_RESULTS) -> sketch_plot.Points:
    """What the plot shows."""
    return sketch_plot.points(read_figures(results))


def sketch_errors(results: Path = ENGINE_RESULTS) -> str:
    """The errors of the sketched term; as `table`."""
    found = plot_points(results)
    return sketch_plot.error_table(found) if found else NOT_MEASURED


def evidence(results: Path = EVIDENCE_RESULTS) -> str:
    """All of the evidence's figures; as `table`."""
    figures = read_figures(results)
    return "\n\n".join([evidence_tables.evidence(figures), "\n".join(_provenance(figures))]) if figures else NOT_MEASURED


def evidence_summary(results: Path = EVIDENCE_RESULTS) -> str:
    """The evidence's best methods; as `table`."""
    figures = read_figures(results)
    return "\n\n".join([evidence_tables.summary(figures), "\n".join(_provenance(figures))]) if figures else NOT_MEASURED


def read_figures(results: Path) -> list[Figure]:
    """The figures of a file, none when it is not there. Raises ValueError for one that is not whole."""
    figures: list[Figure] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    for figure in figures:
        if missing := [column for column in COLUMNS if not str(figure.get(column, "")).strip()]:
            raise ValueError(
                f"{results.name}: figure {figure.get('name')!r}: expected {', '.join(COLUMNS)}, found no {missing}"
            )
    return figures


def _provenance(figures: list[Figure]) -> list[str]:
    """Where and when, once a combination."""
    found = dict.fromkeys((cell(one["machine"]), cell(one["commit"]), cell(one["date"])) for one in figures)
    return [f"Measured on {machine}; commit `{commit}`, {date}." for machine, commit, date in found]


if __name__ == "__main__":
    rewrite(README, "figures", table())
    rewrite(README, "engine", engine_targets())
    rewrite(README, "evidence", evidence_summary())
    rewrite(ENGINE, "figures", engine())
    rewrite(EVIDENCE, "figures", evidence())
    rewrite(METHOD, "sketch-errors", sketch_errors())
    PLOT.parent.mkdir(exist_ok=True)
    PLOT.write_text(sketch_plot.drawn(plot_points()), encoding="utf-8")
    sys.stdout.write(f"wrote {PLOT.name}\n")
