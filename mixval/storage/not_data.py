"""Files that other programs leave beside data, and that are none: hidden ones, markers of folders, descriptions."""

from __future__ import annotations

from mixval.storage.formats import format_of
from mixval.storage.root import Location

_DESCRIPTIONS = ("readme", "license", "licence")
_MARKER = "_$folder$"
"""What Hadoop's clients append to the name of a folder, where the store has none."""
_BESIDE_ARROW = ("state.json", "dataset_info.json", "dataset_dict.json")
"""What `datasets` writes with `save_to_disk`."""


def is_hidden(name: str) -> bool:
    """Whether a path below a folder, or a folder above it, is hidden: `.` or `_` in front."""
    return any(_hides(segment) for segment in name.split("/"))


def without_markers(files: list[tuple[Location, str]]) -> list[tuple[Location, str]]:
    """The files, with their names below a folder, that are data or should be looked at.

    Left out are hidden ones, descriptions, markers of folders (`NAME_$folder$`, and objects without content or ending), and
    what `datasets` writes beside its data.
    """
    shown = [(file, name) for file, name in files if not is_hidden(name) and not _describes(name)]
    has_arrow = any(_is_arrow(name) for _, name in shown)
    return [(file, name) for file, name in shown if not _marks(file, name) and not (has_arrow and _is_beside_arrow(name))]


def _hides(segment: str) -> bool:
    # Hive folders of a column such as `_part=3/` are data.
    return segment.startswith(".") or (segment.startswith("_") and "=" not in segment)


def _describes(name: str) -> bool:
    return _base(name).lower().startswith(_DESCRIPTIONS)


def _marks(file: Location, name: str) -> bool:
    return name.endswith(_MARKER) or ("." not in _base(name) and format_of(name) is None and file.size() == 0)


def _is_arrow(name: str) -> bool:
    return name.lower().endswith(".arrow")


def _is_beside_arrow(name: str) -> bool:
    base = _base(name)
    return base in _BESIDE_ARROW or (base.startswith("cache-") and _is_arrow(base))


def _base(name: str) -> str:
    return name.rpartition("/")[2]
