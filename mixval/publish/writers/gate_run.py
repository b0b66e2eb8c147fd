"""The files of a gate's run, in the order in which they are written; the manifest follows them."""

from __future__ import annotations

from mixval.publish.gate_page.render import render_gate_report
from mixval.publish.gate_run import GateResults
from mixval.publish.publication import Writer
from mixval.publish.writers.gate_results import write_checks
from mixval.storage.root import Location

REPORT = "report.html"


def write_gate_report(folder: Location, results: GateResults) -> None:
    """The report; the same results give the same bytes."""
    folder.child(REPORT).write_bytes(render_gate_report(results).encode())


def write_delivery_checks(folder: Location, results: GateResults) -> None:
    """Great Expectations' results on the deliveries that were decided now, and their pages."""
    if results.checks is not None:
        write_checks(folder, results.checks)


WRITERS: tuple[Writer[GateResults], ...] = (write_gate_report, write_delivery_checks)
