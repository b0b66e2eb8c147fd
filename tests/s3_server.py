"""The S3 server that tests marked `s3` run against: a given endpoint, else Ceph's gateway, else moto's emulator.

`MIXVAL_TEST_S3_ENDPOINT` names an endpoint that is running already, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY beside it.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import ceph

REGION = "us-east-1"


@dataclass(frozen=True)
class S3Bucket:
    """A fresh bucket on a running server."""

    bucket: str
    endpoint: str
    key: str
    secret: str
    server_name: str
    """Which server it is, so that a report can say so."""
    checks_keys: bool = True
    """Whether a wrong secret is refused. The emulator lets everybody in."""

    @property
    def url(self) -> str:
        """A prefix in the bucket."""
        return f"s3://{self.bucket}/mixval"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which clients find the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def serve_s3() -> Iterator[S3Bucket]:
    """A bucket on the first server that can be had."""
    given = os.environ.get("MIXVAL_TEST_S3_ENDPOINT")
    if given:
        keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        yield _make_bucket(given, *keys, f"the endpoint {given}")
    elif ceph.is_installed():
        gateway = ceph.start_gateway(Path(tempfile.mkdtemp(prefix="mixval-ceph-")))
        try:
            yield _make_bucket(gateway.endpoint, ceph.KEY, ceph.SECRET, "Ceph RADOS Gateway")
        finally:
            gateway.stop()
    else:
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield _make_bucket(f"http://{host}:{port}", "testkey", "testsecret", "moto (an emulator)", checks_keys=False)
        finally:
            server.stop()


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[S3Bucket]:
    """One bucket for the session. Tests point clients at it by `monkeypatch.setenv` with its `environment`."""
    with serve_s3() as bucket:
        yield bucket


def _make_bucket(endpoint: str, key: str, secret: str, server_name: str, checks_keys: bool = True) -> S3Bucket:
    import boto3
    from botocore.config import Config

    made = S3Bucket(f"mixval-{uuid.uuid4().hex[:12]}", endpoint, key, secret, server_name, checks_keys)
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name=REGION,
        config=Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=made.bucket)
    client.close()
    return made
