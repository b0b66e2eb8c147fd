"""What the benchmarks measured, as tables and a plot: `python -m docs.generate_figures`.

`benchmarks/results/*.json` are lists of figures, each with its target, command, commit, machine and date. No figure is
written by hand.

    README.md                      `figures` of main_job.json, `engine` of engine.json where there is a target, `evidence`: the
                                   best methods of evidence.json
    docs/engine.md                 all of engine.json
    docs/cli.md                    `first-evening`: planted pairs and times of first_evening.json
    docs/reports.md                `ties`: how often letters and intervals order pairs as training does, of the same file
    docs/method.md                 `sketch-errors`: how far off the sketched NTK term is; `coverage`: how often intervals hold
    docs/images/sketch_error.svg   the sketch's error over q
    docs/images/mixture_curve.svg  trained and predicted values by the share of generated rows, of mixing.json
    docs/scaling.md                all of scaling.json
    docs/evidence.md               all of evidence.json; `distribution`: the small worlds of evidence/distribution/*.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.evidence.distribution.results import read_all
from benchmarks.evidence.distribution.tables import distribution_text
from docs import coverage_table, engine_tables, evidence_tables, mixture_plot, sketch_plot
from docs.engine_tables import Figure, cell
from docs.marked import rewrite

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
ENGINE = ROOT / "docs" / "engine.md"
METHOD = ROOT / "docs" / "method.md"
PLOT = ROOT / "docs" / "images" / "sketch_error.svg"
RESULTS = ROOT / "benchmarks" / "results" / "main_job.json"
ENGINE_RESULTS = RESULTS.with_name("engine.json")
CURVES = RESULTS.with_name("mixing.json")
CURVES_PLOT = PLOT.with_name("mixture_curve.svg")
EVIDENCE = ROOT / "docs" / "evidence.md"
EVIDENCE_RESULTS = RESULTS.with_name("evidence.json")
RECORDED_BEFORE = {"engine.json", "evidence.json"}
"""Files with figures of trees with changes, from before these were refused; measured again, a file leaves this set."""
DISTRIBUTION = RESULTS.parent / "evidence" / "distribution"
CLI = ROOT / "docs" / "cli.md"
REPORTS = ROOT / "docs" / "reports.md"
SCALING = ROOT / "docs" / "scaling.md"
SCALING_RESULTS = RESULTS.with_name("scaling.json")
FIRST_EVENING = RESULTS.with_name("first_evening.json")
COLUMNS = ("name", "figure", "target", "command", "commit", "machine", "date")
HEADER = "| what | measured | target | how |\n| --- | --- | --- | --- |"
NOT_MEASURED = "Not filled in yet: `make figures` and `make bench` measure, and `python -m docs.generate_figures` writes this."


def block(shown: Callable[[list[Figure]], str], results: Path) -> str:
    """A file's figures as Markdown with where they were measured; a sentence when none are recorded.

    Raises ValueError for one that is not whole.
    """
    figures = read_figures(results)
    return "\n\n".join([shown(figures), provenance(figures, results.name)]) if figures else NOT_MEASURED


def main_job(figures: list[Figure]) -> str:
    """One row a figure."""
    return "\n".join(
        [HEADER, *(f"| {' | '.join(cell(one[name]) for name in COLUMNS[:3])} | `{one['command']}` |" for one in figures)]
    )


def first_evening(*begin: str, results: Path = FIRST_EVENING) -> str:
    """The figures whose names begin so."""
    wanted = [one for one in read_figures(results) if cell(one["name"]).startswith(begin)]
    return "\n\n".join([main_job(wanted), provenance(wanted, results.name)]) if wanted else NOT_MEASURED


def coverage(results: Path = FIRST_EVENING) -> str:
    """How often intervals hold what is true, by quantity."""
    wanted = [one for one in read_figures(results) if cell(one["name"]).startswith(coverage_table.PREFIX)]
    return "\n\n".join([coverage_table.coverage_table(wanted), provenance(wanted, results.name)]) if wanted else NOT_MEASURED


def distribution(results: Path = DISTRIBUTION) -> str:
    """The small worlds: means over worlds, margins, and where ours loses."""
    return distribution_text(read_all(results)) if any(results.glob("*.json")) else NOT_MEASURED


def plot_points(results: Path = ENGINE_RESULTS) -> sketch_plot.Points:
    """What the plot shows."""
    return sketch_plot.points(read_figures(results))


def mixture_curves(results: Path = CURVES) -> dict[str, Any]:
    """What the plot of mixtures shows."""
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return found


def sketch_errors(results: Path = ENGINE_RESULTS) -> str:
    """The errors of the sketched term; as `table`."""
    found = plot_points(results)
    return sketch_plot.error_table(found) if found else NOT_MEASURED


def read_figures(results: Path) -> list[Figure]:
    """The figures of a file, none when it is not there. Raises ValueError for one that is not whole."""
    figures: list[Figure] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    for figure in figures:
        if missing := [column for column in COLUMNS if not str(figure.get(column, "")).strip()]:
            raise ValueError(
                f"{results.name}: figure {figure.get('name')!r}: expected {', '.join(COLUMNS)}, found no {missing}"
            )
    return figures


def provenance(figures: list[Figure], results: str) -> str:
    """Where and when, in one line. Raises ValueError for figures of a tree with changes, but for those of `RECORDED_BEFORE`."""
    dirty = [cell(one["name"]) for one in figures if cell(one["commit"]).endswith("-dirty")]
    if dirty and results not in RECORDED_BEFORE:
        raise ValueError(f"{results}: {dirty[0]} was measured on a tree with changes. Commit, and measure again.")
    machines = "; ".join(dict.fromkeys(cell(one["machine"]) for one in figures))
    dates = sorted({cell(one["date"]) for one in figures})
    commits = list(dict.fromkeys(cell(one["commit"]) for one in figures))
    told = f"of each figure: `benchmarks/results/{results}`" if dirty else ", ".join(f"`{one}`" for one in commits)
    return f"Measured on {machines}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}; commit {told}."


BLOCKS: tuple[tuple[Path, str, Callable[[], str]], ...] = (
    (README, "figures", partial(block, main_job, RESULTS)),
    (README, "engine", partial(block, engine_tables.with_targets, ENGINE_RESULTS)),
    (README, "evidence", partial(block, evidence_tables.summary, EVIDENCE_RESULTS)),
    (ENGINE, "figures", partial(block, engine_tables.grouped, ENGINE_RESULTS)),
    (EVIDENCE, "figures", partial(block, evidence_tables.evidence, EVIDENCE_RESULTS)),
    (EVIDENCE, "distribution", distribution),
    (SCALING, "figures", partial(block, engine_tables.grouped, SCALING_RESULTS)),
    (METHOD, "sketch-errors", sketch_errors),
    (METHOD, "coverage", coverage),
    (CLI, "first-evening", partial(first_evening, "pairs", "seconds_")),
    (REPORTS, "ties", partial(first_evening, "ties/", "noise/")),
)
"""Page, the name of its marked part, and what makes that part."""


if __name__ == "__main__":
    for page, name, made in BLOCKS:
        rewrite(page, name, made())
    PLOT.parent.mkdir(exist_ok=True)
    PLOT.write_text(sketch_plot.drawn(plot_points()), encoding="utf-8")
    CURVES_PLOT.write_text(mixture_plot.drawn(mixture_curves()), encoding="utf-8")
    sys.stdout.write(f"wrote {PLOT.name} and {CURVES_PLOT.name}\n")
