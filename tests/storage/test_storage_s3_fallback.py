"""The pointer on S3 stores that do not swap conditionally: it still works, and says that it was not conditional.

moto's emulator stands behind a layer that drops conditions, as OpenStack Swift half does, or refuses to know them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from mixval.config.source import StorageConfig
from mixval.errors import ConflictError
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


@pytest.fixture(params=[dropping, refusing], ids=["drops conditions", "refuses conditions"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    """A prefix on such a store."""
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    server = make_server("127.0.0.1", 0, request.param(DomainDispatcherApplication(create_backend_app)), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="plain")
    client.close()
    try:
        yield open_location(f"s3://plain/{request.param.__name__}", StorageConfig(endpoint_url=endpoint))
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
