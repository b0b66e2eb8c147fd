"""The files of a study's run, in the order in which they are written; the manifest follows them."""

from __future__ import annotations

from mixval.experiments.study.evaluated import LOSSES
from mixval.experiments.study.page.render import render_study
from mixval.experiments.study.results import StudyResults
from mixval.publish.publication import Writer
from mixval.storage.root import Location
from mixval.storage.tables import write_table


def write_losses(folder: Location, results: StudyResults) -> None:
    """`losses.parquet`: a row a training and domain."""
    write_table(folder.child("losses.parquet"), results.found.losses, LOSSES)


def write_runs(folder: Location, results: StudyResults) -> None:
    """`runs.csv`: a line a training, as `mixval scaling fit` and `mixval scaling advise` take it."""
    figures = results.found.figures
    params = {one.name: one.params for one in figures.sizes}
    lines = ["mixture,synthetic_per_cent,params,tokens,replicate,loss"]
    for one in figures.places:
        for at, loss in enumerate(one.by_replicate, start=1):
            lines.append(f"{one.mixture},{one.per_cent:g},{params[one.size]},{one.tokens},{at},{loss:.8g}")
    folder.child("runs.csv").write_bytes(("\n".join(lines) + "\n").encode())


def write_results(folder: Location, results: StudyResults) -> None:
    """`results.json`: losses, good ratios and laws with their intervals."""
    text = results.found.figures.model_dump_json(indent=2)
    folder.child("results.json").write_bytes(f"{text}\n".encode())


def write_report(folder: Location, results: StudyResults) -> None:
    """`report.html`: the page."""
    folder.child("report.html").write_bytes(render_study(results.found, results.manifest.summary.run_id).encode())


WRITERS: tuple[Writer[StudyResults], ...] = (write_losses, write_runs, write_results, write_report)
