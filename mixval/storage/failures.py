"""One error for all failures of a store: what was expected, what was found, at which URL, what to do next.

fsspec raises OSError, botocore has a tree of its own, pyarrow raises a bare OSError with the AWS error in its text. All of
them leave this room as `StorageError`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from mixval.errors import NotAFileError, StorageError

Failure = Literal["missing", "missing-bucket", "denied", "no-credentials", "unreachable", "folder", "no-file", "full", "other"]

_REMEDY: dict[Failure, tuple[str, str]] = {
    "missing": ("nothing is there", "Check the spelling of the URL, and that the data has been written."),
    "missing-bucket": ("the bucket does not exist", "Create the bucket, or correct the URL."),
    "denied": ("access is denied", "Check the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or the permissions."),
    "no-credentials": ("no credentials were found", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `anonymous: true`."),
    "unreachable": ("the endpoint cannot be reached", "Check AWS_ENDPOINT_URL or `storage.endpoint_url`, and the network."),
    "folder": ("a folder stands where a file should, or a file where a folder should", "Correct the URL."),
    "no-file": (
        "no regular file is there, or no path leads to it",
        "Put the file itself there, under a shorter name if need be.",
    ),
    "full": ("the device or quota is full", "Free space, or write somewhere else."),
    "other": ("it failed", "Try again; if it fails again, look at the store's own log."),
}
_DENIED_CODES = {
    "403",
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AllAccessDisabled",
}
_MISSING_CODES = {"404", "NoSuchKey", "NotFound"}
_UNREACHABLE_NAMES = {
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError", "ProxyConnectionError",
    "HTTPClientError", "FSTimeoutError", "gaierror",
}  # fmt: skip
_NO_FILE = (errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.ENAMETOOLONG)
_CREDENTIAL_NAMES = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"}


@contextmanager
def storage_errors(url: str, doing: str, bucket_missing: Callable[[], bool] | None = None) -> Iterator[None]:
    """Raises `StorageError` in place of whatever the store's client raised while `doing` something at `url`.

    `bucket_missing` is called when nothing was found, to distinguish a missing bucket from a missing object.
    """
    try:
        yield
    except Exception as error:
        failure = classify(error)
        if failure is None:
            raise
        if failure == "missing" and bucket_missing is not None and bucket_missing():
            failure = "missing-bucket"
        came, remedy = _REMEDY[failure]
        raise StorageError(f"{url}: expected to {doing}, but {came} ({_short(error)}). {remedy}") from error


def classify(error: BaseException) -> Failure | None:
    """The kind of storage failure behind an exception, or None when it is something else, such as a bug."""
    if isinstance(error, StorageError) or not _from_a_store(error):
        return None
    code = client_code(error)
    by_code: list[tuple[bool, Failure]] = [
        (code == "NoSuchBucket" or "NO_SUCH_BUCKET" in str(error), "missing-bucket"),
        (_name_in(error, _CREDENTIAL_NAMES), "no-credentials"),
        (isinstance(error, PermissionError) or code in _DENIED_CODES or "ACCESS_DENIED" in str(error), "denied"),
        (isinstance(error, FileNotFoundError) or code in _MISSING_CODES, "missing"),
        (isinstance(error, (ConnectionError, TimeoutError)) or _name_in(error, _UNREACHABLE_NAMES), "unreachable"),
        ("NETWORK_CONNECTION" in str(error) or "curlCode" in str(error), "unreachable"),
        (isinstance(error, (IsADirectoryError, NotADirectoryError, FileExistsError)), "folder"),
        (getattr(error, "errno", None) in _NO_FILE, "no-file"),
        (getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT), "full"),
    ]
    return next((failure for holds, failure in by_code if holds), "other")


def concerns_one_file(error: StorageError) -> bool:
    """Whether the failure is that of a file, or of what stands in its place, and not that of the store."""
    if isinstance(error, NotAFileError):
        return True
    return error.__cause__ is not None and classify(error.__cause__) in ("missing", "denied", "folder", "no-file")


def client_code(error: BaseException | None) -> str | None:
    """The S3 error code in an exception or in what caused it, e.g. `NoSuchBucket`; None when there is none."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            code = str(response.get("Error", {}).get("Code", ""))
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return code or str(status)
        error = error.__cause__
    return None


def _from_a_store(error: BaseException) -> bool:
    module = type(error).__module__
    return isinstance(error, OSError) or module.startswith(("botocore", "aiobotocore", "aiohttp", "s3fs", "fsspec"))


def _name_in(error: BaseException, names: set[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    said = client_code(error) if text in ("", "None") else text[:240]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
