"""Which format a file is of, by the ending of its name, and the shard in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from mixval.config.source import StorageConfig
from mixval.contracts.plan import ShardRef
from mixval.errors import ShardError
from mixval.storage.arrow_file import ArrowFile
from mixval.storage.csv_file import Csv
from mixval.storage.held import HeldFile, held
from mixval.storage.json_lines import JsonLines
from mixval.storage.parquet import Parquet
from mixval.storage.reading import Format, OpenShard
from mixval.storage.root import open_location

FORMATS: tuple[Format, ...] = (Parquet(), ArrowFile(), Csv(), JsonLines())


def format_of(name: str) -> Format | None:
    """The format of a file with this name, or None where it is no data."""
    lower = name.lower()
    return next((one for one in FORMATS if lower.endswith(one.endings)), None)


@contextmanager
def open_shard(shard: ShardRef, options: StorageConfig) -> Iterator[OpenShard]:
    """A listed shard, of whatever format, with the content that was listed.

    Raises `ChangedFileError` for another content, now or while it is read; `ShardError` for one that cannot be read, or a name
    of no known ending.
    """
    with held(open_location(shard.url, options), shard.digest, shard.version) as file, open_format(file) as opened:
        yield opened


def open_format(file: HeldFile) -> AbstractContextManager[OpenShard]:
    """The shard in a file, by the ending of its name. Raises `ShardError` for one of no known ending."""
    location = file.location
    found = format_of(location.name)
    if found is None:
        raise ShardError(
            f"shard '{location.name}' ({location.url}): expected {known_formats()}, found the ending of another format. "
            "Convert it, or move it away.",
            shard=location.url,
            kind="unreadable",
        )
    return found.open(file)


def has_footer(name: str) -> bool:
    """Whether a file of this name says how many rows it has."""
    found = format_of(name)
    return found is None or found.has_footer


def known_formats() -> str:
    """The formats in words."""
    named = [f"{one.name} ({one.endings[0]})" for one in FORMATS]
    return f"{', '.join(named[:-1])} or {named[-1]}"
