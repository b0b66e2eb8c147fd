"""Which Delta tables are held: those whose every feature a gate can append to and read without harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixval.errors import StorageError

if TYPE_CHECKING:
    from deltalake import DeltaTable

READER, WRITER = 3, 7
"""Newest versions of the protocol whose features are named one by one."""
HELD = {
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "timestampNtz",
    "domainMetadata",
    "vacuumProtocolCheck",
}
"""Features that tables may have: none of them changes what a file of rows means."""
_MODES = {
    "delta.columnMapping.mode": ("none", "column mapping"),
    "delta.enableDeletionVectors": ("false", "deletion vectors"),
    "delta.enableRowTracking": ("false", "row tracking"),
}
_COLUMNS = {
    "delta.generationExpression": "generated columns",
    "delta.identity.start": "identity columns",
    "delta.columnMapping.physicalName": "column mapping",
}


def refuse_unheld(handle: DeltaTable, url: str) -> None:
    """Raises StorageError where a table has a feature, or is of a version, that is not held, by its name."""
    found = _unheld(handle)
    if found:
        raise StorageError(
            f"{url}: expected a Delta table of features that a gate holds ({', '.join(sorted(HELD))}), found "
            f"{', '.join(dict.fromkeys(found))}. Rewrite the table without, or name another one."
        )


def _unheld(handle: DeltaTable) -> list[str]:
    protocol = handle.protocol()
    found = [
        f"version {version} of the protocol for {who}s"
        for version, newest, who in (
            (protocol.min_reader_version, READER, "reader"),
            (protocol.min_writer_version, WRITER, "writer"),
        )
        if version > newest
    ]
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    found += [_in_words(name) for name in sorted(features - HELD)]
    configured = handle.metadata().configuration or {}
    found += [words for name, (off, words) in _MODES.items() if str(configured.get(name, off)).lower() != off]
    return found + [words for field in handle.schema().fields for words in _column_features(field)]


def _column_features(field: Any) -> list[str]:
    return [words for name, words in _COLUMNS.items() if name in (field.metadata or {})]


def _in_words(feature: str) -> str:
    """`deletionVectors` as `deletion vectors`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in feature).strip()
