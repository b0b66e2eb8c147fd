"""S3 stores that do less than they should: the pointer works without conditions and says so, and a busy store is asked again.

moto's emulator stands behind a layer that drops conditions, as OpenStack Swift half does, or refuses to know them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from mixval.config.source import StorageConfig
from mixval.errors import ConflictError, StorageError
from mixval.storage import s3
from mixval.storage.pointer import read_latest, swap_latest
from mixval.storage.root import Location, open_location

pytestmark = pytest.mark.s3

CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


def dropping(application: Application) -> Application:
    """The store without an eye for conditions."""

    def serve(environ: dict[str, Any], respond: Callable[..., Any]) -> Any:
        return application({name: value for name, value in environ.items() if name not in CONDITIONS}, respond)

    return serve


def refusing(application: Application) -> Application:
    """The store answering 501 to conditions."""

    def serve(environ: dict[str, Any], respond: Callable[..., Any]) -> Any:
        if not any(name in environ for name in CONDITIONS):
            return application(environ, respond)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = b"<?xml version='1.0'?><Error><Code>NotImplemented</Code><Message>no conditions here</Message></Error>"
        respond("501 Not Implemented", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    return serve


def busy(application: Application) -> Application:
    """The store answering two of three requests with 503."""
    asked = itertools.count(1)

    def serve(environ: dict[str, Any], respond: Callable[..., Any]) -> Any:
        if next(asked) % 3 == 0:
            return application(environ, respond)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = b"<?xml version='1.0'?><Error><Code>ServiceUnavailable</Code><Message>busy</Message></Error>"
        respond("503 Service Unavailable", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return serve


@pytest.fixture(params=[dropping, refusing], ids=["drops conditions", "refuses conditions"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    """A prefix on such a store."""
    with served(request.param, monkeypatch) as location:
        yield location


@contextmanager
def served(layer: Callable[[Application], Application], monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    """A prefix on the emulator behind a layer."""
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    server = make_server("127.0.0.1", 0, layer(DomainDispatcherApplication(create_backend_app)), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="plain")
    client.close()
    try:
        yield open_location(f"s3://plain/{layer.__name__}", StorageConfig(endpoint_url=endpoint))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_swaps_go_on_and_say_so(place: Location) -> None:
    assert s3.ignores_conditions(place.filesystem(), f"{place.path}/probe")
    first = swap_latest(place, "r1", "f", None)
    second = swap_latest(place, "r2", "f", first.latest)
    assert (first.conditional, second.conditional) == (False, False)
    assert read_latest(place) == second.latest
    for stale in (None, first.latest):
        with pytest.raises(ConflictError, match="found run 'r2'"):
            swap_latest(place, "r3", "f", stale)
    assert [file.name for file in place.files()] == ["latest.json"]


def test_a_busy_store_is_asked_again_by_listings_reads_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "BUSY_PAUSES", (0.0,) * 5)
    monkeypatch.setattr(s3, "ATTEMPTS", 1)  # botocore waits a second at random before its own second attempt
    with served(busy, monkeypatch) as place:
        for name in ("a", "b"):
            place.child(name, "rows.txt").write_bytes(name.encode())
        assert place.folders() == ["a", "b"]
        assert [file.read_bytes() for file in place.files()] == [b"a", b"b"]
        with place.child("b", "rows.txt").open() as file:
            assert file.read() == b"b"
        assert place.child("c").write_if_absent(b"c")
        monkeypatch.setattr(s3, "BUSY_PAUSES", ())
        with pytest.raises(StorageError, match=r"expected to list a folder, but it failed .*busy"):
            place.folders()
