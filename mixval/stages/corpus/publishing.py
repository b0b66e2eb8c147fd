"""A run of `mixval corpus` as files: a folder named by what it was made from, its document written last."""

from __future__ import annotations

import json

from mixval.publish.corpus.render import render_corpora
from mixval.stages.corpus.measuring import Measured
from mixval.storage.root import Location
from mixval.storage.tables import write_table

DOCUMENT, PAGE = "corpus.json", "report.html"


def publish_corpora(output: Location, measured: Measured) -> Location:
    """Writes `OUTPUT/corpus/FINGERPRINT/` and returns it: tables, page, and last the document, without which it is no run."""
    folder = output.child("corpus", measured.fingerprint)
    for name, table in measured.tables.items():
        write_table(folder.child(f"{name}.parquet"), table)
    folder.child(PAGE).write_bytes(render_corpora(measured.document, measured.tables).encode())
    folder.child(DOCUMENT).write_bytes((json.dumps(measured.document, indent=2, ensure_ascii=False) + "\n").encode())
    return folder
