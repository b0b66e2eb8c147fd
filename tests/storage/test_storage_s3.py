"""Everything that storage promises, on a real S3 server where one is installed: see `tests/s3_server.py`."""

from __future__ import annotations

import gzip
import io
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest

from mixval.config.source import LimitsConfig, SourceConfig, StorageConfig
from mixval.errors import ChangedFileError, ConflictError, LostArtifactError, StorageError
from mixval.storage import s3
from mixval.storage.commit import ArtifactStore
from mixval.storage.damage import take_damage
from mixval.storage.held import _HeldObject
from mixval.storage.listing import list_contributors, list_target
from mixval.storage.parquet import Parquet
from mixval.storage.pointer import read_latest, swap_latest
from mixval.storage.root import Location, open_location
from mixval.storage.sample import draw_rows
from mixval.storage.shards import stream_rows
from tests.s3_server import S3Bucket

pytestmark = pytest.mark.s3

Write = Callable[..., None]


@pytest.fixture
def place(s3_bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> Location:
    """A prefix of its own, with the environment pointing at the server."""
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    return open_location(f"{s3_bucket.url}/{uuid.uuid4().hex}")


def in_threads(n: int, act: Callable[[int], None]) -> None:
    """Runs `act` in n threads that start together."""
    barrier = threading.Barrier(n)

    def run(number: int) -> None:
        barrier.wait()
        act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_bytes_round_trip(place: Location) -> None:
    assert not place.exists()
    names = ("b/2.parquet", "b/1.parquet", "a b%20ä/x.csv", "0.parquet")
    for name in names:
        place.child(*name.split("/")).write_bytes(name.encode())
    assert place.folders() == ["a b%20ä", "b"]
    assert [file.relative_name(place) for file in place.files()] == sorted(names)
    assert [file.name for file in place.files(".parquet", recursive=False)] == ["0.parquet"]
    file = place.child("b", "1.parquet")
    assert (file.read_bytes(), file.size(), file.is_file(), place.child("b").is_file()) == (b"b/1.parquet", 11, True, False)
    with file.open() as opened:
        opened.seek(2)
        assert opened.read() == b"1.parquet"
    file.delete()
    assert not file.exists()
    with pytest.raises(StorageError, match="nothing is there"):
        file.delete()


def test_the_digest_changes_with_the_object(place: Location) -> None:
    file = place.child("x")
    digests = []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        digests.append(file.content_digest())
    assert digests[0] == digests[2] != digests[1]


def test_one_of_eight_writes_if_absent(place: Location) -> None:
    file, won = place.child("once"), []
    in_threads(8, lambda number: won.append(number) if file.write_if_absent(str(number).encode()) else None)
    assert len(won) == 1
    assert file.read_bytes() == str(won[0]).encode()


def test_shards_are_listed_streamed_and_drawn(place: Location, write_shard: Write) -> None:
    text = [f"row {row}" for row in range(200)]
    for part in range(2):
        columns = {"text": text[part::2], "origin": ["real", "synthetic"] * 50}
        write_shard(place.child("in", "contributor=a%2Fb", f"{part}.parquet"), columns, 30)
    place.child("in", "contributor=a%2Fb", "bad.parquet").write_bytes(b"no Parquet")
    source = SourceConfig(contributors=place.child("in").url, target=place.child("in", "contributor=a%2Fb", "0.parquet").url)
    shards = list_contributors(source)["a/b"]
    assert [(shard.name, shard.n_rows, shard.n_row_groups) for shard in shards] == [
        ("0.parquet", 100, 4),
        ("1.parquet", 100, 4),
        ("bad.parquet", 0, 0),
    ]
    assert "expected a Parquet file" in str(shards[2].problem)
    assert [shard.n_rows for shard in list_target(source)] == [100]

    def draw(batch_rows: int) -> pa.Table:
        batches = stream_rows(shards[:2], source, "language-modelling", batch_rows)
        return draw_rows(batches, "language-modelling", count=20, n_real=100, n_synthetic=100, seed=0)

    assert draw(7).equals(draw(1000))
    first = place.child("in", "contributor=a%2Fb", "0.parquet")
    first.delete()
    with pytest.raises(ChangedFileError, match="found nothing: it was removed"):
        draw(7)
    first.write_bytes(b"overwritten since")
    with pytest.raises(ChangedFileError, match="as it was listed, found"):
        draw(7)


@pytest.mark.parametrize("change", ["overwritten", "cut", "removed", "exchanged", "written again"])
def test_an_object_that_changes_before_or_while_it_is_read_is_told(place: Location, write_shard: Write, change: str) -> None:
    """Written again is what an entity tag alone would not tell: the store's time does."""
    files = [place.child("in", name, "0.parquet") for name in "ab"]
    for file, word in zip(files, ("heron", "otter"), strict=True):
        write_shard(file, {"text": [f"{word} {i}" for i in range(300)], "origin": ["real"] * 300}, 50)
    source = SourceConfig(contributors=place.child("in").url, target=files[1].url)
    shards = list_contributors(source)["a"]
    assert shards[0].version
    contents = [file.read_bytes() for file in files]
    batches = stream_rows(shards, source, "language-modelling", 50)
    next(batches)
    if change == "written again":
        earlier = [replace(shard, version="2001-01-01T00:00:00+00:00") for shard in shards]
        with pytest.raises(ChangedFileError, match="expected version 2001"):
            next(stream_rows(earlier, source, "language-modelling", 50))
        assert sum(batch.table.num_rows for batch in batches) == 250
        return
    if change == "removed":
        files[0].delete()
    else:
        files[0].write_bytes(contents[1] if change != "cut" else contents[0][:-9])
    if change == "exchanged":
        files[1].write_bytes(contents[0])
    with pytest.raises(ChangedFileError):
        list(batches)
    with pytest.raises(ChangedFileError):
        next(stream_rows(shards, source, "language-modelling", 50))


def test_more_objects_than_are_read_refuse_their_contributor_whatever_they_are(place: Location, write_shard: Write) -> None:
    for name in ("few", "many"):
        write_shard(place.child("in", name, "z.parquet"), {"text": ["a"], "origin": ["real"]})
    bucket, _, prefix = place.path.partition("/")
    for number in range(4):  # markers of folders, which are no files, come first
        place.filesystem().call_s3("put_object", Bucket=bucket, Key=f"{prefix}/in/many/{number}/", Body=b"")
    source = SourceConfig(contributors=place.child("in").url, target=place.child("t").url, limits={"files": 3})
    found = {name: [shard.problem for shard in shards] for name, shards in list_contributors(source).items()}
    assert found["few"] == [None]
    assert "at most 3 files" in str(found["many"])
    whole = source.model_copy(update={"limits": LimitsConfig(files=5)})
    assert [shard.name for shard in list_contributors(whole)["many"]] == ["z.parquet"]


def test_every_format_is_listed_streamed_and_drawn(place: Location) -> None:
    table = pa.table({"text": [f"row {row}" for row in range(60)], "origin": ["real"] * 60})
    lines, arrow, commas = io.BytesIO(), io.BytesIO(), io.BytesIO()
    lines.write(b"".join(json.dumps(row).encode() + b"\n" for row in table.to_pylist()))
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table, 9)
    pc.write_csv(table, commas)
    files = {"x.jsonl.gz": gzip.compress(lines.getvalue()), "x.arrow": arrow.getvalue(), "x.csv": commas.getvalue()}
    for name, content in files.items():
        place.child(name[2:4], "2026", name).write_bytes(content)
        place.child(name[2:4], "2026_$folder$").write_bytes(b"")
        place.child(name[2:4], "2026").write_bytes(b"")
    source = SourceConfig(contributors=place.url, target=place.child("none").url)
    drawn = []
    for shards in list_contributors(source).values():
        assert [(shard.n_rows, shard.problem) for shard in shards] == [(60, None)]
        batches = stream_rows(shards, source, "language-modelling", 7)
        drawn.append(draw_rows(batches, "language-modelling", count=20, n_real=60, n_synthetic=0, seed=0))
    assert len(drawn) == 3
    assert drawn[0].equals(drawn[1])
    assert drawn[0].equals(drawn[2])


