"""Publication of any flow's run: writers in their order, the manifest after them, and the pointer when all else is there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from mixval.errors import ConflictError, StorageError
from mixval.publish.publication import publish_run, run_name
from mixval.publish.run_manifest import RunManifest
from mixval.storage.layout import Layout
from mixval.storage.pointer import Latest, read_latest
from mixval.storage.root import Location, open_location


@dataclass(frozen=True)
class Greeting:
    """Results of a flow that mixval does not have."""

    manifest: RunManifest
    text: str


def greeting(run_id: str, text: str = "hello") -> Greeting:
    created = "2026-11-20T18:14:00+00:00"
    manifest = RunManifest(flow="greeting", schema_version=1, run_id=run_id, fingerprint="f" * 32, created=created, config={})
    return Greeting(manifest, text)


def write_text(folder: Location, results: Greeting) -> None:
    folder.child("text.txt").write_bytes(results.text.encode())


def write_length(folder: Location, results: Greeting) -> None:
    """Reads what the writer before it has written."""
    folder.child("length.json").write_bytes(json.dumps(len(folder.child("text.txt").read_bytes())).encode())


@pytest.fixture(params=["memory", "local"])
def root(request, tmp_path) -> Location:
    return open_location(f"memory://publication-{tmp_path.name}" if request.param == "memory" else str(tmp_path))


def test_a_run_is_its_writers_files_and_the_manifest_and_the_pointer_finds_it(root: Location) -> None:
    folder = publish_run(root, greeting("r1"), (write_text, write_length), None)
    assert sorted(file.name for file in folder.files()) == ["length.json", "manifest.json", "text.txt"]
    assert folder.child("length.json").read_bytes() == b"5"
    assert json.loads(folder.child("manifest.json").read_bytes())["run_id"] == "r1"
    latest = read_latest(root)
    assert isinstance(latest, Latest)
    assert (latest.run_id, latest.fingerprint) == ("r1", "f" * 32)
    assert Layout(root).run(latest.run_id).url == folder.url


def test_a_writer_that_fails_leaves_no_run_behind(root: Location) -> None:
    publish_run(root, greeting("r1"), (write_text,), None)
    with pytest.raises(StorageError):
        publish_run(root, greeting("r2"), (write_length, write_text), read_latest(root))
    assert not Layout(root).run("r2").child("manifest.json").exists()
    assert read_latest(root).run_id == "r1"


def test_whoever_comes_second_keeps_its_folder_and_is_told(root: Location) -> None:
    publish_run(root, greeting("r1"), (write_text,), None)
    with pytest.raises(ConflictError, match="another run published first"):
        publish_run(root, greeting("r2", "bye"), (write_text,), None)
    assert read_latest(root).run_id == "r1"
    assert Layout(root).run("r2").child("text.txt").read_bytes() == b"bye"


def test_names_of_runs_sort_by_time() -> None:
    names = [run_name(datetime(2026, month, 1, 12, tzinfo=UTC), "f" * 32) for month in (2, 10, 11)]
    assert names == sorted(names)
    assert names[0] == "20260201T120000Z-ffffffff"
