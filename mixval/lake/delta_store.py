"""Where a Delta table may lie, how delta-rs is told to reach it, and whether the store creates objects conditionally.

Keys are never handed on: delta-rs reads them from the environment, as the other clients do.
"""

from __future__ import annotations

import re

from mixval.config.source import StorageConfig
from mixval.config.url_secrets import stripped_url
from mixval.errors import ConditionUnsupportedError, StorageError
from mixval.storage import s3
from mixval.storage.entries import is_missing
from mixval.storage.root import Location, open_location

KINDS = ("file", "s3")
"""Schemes whose stores create an object only where none is, in one step that no other writer can come between."""

_MISREAD = {"file": "%\\[]^|", "s3": "%\\[]^|#?"}
"""Letters in a path that delta-rs takes for an escape or a separator, or ends at."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def gate_location(url: str, storage: StorageConfig | None, what: str) -> Location:
    """The location of the table or of the state. Raises ConditionUnsupportedError where neither can lie."""
    location = open_location(url, storage)
    if location.scheme not in KINDS:
        raise ConditionUnsupportedError(
            f"{location.url}: expected the {what} of a gate in a local folder or under s3://, found {location.scheme}://, "
            "where mixval cannot create an object only where none is, so two gates could take each other's place. Move it."
        )
    return location


def table_location(url: str, storage: StorageConfig | None) -> Location:
    """The location of a table. Raises StorageError for letters that delta-rs misreads, besides what `gate_location` raises."""
    location = gate_location(url, storage, "table")
    letters = _MISREAD[location.scheme]
    if misread := sorted({letter for letter in location.path if letter in letters or not letter.isprintable()}):
        raise StorageError(
            f"{location.url!r}: expected the URL of a table without any of {' '.join(letters)} and control characters, "
            f"found {', '.join(map(repr, misread))}. Rename the folder."
        )
    return location


def storage_options(location: Location) -> dict[str, str]:
    """What delta-rs is told beside the environment."""
    if location.scheme != "s3":
        return {}
    options = {"aws_conditional_put": "etag"}
    if region := s3.region_of(location.options):
        options["aws_region"] = region
    if endpoint := s3.endpoint_of(location.options):
        options |= {"aws_endpoint": endpoint, "aws_virtual_hosted_style_request": "false"}
        if endpoint.startswith("http://"):
            options["aws_allow_http"] = "true"
    if location.options.anonymous:
        options["aws_skip_signature"] = "true"
    return options


def refuse_file(location: Location) -> None:
    """Raises StorageError where a local file is in the place of a table."""
    path = location.local_path()
    if path is not None and path.exists() and not path.is_dir():
        raise StorageError(
            f"{location.url}: expected the folder of a Delta table, found a file. Correct the URL, or move it away."
        )


def refuse_other_folder(location: Location) -> None:
    """Raises StorageError where a folder without a table holds something: a table is not made among other files."""
    try:
        found = [*location.folders(), *(file.name for file in location.files(recursive=False))]
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return
        raise
    others = sorted(name for name in found if name != "_delta_log" and not name.startswith(s3.PROBE))
    if "_delta_log" in found:
        logs = location.child("_delta_log").files(recursive=False)
        others = sorted(file.name for file in logs if file.name.endswith((".json", ".parquet"))) or others
    if others:
        raise StorageError(
            f"{location.url}: expected a Delta table, or a folder with nothing in it, found no table but "
            f"{', '.join(repr(name) for name in others[:3])}{' and more' if len(others) > 3 else ''}. Correct the URL, or move "
            "these away."
        )


def failure_of_the_store(location: Location) -> StorageError | None:
    """What keeps the store from answering, in the words of its other clients, since delta-rs has no kinds. None for nothing."""
    if location.scheme != "s3":
        return None
    try:
        location.folders()
    except StorageError as error:
        bucket = location.path.partition("/")[0]
        return error if not is_missing(error) or s3.bucket_is_missing(location.options, bucket) else None
    return None


def plain_words(error: BaseException) -> str:
    """The first line of a failure in delta-rs, without its stack, its colours and secrets."""
    lines = _COLOURS.sub("", str(error)).strip().splitlines()
    return stripped_url(lines[0])[:400].rstrip(". ") if lines else type(error).__name__