def test_artifacts(place: Location) -> None:
    store = ArtifactStore(place)
    ref = store.ref("loss", 1, rows="x")
    assert store.committed(ref) is None
    in_threads(2, lambda number: store.commit(ref, inputs={}, tensors={"x": np.full(3, number)}, numbers={"x": number}))
    record = store.committed(ref)
    assert record is not None
    np.testing.assert_array_equal(store.read_tensors(ref)["x"], np.full(3, record.numbers["x"]))
    (file,) = place.files(f"{record.folder}/data.safetensors")
    file.delete()
    with pytest.raises(LostArtifactError, match="expected a file that its record names") as caught:
        store.read_tensors(ref)
    assert file.url in str(caught.value)
    assert store.committed(ref) is None
    store.commit(ref, inputs={}, tensors={"x": np.full(3, 7)})
    (file,) = place.files("data.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(LostArtifactError, match="expected the content"):
        store.read_tensors(ref)
    assert len(take_damage(place.url)) == 2


def test_exactly_one_of_eight_swaps(place: Location) -> None:
    assert read_latest(place) is None
    for expected in (None, "standing"):
        before = read_latest(place)
        assert (before is None) == (expected is None)
        won, lost = [], []

        def race(number: int, before: object = before, won: list[object] = won, lost: list[object] = lost) -> None:
            try:
                won.append(swap_latest(place, f"r{number}", "f", before))  # type: ignore[arg-type]  # bound in the loop
            except ConflictError as error:
                lost.append(error)

        in_threads(8, race)
        assert (len(won), len(lost)) == (1, 7)
        assert won[0].conditional
        assert read_latest(place) == won[0].latest
    assert [file.name for file in place.files()] == ["latest.json"]


def test_a_stale_pointer_is_refused(place: Location) -> None:
    first = swap_latest(place, "r1", "f", None).latest
    swap_latest(place, "r2", "f", first)
    for stale in (first, None):
        with pytest.raises(ConflictError, match="found run 'r2'"):
            swap_latest(place, "r3", "f", stale)


class Unseen(_HeldObject):
    """An object that was there a moment ago, when it was looked at."""

    def __init__(self, location: Location) -> None:
        self.location, self.size_bytes, self.digest, self.version = location, 1, "", ""


def opened_as_parquet(place: Location) -> None:
    with Parquet().open(Unseen(place)):
        pass


ACTS = {
    "folders": Location.folders,
    "files": Location.files,
    "read": Location.read_bytes,
    "write": lambda place: place.write_bytes(b"x"),
    "create": lambda place: place.write_if_absent(b"x"),
    "parquet": opened_as_parquet,
    "swap": lambda place: swap_latest(place, "r", "f", None),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_missing_bucket_is_told(place: Location, act: str) -> None:
    missing = open_location(f"s3://mixval-none-{uuid.uuid4().hex[:8]}/x")
    with pytest.raises(StorageError, match="the bucket does not exist") as caught:
        ACTS[act](missing)
    assert missing.url in str(caught.value)


@pytest.mark.parametrize("act", ACTS)
def test_a_denied_key_is_told(place: Location, s3_bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    if not s3_bucket.checks_keys:
        return
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="access is denied") as caught:
        ACTS[act](place)
    assert place.url in str(caught.value)
    assert "wrong" not in str(caught.value)


@contextmanager
def hanging_up() -> Iterator[tuple[str, list[int]]]:
    """An endpoint that hears a request and ends the connection without an answer, and the port of each who tried."""
    tried: list[int] = []

    def answer() -> None:
        while True:
            try:
                connection, (_, port) = listener.accept()
            except OSError:  # shut down
                return
            with connection:
                tried.append(port)
                connection.recv(2**16)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", tried
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("act", ["folders", "read", "write", "create", "swap", "parquet"])
def test_an_unreachable_endpoint_is_told_after_few_attempts(monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-word")
    with hanging_up() as (silent, tried):
        # Attempts are counted where they arrive; pyarrow's, which pause for seconds, are not made a second time.
        for endpoint in (silent,) if act == "parquet" else (silent, "http://127.0.0.1:9"):
            place = open_location("s3://bucket/x", StorageConfig(endpoint_url=endpoint))
            with pytest.raises(StorageError, match="the endpoint cannot be reached") as caught:
                ACTS[act](place)
            assert "secret-word" not in str(caught.value)
    # s3fs repeats what botocore has repeated, and aiohttp once where a connection ends: left to themselves, 25 times and more.
    most = s3.PARQUET_ATTEMPTS if act == "parquet" else 2 * s3.ATTEMPTS**2
    assert 1 < len(tried) <= most


def test_a_store_that_ignores_conditions_is_found_out(place: Location) -> None:
    # The probe's own condition cannot hold, so a store that honours it leaves nothing behind.
    assert not s3.ignores_conditions(place.filesystem(), f"{place.path}/probe")
    assert not place.child("probe").exists()


def test_nothing_secret_travels_with_a_location(place: Location, s3_bucket: S3Bucket) -> None:
    import pickle

    place.write_if_absent(b"x")
    assert s3_bucket.secret.encode() not in pickle.dumps(place)
    assert s3_bucket.secret not in repr(place)
