"""Artifacts: nothing without a record, nothing trusted that is damaged, racing commits end well."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mixval.config.runtime import RuntimeConfig
from mixval.config.source import StorageConfig
from mixval.contracts.record import ArtifactRef
from mixval.errors import LostArtifactError, StorageError
from mixval.storage import records
from mixval.storage.commit import ArtifactStore
from mixval.storage.damage import take_damage
from mixval.storage.layout import Layout
from mixval.storage.records import RECORD
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
    assert list(record.files) == ["data-docs/index.html", "data.safetensors", "note", "terms.parquet"]
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


def _flip(file: Location) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


def _cut(file: Location) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _number_of_record(file: Location) -> None:
    file.write_bytes(file.read_bytes().replace(b'"n": 3', b'"n": 4'))


DAMAGES: dict[str, tuple[str, Callable[[Location], None], str]] = {
    "gone": (".safetensors", lambda file: file.delete(), "expected a file that its record names, found nothing"),
    "empty": (".safetensors", lambda file: file.write_bytes(b""), "bytes as recorded, found 0"),
    "cut": (".parquet", _cut, "bytes as recorded, found"),
    "flipped tensors": (".safetensors", _flip, "expected the content"),
    "flipped table": (".parquet", _flip, "expected the content"),
    "flipped document": ("note", _flip, "expected the content"),
    "another number": (RECORD, _number_of_record, "expected an artifact record as it was sealed"),
    "cut record": (RECORD, _cut, "found no JSON"),
    "another JSON": (RECORD, lambda file: file.write_bytes(b"[1]"), "expected an artifact record, found none"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_told_and_discarded_and_can_be_made_again(
    root: Location, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = ArtifactStore(root)
    ref = store.ref("a", 1)

    def commit() -> None:
        documents, tables = {"note": b'{"retries": 2}'}, {"t": pa.table({"x": [1]})}
        tensors = {"x": np.arange(2.0)}
        store.commit(ref, inputs={}, tensors=tensors, tables=tables, documents=documents, numbers={"n": 3})

    commit()
    suffix, spoil, words = DAMAGES[damage]
    (file,) = Layout(root).artifact(ref).files(suffix)
    spoil(file)
    with pytest.raises(LostArtifactError, match=words) as caught:
        (store.read_tensors(ref), store.read_table(ref, "t"), store.read_json(ref, "note"))
    assert caught.value.url == file.url
    assert file.url in caplog.text
    (told,) = take_damage(root.url)
    assert words in told
    assert take_damage(root.url) == []
    assert store.committed(ref) is None
    commit()
    assert store.whole(ref) is not None
    assert store.read_tensors(ref)["x"].tolist() == [0.0, 1.0]
    assert store.read_json(ref, "note") == {"retries": 2}


@pytest.mark.parametrize(("damage", "is_seen"), [("gone", True), ("cut record", True), ("flipped tensors", False)])
def test_a_look_sees_records_and_sizes_and_a_whole_one_also_content(root: Location, damage: str, is_seen: bool) -> None:
    store = ArtifactStore(root)
    ref = store.commit(store.ref("a", 1), inputs={}, tensors={"x": np.zeros(2)})
    suffix, spoil, _ = DAMAGES[damage]
    (file,) = Layout(root).artifact(ref).files(suffix)
    spoil(file)
    assert (store.committed(ref) is None) is is_seen
    assert store.whole(ref) is None
    assert take_damage(root.url)


def test_the_artifact_of_another_is_told_apart(root: Location) -> None:
    store = ArtifactStore(root)
    one, other = (store.commit(store.ref("a", 1, name=name), inputs={}, documents={"d": name.encode()}) for name in "xy")
    for file in Layout(root).artifact(other).files():
        below = file.relative_name(Layout(root).artifact(other)).split("/")
        Layout(root).artifact(one).child(*below).write_bytes(file.read_bytes())
    with pytest.raises(
        LostArtifactError, match=f"expected the record of a {one.fingerprint}, found that of a {other.fingerprint}"
    ):
        store.read_document(one, "d")
    assert store.read_document(other, "d") == b"y"
    assert store.committed(one) is None
    assert len(take_damage(root.url)) == 1


def test_an_artifact_that_was_made_again_meanwhile_is_not_discarded(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.commit(store.ref("a", 1), inputs={}, tensors={"x": np.zeros(2)})
    (file,) = Layout(root).artifact(ref).files(".safetensors")
    _flip(file)
    late = ArtifactStore(open_location(root.url))
    judged = late._record(ref)
    store.discard(ref)
    store.commit(ref, inputs={}, tensors={"x": np.ones(2)})
    late._lost(ref, file, "expected another content", judged[1])
    assert store.read_tensors(ref)["x"].tolist() == [1.0, 1.0]
    assert take_damage(root.url)


def test_an_artifact_of_an_older_mixval_is_made_again_without_a_word(root: Location) -> None:
    store = ArtifactStore(root)
    ref = store.commit(store.ref("a", 1), inputs={}, documents={"d": b"x"})
    record = Layout(root).artifact(ref).child(RECORD)
    old = json.loads(record.read_bytes())
    record.write_bytes(json.dumps({name: entry for name, entry in old.items() if name != "seal"} | {"files": ["d"]}).encode())
    assert store.committed(ref) is None
    store.commit(ref, inputs={}, documents={"d": b"y"})
    assert store.read_document(ref, "d") == b"y"
    assert take_damage(root.url) == []


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


def test_a_document_that_is_not_what_is_asked_for_is_discarded(root: Location) -> None:
    store = ArtifactStore(root)
    written = {"whole": b'{"retries": 2}', "broken": b'{"retries": "tw', "broken too": b'{"retries": "tw"}'}
    refs = [store.commit(store.ref("a", 1, n=n), inputs={}, documents={"d.json": data}) for n, data in written.items()]
    assert store.read_json(refs[0], "d.json") == {"retries": 2}
    assert store.read_model(refs[0], "d.json", RuntimeConfig).retries == 2
    with pytest.raises(LostArtifactError, match="expected a JSON document, found"):
        store.read_json(refs[1], "d.json")
    with pytest.raises(LostArtifactError, match="expected a RuntimeConfig, found"):
        store.read_model(refs[2], "d.json", RuntimeConfig)
    assert [store.committed(ref) is not None for ref in refs] == [True, False, False]
    assert len(take_damage(root.url)) == 2


def test_a_file_that_nobody_touches_is_read_for_its_digest_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(open_location(str(tmp_path)))
    ref = store.ref("loss", 1, rows="abc")
    store.commit(ref, inputs={}, tensors={"losses": np.arange(99.0)})
    (file,) = tmp_path.rglob("*.safetensors")
    whole, read = file.read_bytes(), records._digest.cache_info

    def looked(settled: int) -> int:
        monkeypatch.setattr(records, "SETTLED_NS", settled)
        before = read().misses
        np.testing.assert_array_equal(store.read_tensors(ref)["losses"], np.arange(99.0))
        return read().misses - before

    just_written, long_ago = 10**18, -(10**18)
    assert [looked(just_written), looked(long_ago), looked(long_ago)] == [0, 1, 0]
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(file, ns=(1, 1))  # another time than before, however the clock of this file system ticks
    with pytest.raises(LostArtifactError, match="expected the content"):
        store.read_tensors(ref)
