"""Read a published valuation, by the URL of its folder or of an output root (its latest run)."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mixval.contracts.results import OPTIONAL_TABLES, published_schemas
from mixval.contracts.sealed import content_sha256
from mixval.errors import ConfigError, DamagedRunError
from mixval.publish.manifest import Manifest, read_manifest
from mixval.publish.publication import write_manifest
from mixval.publish.results import ValuationResults
from mixval.publish.run_manifest import MANIFEST
from mixval.publish.writers.report import REPORT, write_report
from mixval.storage.layout import Layout
from mixval.storage.pointer import read_latest
from mixval.storage.records import read_if_there
from mixval.storage.root import Location, open_location
from mixval.storage.tables import decode_table


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
        DamagedRunError: manifest or tables are not what the run wrote.
        ContractError: they are not as this mixval reads them.
    """
    if not folder.child(MANIFEST).exists():
        latest = read_latest(folder)
        if latest is None:
            raise ConfigError(
                f"{folder.url}: expected a run's folder or an output root with latest.json, found neither. Give the URL that "
                "`mixval value` printed."
            )
        folder = Layout(folder).run(latest.run_id)
    manifest = read_manifest(folder.child(MANIFEST).read_bytes(), folder.url)
    tables = {name: _table(folder, manifest, name) for name in published_schemas()}
    return StoredRun(folder=folder, manifest=manifest, **tables)


def _table(folder: Location, manifest: Manifest, name: str) -> pa.Table | None:
    """A published table, whose content is that of its digest. None for one that a run may lack, in a run without."""
    file = folder.child(f"{name}.parquet")
    if name in OPTIONAL_TABLES and not (file.name in manifest.files or file.exists()):
        return None
    data = read_if_there(file)
    if data is None or manifest.files.get(file.name, digest := content_sha256(data)) != digest:
        found = "nothing" if data is None else "another content"
        raise DamagedRunError(
            f"{file.url}: expected the table that the run published, found {found}. Run `mixval value` on its configuration: "
            "it is published again."
        )
    return decode_table(file, data, published_schemas()[name])


def rebuild_report(run: StoredRun) -> Location:
    """Write `report.html` of a stored run again, from its tables and manifest."""
    write_report(run.folder, run)
    report = run.folder.child(REPORT)
    if run.manifest.files:
        files = run.manifest.files | {REPORT: content_sha256(report.read_bytes())}
        write_manifest(run.folder, run.manifest.model_copy(update={"files": files}))
    return report
