"""Writers of other packages, found by entry points of the group `mixval.writers`.

They run after the run's own files are written. One that fails is a warning by its name: a ranking is not lost for a copy of it.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

from mixval.config.url_secrets import stripped_url
from mixval.contracts.warnings import RunWarning, by_severity, warning
from mixval.publish.names import shortened
from mixval.publish.publication import Writer
from mixval.publish.results import PublishedValuation
from mixval.publish.writers.report import write_report
from mixval.storage.root import Location

GROUP = "mixval.writers"
REASON_CHARS = 500
"""Of a failure's message, in its warning."""


def write_by_installed(folder: Location, results: PublishedValuation) -> PublishedValuation:
    """The results, with a warning for each installed writer that failed, which the report has then, too."""
    points = sorted(entry_points(group=GROUP), key=lambda one: one.name)
    failed = [fault for point in points if (fault := _fault_of(point, folder, results)) is not None]
    if not failed:
        return results
    manifest = results.manifest.model_copy(update={"warnings": by_severity([*results.manifest.warnings, *failed])})
    warned = replace(results, manifest=manifest)
    write_report(folder, warned)
    return warned


def _fault_of(point: EntryPoint, folder: Location, results: PublishedValuation) -> RunWarning | None:
    try:
        write: Writer[PublishedValuation] = point.load()
        write(folder, results)
    except Exception as error:  # whatever a stranger's package raises
        reason = shortened(stripped_url(f"{type(error).__name__}: {error}"), REASON_CHARS)
        words = (
            f"The writer `{shortened(point.name, 80)}` ({shortened(point.value, 80)}) failed: {reason}. The ranking stands; "
            "what this writer makes is missing or not whole."
        )
        return warning("writer-failed", words)
    return None
