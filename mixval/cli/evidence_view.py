"""What `mixval evidence` prints and writes: the table, which contributors have no rank, and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mixval.evidence.comparison import Comparison, compare
from mixval.evidence.fitted import with_fitted
from mixval.evidence.page.render import render_page
from mixval.evidence.results import WorldResult
from mixval.evidence.table import table_text
from mixval.publish.names import visible
from mixval.storage.root import Location

PAGE = "evidence.html"


def shown_evidence(results: Sequence[WorldResult], ours: str, folder: Location, as_json: bool) -> str:
    """Writes the page below `folder` and returns what is printed.

    Raises as `compare` does, before anything is written.
    """
    refitted = with_fitted(results)
    comparison, page = compare(refitted, ours), folder.child(PAGE)
    page.write_bytes(render_page(refitted, ours).encode())
    return _document(refitted, comparison, page) if as_json else _text(refitted, comparison, page)


def _text(results: Sequence[WorldResult], comparison: Comparison, page: Location) -> str:
    """The table, then which methods and contributors are missing and why, then the URL of the page."""
    lines = [table_text(comparison)]
    for one in results:
        world = visible(one.world)
        lines += [f"{world}: {skipped.method} could not run: {visible(skipped.reason)}" for skipped in one.skipped]
        lines += [f"{world}: {method.method}: {visible(method.note)}" for method in one.methods if method.note]
        if one.without_truth:
            lines.append(f"{world}: left out, no training result: {', '.join(visible(name) for name in one.without_truth)}")
        for name, reason in one.without_value.items():
            lines.append(f"{world}: left out, no value: {visible(name)}: {visible(reason)}")
    return "\n".join([*lines, f"Page: {page.url}"])


def _document(results: Sequence[WorldResult], comparison: Comparison, page: Location) -> str:
    document = {
        "page": page.url,
        "comparison": comparison.model_dump(mode="json"),
        "skipped": {one.world: {skipped.method: skipped.reason for skipped in one.skipped} for one in results},
        "without_truth": {one.world: one.without_truth for one in results},
        "without_value": {one.world: one.without_value for one in results},
    }
    return json.dumps(document, indent=2)
