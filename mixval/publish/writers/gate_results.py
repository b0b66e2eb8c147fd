"""`gate.json` and `data-docs/`: Great Expectations' results, as JSON and as pages."""

from __future__ import annotations

import json

from mixval.gate.docs import page_name, render_index
from mixval.publish.results import GateResults, PublishedValuation
from mixval.storage.root import Location

DOCS = "data-docs"
"""Folder of Great Expectations' pages below a run."""


def write_gate_results(folder: Location, results: PublishedValuation) -> None:
    """The validations of every contributor that was checked, and their pages where the gate made some."""
    write_checks(folder, results.gate)


def write_checks(folder: Location, gate: GateResults) -> None:
    """The same, of whatever was checked."""
    if gate.read_page is not None:
        folder.child(DOCS, "index.html").write_bytes(render_index(gate.validations))
        for name in gate.validations:
            folder.child(DOCS, *page_name(name).split("/")).write_bytes(gate.read_page(name))
    folder.child("gate.json").write_bytes(json.dumps(gate.validations, indent=1, sort_keys=True).encode())
