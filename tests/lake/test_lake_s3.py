"""The same guarantees over the wire: an S3 server with inbox, state and table, and stores that do not keep conditions."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.gate.scene import Gate, accepted, config_at, count, deliver, lay_out, race, run_until, shard, start
from mixval.config.source import StorageConfig
from mixval.contracts.ingestion import Delivery
from mixval.errors import ChangedFileError, ConditionUnsupportedError, StorageError
from mixval.lake import conditions, staging
from mixval.lake.columns import lineage_schema
from mixval.lake.delta import open_table
from mixval.lake.inbox import InboxListing, list_inbox
from mixval.lake.ledger import Ledger
from mixval.lake.staging import pin, repin
from mixval.lake.steps import Step
from mixval.storage.root import open_location
from tests.faulty_s3 import dropping, in_two_steps, refusing, served
from tests.s3_server import S3Bucket

pytestmark = pytest.mark.s3


@pytest.fixture
def gate(s3_bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gate over a fresh prefix of the bucket."""
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    return Gate(config_at(f"{s3_bucket.url}/{uuid.uuid4().hex}"))


def only(gate: Gate) -> Delivery:
    [found] = list_inbox(gate.config).deliveries
    return found


def test_gates_that_race_over_the_wire_bring_every_row_in_once(gate: Gate, s3_bucket: S3Bucket) -> None:
    texts = lay_out(gate, 3)
    assert race(gate, 3, s3_bucket.environment) == [0, 0, 0]
    found = count(gate, texts)
    assert (found.n_rows, found.lost, found.doubled, found.decisions_lost) == (31, 0, 0, 0)


@pytest.mark.parametrize("step", ["decided", "committing"])
def test_a_gate_that_is_killed_over_the_wire(gate: Gate, s3_bucket: S3Bucket, step: Step) -> None:
    texts = lay_out(gate, 1, has_table=False)
    killed = start(run_until, gate, step, environment=s3_bucket.environment)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    gate.run()
    found = count(gate, texts)
    assert (found.n_rows, found.lost, found.doubled, found.decisions_lost) == (10, 0, 0, 0)


def test_an_inbox_of_objects(gate: Gate) -> None:
    assert list_inbox(gate.config) == InboxListing((), (), (), ())
    for name in ("contributor=a%2Fb/x.parquet", "b/_y.parquet", "b/y.csv"):
        deliver(gate.config, name, shard(name))
    found = list_inbox(gate.config)
    assert [(one.contributor, one.name) for one in found.deliveries] == [
        ("b", "b/y.csv"),
        ("a/b", "contributor=a%2Fb/x.parquet"),
    ]
    assert [one.name for one in found.ignored] == ["b/_y.parquet"]
    missing = gate.config.model_copy(update={"inbox": f"s3://{uuid.uuid4().hex}/inbox"})
    with pytest.raises(StorageError, match="bucket does not exist"):
        list_inbox(missing)


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b"])
def test_keys_that_are_misread_are_refused(name: str) -> None:
    """delta-rs ends at a `#`, and the table would lie elsewhere."""
    with pytest.raises(StorageError, match="expected the URL of a table without any of"):
        open_table(f"s3://bucket/{name}/t")


def test_a_table_that_cannot_be_reached_is_said_without_keys(
    gate: Gate, s3_bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(url: str, options: StorageConfig | None = None) -> str:
        with pytest.raises(StorageError) as raised:
            open_table(url, options).version()
        assert s3_bucket.secret not in str(raised.value)
        return str(raised.value)

    assert "the bucket does not exist" in said(f"s3://{uuid.uuid4().hex}/t")
    assert "cannot be reached" in said("s3://bucket/t", StorageConfig(endpoint_url="http://127.0.0.1:1"))
    if s3_bucket.checks_keys:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        assert "access is denied" in said(gate.config.table)


def test_an_object_that_is_overwritten_or_removed_before_it_is_read_waits(gate: Gate) -> None:
    file = deliver(gate.config, "a/x.parquet", shard("one"))
    delivery, was = only(gate), file.read_bytes()
    pinned = pin(delivery, gate.config, gate.ledger)
    deliver(gate.config, "a/x.parquet", shard("two"))
    assert open_location(pinned.url).read_bytes() == was
    assert repin(pinned.digest, delivery.name, gate.ledger).read_bytes() == was
    assert pin(delivery, gate.config, gate.ledger) == pinned  # the version that was listed lies in staging
    third = only(gate).model_copy(update={"version": "0" * 32})
    with pytest.raises(ChangedFileError, match="overwritten while it was copied"):
        pin(third, gate.config, gate.ledger)
    listed = only(gate)
    file.delete()
    with pytest.raises(ChangedFileError, match="it was removed"):
        pin(listed, gate.config, gate.ledger)


def test_an_object_that_is_overwritten_while_it_is_read_waits(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(staging, "CHUNK_BYTES", 1 << 12)
    rows = shard("one", 50_000)
    file = deliver(gate.config, "a/x.parquet", rows, compression="none")
    delivery = only(gate)
    original, n_left = staging._hashed, [1]

    def overwritten_then_hashed(opened: Any, spool: Any) -> str:
        opened.read(1 << 12)
        if n_left.pop():
            file.write_bytes(b"x" * delivery.size_bytes)
        return original(opened, spool)

    monkeypatch.setattr(staging, "_hashed", overwritten_then_hashed)
    with pytest.raises(ChangedFileError, match="overwritten while it was copied"):
        pin(delivery, gate.config, gate.ledger)
    assert not gate.ledger.state.child("staging").exists()


@pytest.fixture(params=[dropping, refusing, in_two_steps])
def plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageConfig]:
    """A store that does not create an object only where none is."""
    monkeypatch.setattr(conditions, "_FOUND", set())
    layer: Callable[..., Any] = request.param
    with served(layer, monkeypatch) as location:
        yield location.options


def test_a_store_without_conditional_creation_is_refused_before_anything_is_written(plain: StorageConfig) -> None:
    gate = Gate(config_at("s3://plain/gate", storage=plain))
    deliver(gate.config, "a/x.parquet", shard("one"))
    decision = accepted(staging.PinnedDelivery(delivery=only(gate), digest="a" * 64, url=""), 0, None, 10)
    before = [file.url for file in open_location("s3://plain/gate", plain).files()]
    for write in (
        lambda: pin(only(gate), gate.config, Ledger(gate.config)),
        lambda: gate.ledger.decide(decision),
        lambda: gate.ledger.claim("a" * 64),
        lambda: gate.table.create(lineage_schema(shard("s").schema)),
    ):
        with pytest.raises(ConditionUnsupportedError, match="expected a store that creates an object for one of 8 writers"):
            write()
    assert [file.url for file in open_location("s3://plain/gate", plain).files()] == before
