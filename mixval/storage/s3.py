"""S3 clients: s3fs for listings and small objects, pyarrow's own for Parquet (2 to 5 times faster), conditional puts.

The environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, ...) is read here, when a client is made.
Clients are kept per process, per options and per environment, so changed credentials take effect and a fork starts anew.
Checksums are sent only where S3 demands them: S3-compatible stores refuse the newer defaults.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from functools import lru_cache
from typing import Any

import pyarrow.fs as pafs

from mixval.config.source import StorageConfig
from mixval.errors import ConditionUnsupportedError
from mixval.storage.failures import client_code

CONNECT_SECONDS = 2
"""Seconds to wait for a connection; with `ATTEMPTS` an unreachable endpoint is detected within about ten seconds."""
READ_SECONDS = 60
ATTEMPTS = 2
PARQUET_ATTEMPTS = 7
"""Attempts of pyarrow's client, with doubling pauses: a gateway that is away for three seconds is waited for."""
BUSY_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between tries of a store that answers that it is busy: where every fifth answer says so, all six tries of a request
find it busy once in 240 million, since each is `ATTEMPTS` attempts."""

PROBE = ".probe-"
"""How names of objects begin that are written and removed to find out what a store does."""

_REFUSED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "500", "502", "503", "504"}
_UNSUPPORTED = {"NotImplemented", "501", "MethodNotAllowed", "405", "InvalidArgument"}


def object_filesystem(options: StorageConfig) -> Any:
    """An s3fs file system for these options."""
    return _object_filesystem(options, _environment(), os.getpid())


def parquet_filesystem(options: StorageConfig) -> pafs.S3FileSystem:
    """A pyarrow S3 file system for these options."""
    return _parquet_filesystem(options, _environment(), os.getpid())


def endpoint_of(options: StorageConfig) -> str | None:
    """The endpoint in force: the configured one, else the environment's, else None for AWS."""
    return options.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def put_if(filesystem: Any, path: str, data: bytes, *, match: str | None) -> str | None:
    """The new entity tag, or None when the condition does not hold.

    `match=None` puts only where nothing is; else only over the object with that entity tag. Raises
    `ConditionUnsupportedError` when the store does not support the condition.
    """
    if match is None:
        return _put(filesystem, path, data, IfNoneMatch="*")
    # AWS and most stores want the tag in quotes; Ceph's gateway compares it without them.
    return _put(filesystem, path, data, IfMatch=f'"{match}"') or _put(filesystem, path, data, IfMatch=match)


def ignores_conditions(filesystem: Any, path: str) -> bool:
    """Whether the store puts an object at `path` in spite of a condition that cannot hold. The probe object is removed."""
    try:
        accepted = _put(filesystem, path, b"probe", IfMatch=f'"{"0" * 32}"') is not None
    except ConditionUnsupportedError:
        return True
    if accepted:
        filesystem.rm_file(path)
    return accepted


def bucket_is_missing(options: StorageConfig, bucket: str) -> bool:
    """Whether the store reports that there is no such bucket."""
    try:
        object_filesystem(options).call_s3("head_bucket", Bucket=bucket)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _put(filesystem: Any, path: str, data: bytes, **condition: str) -> str | None:
    bucket, _, key = path.partition("/")
    try:
        answer = filesystem.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
    except FileExistsError:
        return None
    except OSError as error:
        code = client_code(error)
        if code in _REFUSED or (code in {"NoSuchKey", "404"} and "IfMatch" in condition):
            return None
        if code in _UNSUPPORTED:
            raise ConditionUnsupportedError(
                f"s3://{path}: expected a store that writes under a condition, found {error}. Take one that supports If-Match "
                f"and If-None-Match."
            ) from error
        raise
    return str(answer["ETag"]).strip('"')


@lru_cache(maxsize=16)
def _object_filesystem(options: StorageConfig, _environment: str, _process: int) -> Any:
    endpoint = endpoint_of(options)
    filesystem = _patient_class()(
        anon=options.anonymous,
        endpoint_url=endpoint,
        client_kwargs={"region_name": region} if (region := region_of(options)) else {},
        config_kwargs={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retries": {"total_max_attempts": ATTEMPTS, "mode": "standard"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "s3": {"addressing_style": "path" if endpoint else "auto"},
        },
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    filesystem.retries = ATTEMPTS
    return filesystem


@lru_cache(maxsize=1)
def _patient_class() -> Any:
    """s3fs's file system, which asks a busy store again. Made when it is needed, since importing s3fs takes a second."""
    import s3fs
    from fsspec.asyn import sync_wrapper

    class PatientFileSystem(s3fs.S3FileSystem):  # type: ignore[misc]
        async def _call_s3(self, method: str, *given: Any, **named: Any) -> Any:
            for pause in BUSY_PAUSES:
                try:
                    return await super()._call_s3(method, *given, **named)
                except OSError as error:
                    if client_code(error) not in _BUSY:
                        raise
                await asyncio.sleep(pause)
            return await super()._call_s3(method, *given, **named)

        call_s3 = sync_wrapper(_call_s3)

    return PatientFileSystem


@lru_cache(maxsize=16)
def _parquet_filesystem(options: StorageConfig, _environment: str, _process: int) -> pafs.S3FileSystem:
    scheme, _, host = (endpoint_of(options) or "").rpartition("://")
    return pafs.S3FileSystem(
        anonymous=options.anonymous,
        endpoint_override=host or None,
        scheme=scheme or "https",
        region=region_of(options),
        connect_timeout=CONNECT_SECONDS,
        request_timeout=READ_SECONDS,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=PARQUET_ATTEMPTS),
    )


def region_of(options: StorageConfig) -> str | None:
    """The region in force: the configured one, else the environment's, else that of S3-compatible endpoints."""
    given = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return given or ("us-east-1" if endpoint_of(options) else None)


def _environment() -> str:
    # A digest, so that no secret is kept as a cache key.
    text = "\x1f".join(f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("AWS_"))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
