"""Which format a file is of, by the ending of its name, and the shard in it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from mixval.errors import ShardError
from mixval.storage.arrow_file import ArrowFile
from mixval.storage.csv_file import Csv
from mixval.storage.json_lines import JsonLines
from mixval.storage.parquet import Parquet
from mixval.storage.reading import Format, OpenShard
from mixval.storage.root import Location

FORMATS: tuple[Format, ...] = (Parquet(), ArrowFile(), Csv(), JsonLines())


def format_of(name: str) -> Format | None:
    """The format of a file with this name, or None where it is no data."""
    lower = name.lower()
    return next((one for one in FORMATS if lower.endswith(one.endings)), None)


def open_shard(location: Location, digest: str) -> AbstractContextManager[OpenShard]:
    """The shard at a location, of whatever format. Raises ShardError for a name of no known ending."""
    found = format_of(location.name)
    if found is None:
        raise ShardError(
            f"shard '{location.name}' ({location.url}): expected {known_formats()}, found the ending of another format. "
            "Convert it, or move it away.",
            shard=location.url,
            kind="unreadable",
        )
    return found.open(location, digest)


def has_footer(name: str) -> bool:
    """Whether a file of this name says how many rows it has."""
    found = format_of(name)
    return found is None or found.has_footer


def known_formats() -> str:
    """The formats in words."""
    named = [f"{one.name} ({one.endings[0]})" for one in FORMATS]
    return f"{', '.join(named[:-1])} or {named[-1]}"
