"""Publication of a run, whatever its flow: each writer in turn, then the manifest, then the pointer.

A flow passes a frozen bundle of what it publishes, a list of writers, and the root folder of its runs:

    ROOT/runs/RUN_ID/...    what the writers write, and manifest.json, written last: a folder without one is no run
    ROOT/latest.json        the pointer, swapped when all else is in place
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol, TypeVar

from mixval.contracts.sealed import content_sha256
from mixval.errors import ContractError
from mixval.publish.run_manifest import MANIFEST, AnyManifest, RunManifest, parse_manifest
from mixval.storage.damage import tell_damage
from mixval.storage.layout import Layout
from mixval.storage.pointer import Latest, swap_latest
from mixval.storage.records import read_if_there
from mixval.storage.root import Location

_READS_IN_FLIGHT = 16


class Publishable(Protocol):
    """A bundle of results with the manifest that describes them."""

    @property
    def manifest(self) -> RunManifest:
        """What the run was made from; names its folder and fingerprint."""


Results = TypeVar("Results", bound=Publishable)
Written_contra = TypeVar("Written_contra", contravariant=True)


class Writer(Protocol[Written_contra]):
    """Writes one file, or one family of files, of a run's folder."""

    def __call__(self, folder: Location, results: Written_contra, /) -> None:
        """Write below `folder`, whole objects only."""


def run_name(started: datetime, fingerprint: str) -> str:
    """A run's name, which sorts by the time (UTC) at which it started."""
    return f"{started.strftime('%Y%m%dT%H%M%SZ')}-{fingerprint[:8]}"


def publish_run(root: Location, results: Results, writers: Sequence[Writer[Results]], expected: Latest | None) -> Location:
    """Writes the run's folder, points `latest.json` to it, and returns it.

    Raises:
        ConflictError: the pointer is no longer what was read as `expected`; the folder stays.
    """
    write_files(root, results, writers)
    return finish_run(root, results.manifest, expected)


def write_files(root: Location, results: Results, writers: Sequence[Writer[Results]]) -> Location:
    """What the writers write, in turn; returns the run's folder, which is no run yet."""
    folder = Layout(root).run(results.manifest.run_id)
    for write in writers:
        write(folder, results)
    return folder


def finish_run(root: Location, manifest: RunManifest, expected: Latest | None) -> Location:
    """Writes the manifest, with digests of all that is there, and points `latest.json` to the run. Raises as `publish_run`."""
    folder = Layout(root).run(manifest.run_id)
    write_manifest(folder, manifest.model_copy(update={"files": file_digests(folder)}))
    swap_latest(root, manifest.run_id, manifest.fingerprint, expected)
    return folder


def write_manifest(folder: Location, manifest: RunManifest) -> None:
    """Write `manifest.json`, sealed."""
    folder.child(MANIFEST).write_bytes(manifest.to_json().encode())


def file_digests(folder: Location) -> dict[str, str]:
    """File below a run's folder -> SHA-256 of its content; but for the manifest."""
    files = [file for file in folder.files() if file.relative_name(folder) != MANIFEST]
    with ThreadPoolExecutor(_READS_IN_FLIGHT) as threads:  # requests to a remote store are slow
        digests = threads.map(lambda file: content_sha256(file.read_bytes()), files)
        return {file.relative_name(folder): digest for file, digest in zip(files, digests, strict=True)}


def damaged_files(folder: Location, manifest: RunManifest) -> list[str]:
    """Published files that are missing or not what the run wrote, sorted. Files that were added since are nobody's."""
    found = file_digests(folder)
    return sorted(name for name, digest in manifest.files.items() if found.get(name) != digest)


def whole_manifest(folder: Location, model: type[AnyManifest], schema: str) -> AnyManifest | None:
    """The manifest of a run whose files are those that it names; None where they are not, which is logged."""
    data = read_if_there(folder.child(MANIFEST))
    try:
        found = None if data is None else parse_manifest(model, schema, data, folder.url)
    except ContractError:
        found = None
    damaged = [MANIFEST] if found is None else damaged_files(folder, found)
    if damaged:
        tell_damage(
            folder.url, f"expected the files of the run, found {', '.join(damaged)} damaged or missing. Published again"
        )
        return None
    return found
