"""The reference of a shard: digest and rows of the file as it is opened now, or the problem with it."""

from __future__ import annotations

from mixval.contracts.plan import ShardRef
from mixval.errors import ChangedFileError, MixvalError, ShardError, StorageError, TouchedFileError, reason_of
from mixval.storage.failures import concerns_one_file
from mixval.storage.formats import open_format
from mixval.storage.held import held
from mixval.storage.reading import unreadable
from mixval.storage.root import Location
from mixval.storage.tree import Entry

MOST_ROWS_A_BYTE = 8
"""Rows that differ take more than a bit each; millions of equal ones, or of nulls, take days to be checked row by row."""


def shard_of(entry: Entry, below: Location | None) -> ShardRef:
    """The shard of an entry. No link is followed out of `below`, where there is one."""
    file, name = entry.file, entry.name
    if entry.problem is not None:
        return unlisted(file, name, entry.problem)
    try:
        return _listed(file, name, below)
    except (ChangedFileError, TouchedFileError):  # somebody writes just now
        pass
    except StorageError as error:
        # One unreadable file concerns its contributor; a store that does not answer concerns the run.
        if not concerns_one_file(error):
            raise
        return unlisted(file, name, f"shard '{name}' {error}")
    try:
        return _listed(file, name, below)
    except (ChangedFileError, TouchedFileError) as error:
        return unlisted(file, name, f"shard '{name}' is being written. {error}")


def unlisted(file: Location, name: str, problem: str) -> ShardRef:
    """The reference of a file that is not read, for this reason."""
    return ShardRef(url=file.url, name=name, size_bytes=0, digest="unreadable", problem=problem)


def _listed(file: Location, name: str, below: Location | None) -> ShardRef:
    n_rows, n_row_groups, problem = 0, 0, None
    with held(file, below=below) as content:
        try:
            with open_format(content) as opened:
                n_rows, n_row_groups = opened.n_rows, opened.n_row_groups
            if not 0 <= n_rows <= MOST_ROWS_A_BYTE * content.size_bytes:
                raise unreadable(file, "data", f"it says that it has {n_rows:,} rows in {content.size_bytes:,} bytes")
        except ShardError as error:
            problem = str(error)
        except MixvalError:
            raise
        except Exception as error:  # whatever the content of one file raises in a reader
            problem = str(unreadable(file, "data", reason_of(error)))
    return ShardRef(
        url=file.url,
        name=name,
        size_bytes=content.size_bytes,
        digest=content.digest,
        n_rows=n_rows,
        n_row_groups=n_row_groups,
        problem=problem,
        version=content.version,
    )
