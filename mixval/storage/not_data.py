"""Files that other programs leave beside data, and that are none: hidden ones, markers of folders, descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from mixval.storage.formats import format_of

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


class Named(Protocol):
    """A file of a listing."""

    @property
    def name(self) -> str:
        """Path below the folder."""

    @property
    def size_bytes(self) -> int:
        """Bytes of it."""


File = TypeVar("File", bound=Named)


def without_markers(files: Sequence[File]) -> list[File]:
    """The files that are data or should be looked at.

    Left out are hidden ones, descriptions, markers of folders (`NAME_$folder$`, and objects without content or ending), and
    what `datasets` writes beside its data.
    """
    shown = [one for one in files if not is_hidden(one.name) and not describes(one.name)]
    has_arrow = any(_is_arrow(one.name) for one in shown)
    return [one for one in shown if not _marks(one) and not (has_arrow and _is_beside_arrow(one.name))]


def _hides(segment: str) -> bool:
    # Hive folders of a column such as `_part=3/` are data.
    return segment.startswith(".") or (segment.startswith("_") and "=" not in segment)


def _marks(one: Named) -> bool:
    return one.name.endswith(_MARKER) or ("." not in _base(one.name) and format_of(one.name) is None and one.size_bytes == 0)


def _is_arrow(name: str) -> bool:
    return name.lower().endswith(".arrow")


def _is_beside_arrow(name: str) -> bool:
    base = _base(name)
    return base in _BESIDE_ARROW or (base.startswith("cache-") and _is_arrow(base))


def _base(name: str) -> str:
    return name.rpartition("/")[2]
