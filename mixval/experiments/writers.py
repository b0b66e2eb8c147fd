"""The files of an experiment's run, in the order in which they are written; the manifest follows them."""

from __future__ import annotations

from mixval.experiments.page.render import render_experiment
from mixval.experiments.results import BY_CLASS, ExperimentResults
from mixval.publish.publication import Writer
from mixval.storage.root import Location
from mixval.storage.tables import write_table


def write_by_class(folder: Location, results: ExperimentResults) -> None:
    """`by_class.parquet`: what each model answers right, by class."""
    write_table(folder.child("by_class.parquet"), results.by_class, BY_CLASS)


def write_results(folder: Location, results: ExperimentResults) -> None:
    """`results.json`: the curves, what was fitted to them, and what the lemma says."""
    text = results.manifest.summary.figures.model_dump_json(indent=2)
    folder.child("results.json").write_bytes(f"{text}\n".encode())


def write_report(folder: Location, results: ExperimentResults) -> None:
    """`report.html`: the page."""
    summary = results.manifest.summary
    folder.child("report.html").write_bytes(render_experiment(summary.figures, summary.run_id).encode())


WRITERS: tuple[Writer[ExperimentResults], ...] = (write_by_class, write_results, write_report)
