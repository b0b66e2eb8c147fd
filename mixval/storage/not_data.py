"""Files that other programs leave beside data, and that are none: hidden ones, markers of folders, descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mixval.storage.formats import format_of

if TYPE_CHECKING:
    from mixval.storage.tree import Entry

_DESCRIPTIONS = ("readme", "license", "licence")
_MARKER = "_$folder$"
"""What Hadoop's clients append to the name of a folder, where the store has none."""
_BESIDE_ARROW = ("state.json", "dataset_info.json", "dataset_dict.json")
"""What `datasets` writes with `save_to_disk`."""


def is_hidden(name: str) -> bool:
    """Whether a path below a folder, or a folder above it, is hidden: `.` or `_` in front."""
    return any(_hides(segment) for segment in name.split("/"))


def describes(name: str) -> bool:
    """Whether a file of this name describes data, as README and LICENSE files do."""
    return _base(name).lower().startswith(_DESCRIPTIONS)


def without_markers(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that are data or should be looked at, hidden files and descriptions left out before.

    Left out are markers of folders (`NAME_$folder$`, and objects without content or ending), and what `datasets` writes beside
    its data.
    """
    has_arrow = any(_is_arrow(entry.name) for entry in entries)
    return [one for one in entries if not _marks(one) and not (has_arrow and _is_beside_arrow(one.name))]


def _hides(segment: str) -> bool:
    # Hive folders of a column such as `_part=3/` are data.
    return segment.startswith(".") or (segment.startswith("_") and "=" not in segment)


def _marks(entry: Entry) -> bool:
    if entry.problem is not None:
        return False
    name = entry.name
    return name.endswith(_MARKER) or ("." not in _base(name) and format_of(name) is None and entry.size_bytes == 0)


def _is_arrow(name: str) -> bool:
    return name.lower().endswith(".arrow")


def _is_beside_arrow(name: str) -> bool:
    base = _base(name)
    return base in _BESIDE_ARROW or (base.startswith("cache-") and _is_arrow(base))


def _base(name: str) -> str:
    return name.rpartition("/")[2]
