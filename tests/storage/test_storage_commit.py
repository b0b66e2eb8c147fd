"""Artifacts: nothing without a record, nothing trusted that is empty, racing commits end well."""

from __future__ import annotations

import multiprocessing
import re
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from mixval.config.runtime import RuntimeConfig
from mixval.config.source import StorageConfig
from mixval.contracts.record import ArtifactRef
from mixval.errors import StorageError
from mixval.storage.commit import RECORD, ArtifactStore
from mixval.storage.layout import Layout
from mixval.storage.root import Location, open_location


def test_a_commit_is_found_and_read(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.ref("loss", 1, rows="abc", config=StorageConfig())
    assert store.committed(ref) is None
    done = store.commit(
        ref,
        inputs={"rows": "abc", "config": StorageConfig()},
        tensors={"losses": np.arange(3.0)},
        tables={"terms": pa.table({"x": [1]})},
        documents={"data-docs/index.html": b"<html>", "note": b"n"},
        numbers={"mean": np.float64(1.5), "n": np.int64(3), "word": "w", "none": None, "bad": float("nan"), "big": -np.inf},
        seconds=2.5,
        peak_bytes=7,
    )
    record = ArtifactStore(root).committed(ref)
    assert done == ref
    assert record is not None
    assert record.inputs == {"rows": "abc", "config": StorageConfig().model_dump()}
    assert record.numbers == {"mean": 1.5, "n": 3, "word": "w", "none": None, "bad": "nan", "big": "-inf"}
    assert record.files == ["data-docs/index.html", "data.safetensors", "note", "terms.parquet"]
    assert (record.seconds, record.peak_bytes) == (2.5, 7)
    offset = datetime.fromisoformat(record.created).utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0
    np.testing.assert_array_equal(store.read_tensors(ref)["losses"], np.arange(3.0))
    assert store.read_table(ref, "terms").to_pylist() == [{"x": 1}]
    assert store.read_document(ref, "data-docs/index.html") == b"<html>"


def test_references_follow_inputs_and_version(root: Location) -> None:
    store = ArtifactStore(root)
    refs = {store.ref("a", version, x=x).fingerprint for version in (1, 2) for x in (1, 1.0, "1", True)}
    assert len(refs) == 8
    assert store.ref("a", 1, x=1, y=2) == store.ref("a", 1, y=2, x=1)


def test_data_without_a_record_does_not_exist(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.ref("a", 1)
    store.commit(ref, inputs={}, documents={"d": b"x"})
    Layout(root).artifact(ref).child(RECORD).delete()
    assert store.committed(ref) is None
    with pytest.raises(StorageError, match="nothing is there"):
        store.read_document(ref, "d")
    store.commit(ref, inputs={}, documents={"d": b"x"})
    assert store.committed(ref) is not None


@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_a_record_whose_files_are_damaged_is_told_with_the_url(root: Location, damage: str) -> None:
    store = ArtifactStore(root)
    ref = store.ref("a", 1)
    store.commit(ref, inputs={}, tensors={"x": np.zeros(2)})
    (file,) = Layout(root).artifact(ref).files(".safetensors")
    if damage == "gone":
        file.delete()
    else:
        file.write_bytes(b"")
    for read in (store.committed, store.read_tensors):
        with pytest.raises(StorageError, match="expected a file that its record names") as caught:
            read(ref)
        assert file.url in str(caught.value)


def test_the_first_record_stands_with_its_own_files(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.ref("a", 1)
    for value in (1.0, 2.0):  # a second worker got another rounding
        store.commit(ref, inputs={}, tensors={"x": np.array([value])}, numbers={"x": value})
    record = store.committed(ref)
    assert record is not None
    assert record.numbers["x"] == store.read_tensors(ref)["x"][0] == 1.0


def _commit_alone(url: str, barrier: object, value: float) -> None:
    barrier.wait()  # type: ignore[attr-defined]  # a multiprocessing barrier has no public type
    store = ArtifactStore(open_location(url))
    store.commit(store.ref("a", 1), inputs={}, tensors={"x": np.full(1000, value)}, numbers={"x": value})


def test_two_processes_committing_at_once_both_end_well(tmp_path: object) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [context.Process(target=_commit_alone, args=(str(tmp_path), barrier, value)) for value in (1.0, 2.0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    store = ArtifactStore(open_location(str(tmp_path)))
    record = store.committed(store.ref("a", 1))
    assert record is not None
    np.testing.assert_array_equal(store.read_tensors(record.ref)["x"], np.full(1000, record.numbers["x"]))


def test_discarding(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.ref("a", 1)
    store.discard(ref)
    store.commit(ref, inputs={}, tensors={"x": np.zeros(2)})
    store.discard(ref)
    assert store.committed(ref) is None
    assert not root.exists() or root.files() == []


def test_what_cannot_be_committed_is_refused(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.ref("a", 1)
    for documents, words in (
        ({"../x": b"1"}, "one file or folder"),
        ({"x": b""}, "expected some bytes"),
        ({"data.safetensors": b"1"}, "twice"),
    ):
        with pytest.raises(StorageError, match=words):
            store.commit(ref, inputs={}, tensors={"x": np.zeros(1)}, documents=documents)
    assert store.committed(ref) is None
    with pytest.raises(StorageError, match="expected an artifact below"):
        store.committed(ArtifactRef(kind="a", fingerprint="ab" * 16, root="memory://elsewhere"))


def test_asking_for_another_file_is_told(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.commit(store.ref("a", 1), inputs={}, documents={"d": b"x"})
    with pytest.raises(StorageError, match=r"expected 'terms.parquet' in this artifact, found d"):
        store.read_table(ref, "terms")


def test_a_damaged_record_is_told(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.commit(store.ref("a", 1), inputs={})
    Layout(root).artifact(ref).child(RECORD).write_bytes(b"{")
    with pytest.raises(StorageError, match="expected an artifact record"):
        store.committed(ref)


def test_a_damaged_document_is_told_with_the_record_to_delete(root: Location) -> None:
    store = ArtifactStore(root)
    whole, broken = (
        store.commit(store.ref(kind, 1), inputs={}, documents={"d.json": data})
        for kind, data in (("whole", b'{"retries": 2}'), ("broken", b'{"retries": "tw'))
    )
    assert store.read_json(whole, "d.json") == {"retries": 2}
    assert store.read_model(whole, "d.json", RuntimeConfig).retries == 2
    record = re.escape(Layout(root).artifact(broken).child(RECORD).url)
    with pytest.raises(StorageError, match=rf"expected a JSON document, found (?s:.*)\. Delete {record} and run again"):
        store.read_json(broken, "d.json")
    with pytest.raises(StorageError, match=rf"expected a RuntimeConfig, found (?s:.*)\. Delete {record} and run again"):
        store.read_model(broken, "d.json", RuntimeConfig)
