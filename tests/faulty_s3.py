"""S3 stores that do less than they should: moto's emulator behind a layer that drops conditions, as OpenStack Swift half does,
refuses to know them, keeps them in two steps, or is busy."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from mixval.config.source import StorageConfig
from mixval.storage.root import Location, open_location

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


def in_two_steps(application: Application) -> Application:
    """The store that looks whether an object is there, and then writes it: two who look at once both write."""
    looked = threading.Barrier(2)

    def serve(environ: dict[str, Any], respond: Callable[..., Any]) -> Any:
        if environ.get("HTTP_IF_NONE_MATCH") != "*":
            return application(environ, respond)
        plain = {name: value for name, value in environ.items() if name not in CONDITIONS}
        said: list[str] = []
        length = environ.pop("CONTENT_LENGTH", "0")
        b"".join(application({**plain, "REQUEST_METHOD": "HEAD"} | {"CONTENT_LENGTH": "0"}, lambda *a: said.append(a[0])))
        if said[0].startswith("200"):
            environ["wsgi.input"].read(int(length))
            body = b"<?xml version='1.0'?><Error><Code>PreconditionFailed</Code><Message>there</Message></Error>"
            respond("412 Precondition Failed", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        with suppress(threading.BrokenBarrierError):
            looked.wait(timeout=0.2)
        looked.reset()
        return application(plain, respond)

    return serve


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
