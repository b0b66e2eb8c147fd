"""What the log of a Delta table says of each version: which files came and went, and whether their rows are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from mixval.contracts.json_text import read_json
from mixval.errors import ContractError, StorageError
from mixval.lake.delta_rows import logged_file
from mixval.lake.table import TableChange, TableFile
from mixval.storage.records import read_if_there
from mixval.storage.root import Location


def logged_changes(
    table: Location, after: int, until: int, files_of: Callable[[int], Sequence[TableFile]]
) -> list[TableChange] | None:
    """The changes of the versions after the one and up to the other; None where one's entry has been cleared away.

    `files_of` counts the rows of a version whose writer did not.
    """
    found = []
    for version in range(after + 1, until + 1):
        data = read_if_there(table.child("_delta_log", f"{version:020d}.json"))
        if data is None:
            return None
        found.append(_change(version, _actions(table, version, data), files_of))
    return found


def _change(version: int, actions: list[dict[str, Any]], files_of: Callable[[int], Sequence[TableFile]]) -> TableChange:
    adds = [one["add"] for one in actions if one.get("add")]
    removes = [one["remove"] for one in actions if one.get("remove")]
    known = [logged_file(one) for one in adds]
    added = [file for file in known if file is not None]
    if len(added) < len(adds):
        paths = {unquote(one["path"]) for one in adds}
        added = [file for file in files_of(version) if file.path in paths]
    return TableChange(
        version,
        added=tuple(sorted(added, key=lambda file: file.path)),
        removed=tuple(sorted(unquote(one["path"]) for one in removes)),
        rearranges=not any(one.get("dataChange", True) for one in (*adds, *removes)),
    )


def _actions(table: Location, version: int, data: bytes) -> list[dict[str, Any]]:
    try:
        found = [read_json(line) for line in data.splitlines() if line.strip()]
    except (ValueError, ContractError) as error:
        raise StorageError(
            f"{table.url}: expected the log entry of version {version} as JSON lines, found another thing: {error}. The table "
            "is damaged: restore its log from a copy."
        ) from error
    return [one for one in found if isinstance(one, dict)]
