"""Read a published valuation, by the URL of its folder or of an output root (its latest run)."""

from __future__ import annotations

from dataclasses import dataclass

from mixval.contracts.results import COALITION_TABLES, published_schemas
from mixval.errors import ConfigError
from mixval.publish.manifest import read_manifest
from mixval.publish.results import ValuationResults
from mixval.publish.run_manifest import MANIFEST
from mixval.publish.writers.report import REPORT, write_report
from mixval.storage.layout import Layout
from mixval.storage.pointer import read_latest
from mixval.storage.root import Location, open_location
from mixval.storage.tables import read_table


@dataclass(frozen=True, kw_only=True)
class StoredRun(ValuationResults):
    """Published results of a run, and its folder."""

    folder: Location


def open_run(url: str) -> StoredRun:
    """The run in a folder, or the latest one below an output root. Raises as `open_run_at`."""
    return open_run_at(open_location(url))


def open_run_at(folder: Location) -> StoredRun:
    """The run in a folder, or the latest one below an output root.

    Raises:
        ConfigError: neither exists.
        ContractError: manifest or tables are not as this mixval reads them.
    """
    if not folder.child(MANIFEST).exists():
        latest = read_latest(folder)
        if latest is None:
            raise ConfigError(
                f"{folder.url}: expected a run's folder or an output root with latest.json, found neither. Give the URL that "
                "`mixval value` printed."
            )
        folder = Layout(folder).run(latest.run_id)
    manifest = read_manifest(folder.child(MANIFEST).read_bytes().decode(), folder.url)
    files = {name: folder.child(f"{name}.parquet") for name in published_schemas()}
    tables = {
        name: None if name in COALITION_TABLES and not file.exists() else read_table(file, published_schemas()[name])
        for name, file in files.items()
    }
    return StoredRun(folder=folder, manifest=manifest, **tables)


def rebuild_report(run: StoredRun) -> Location:
    """Write `report.html` of a stored run again, from its tables and manifest."""
    write_report(run.folder, run)
    return run.folder.child(REPORT)
