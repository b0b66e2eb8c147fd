"""`report.html`."""

from __future__ import annotations

from mixval.publish.report.render import render_report
from mixval.publish.results import ValuationResults
from mixval.storage.root import Location

REPORT = "report.html"


def write_report(folder: Location, results: ValuationResults) -> None:
    """The report; the same results give the same bytes."""
    manifest = results.manifest
    page = render_report(
        results.ranking,
        results.terms,
        results.rejected,
        manifest.outcomes,
        manifest,
        manifest.warnings,
        results.coalitions,
        results.redundancy,
        results.parts,
        results.mixture,
        results.mixture_best,
        results.groups,
        results.corpora,
        results.truncation,
    )
    folder.child(REPORT).write_bytes(page.encode())
