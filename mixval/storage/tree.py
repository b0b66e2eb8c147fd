"""What lies below a folder that strangers filled: its files, and what is there in the place of one, each with the reason.

Nothing is opened here, and nothing is followed out of the folder. Names that are not UTF-8 are spelt out here and nowhere else,
and are a problem of their own, so that whatever comes from here can be printed and stored.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mixval.config.source import LimitsConfig
from mixval.errors import StorageError
from mixval.storage.failures import concerns_one_file
from mixval.storage.formats import format_of
from mixval.storage.local import is_within, other_kind
from mixval.storage.not_data import describes, is_hidden
from mixval.storage.root import Location


@dataclass(frozen=True)
class Entry:
    """A file or folder below a folder, or what is in the place of one."""

    file: Location
    name: str
    """Path below the folder."""
    size_bytes: int = 0
    problem: str | None = None
    """Why it is not read, in words."""


def legible(name: str) -> str:
    """The name with what is not UTF-8 spelt out, byte for byte, as `caf\\xe9`; any other name as it is."""
    spelt = (f"\\x{ord(letter) - 0xDC00:02x}" if "\udc80" <= letter <= "\udcff" else letter for letter in name)
    return "".join(spelt).encode("utf-8", "backslashreplace").decode()


def refused(folder: Location, name: str, words: str) -> Entry:
    """An entry below `folder`, or the folder itself where the name is empty, that is not read.

    `words` say what was expected, what was found, and what to do.
    """
    file = folder.below(legible(name)) if name else folder
    shown = legible(name) or file.name
    return Entry(file, shown, problem=f"shard '{shown}' ({file.url}): {words}")


def folders_below(root: Location, follow_links: bool) -> list[Entry]:
    """The folders directly below, sorted by name; of links, those to folders or to nothing. Without `follow_links` a link has
    a problem. Raises `StorageError` for a location that cannot be listed."""
    path = root.local_path()
    if path is None:
        return [_named(root, name) for name in root.folders()]
    with root.guard("list a folder"), os.scandir(path) as items:
        names = sorted(item.name for item in items if item.is_symlink() or item.is_dir())
    return [_folder(root, path / name, follow_links) for name in names if _is_folder(path / name)]


def files_below(root: Location, limits: LimitsConfig, follow_links: bool) -> list[Entry]:
    """The files below a folder, sorted by name, without hidden ones and descriptions; what exceeds a limit has a problem.

    A link is followed to a file below the folder, with `follow_links` wherever it leads. Raises `StorageError` where the store
    does not answer.
    """
    try:
        with root.guard("list a folder"):
            found = _local(root, limits, follow_links) if root.scheme == "file" else _remote(root, limits)
    except StorageError as error:
        if not concerns_one_file(error):
            raise
        return [refused(root, "", str(error))]
    total = sum(entry.size_bytes for entry in found)
    if total > limits.total_bytes:
        return [_beyond(root, f"{_gib(limits.total_bytes)} of files", _gib(total), "total_bytes")]
    large = {entry.name for entry in found if entry.size_bytes > limits.file_bytes}
    found = [
        refused(root, one.name, _limit(f"{_gib(limits.file_bytes)} in a file", _gib(one.size_bytes), "file_bytes"))
        if one.name in large
        else one
        for one in found
    ]
    return sorted(found, key=lambda entry: entry.name)


def _local(root: Location, limits: LimitsConfig, follow_links: bool) -> list[Entry]:
    """What is below, folder by folder; a single entry where it is too much."""
    top, found, todo, n_met = Path(root.path), list[Entry](), [("", 0)], 0
    within = None if follow_links else os.path.realpath(top)
    while todo:
        above, level = todo.pop()
        if level > limits.levels:
            return [_beyond(root, f"{limits.levels:,} levels of folders", "more", "levels")]
        try:
            with root.guard("list a folder"), os.scandir(top / above) as items:
                names = [item.name for item in islice(items, limits.files - n_met + 1)]
        except StorageError as error:
            if not above or not concerns_one_file(error):
                raise
            found.append(refused(root, above, str(error)))
            continue
        n_met += len(names)
        if n_met > limits.files:
            return [_beyond(root, f"{limits.files:,} files and folders", "more", "files")]
        for name in (f"{above}/{name}" if above else name for name in names if not is_hidden(name)):
            entry = _looked_at(root, top / name, name, within)
            if entry is None:
                todo.append((name, level + 1))
            elif not describes(name):
                found.append(entry)
    return found


def _looked_at(root: Location, path: Path, name: str, within: str | None) -> Entry | None:
    """What is at a path; None for a folder to look into."""
    named = _named(root, name)
    if named.problem is not None:
        return named
    try:
        if path.is_symlink() and (words := _misled(path, within)) is not None:
            return refused(root, name, words)
        found = path.stat()
    except OSError as error:
        return refused(root, name, f"a file is expected, found {os.strerror(error.errno or errno.EIO)}. Put it there again.")
    if stat.S_ISDIR(found.st_mode):
        return None
    if (kind := other_kind(found.st_mode)) is not None:
        return refused(root, name, f"expected a regular file, found {kind}. Put the data itself there.")
    return Entry(named.file, name, found.st_size)


def _misled(path: Path, within: str | None) -> str | None:
    """Why a link is not followed, in words; `within` is the only folder that it may lead into, or None."""
    try:
        real = os.path.realpath(path, strict=True)
    except OSError as error:
        where = "in a circle" if error.errno == errno.ELOOP else "nowhere"
        return f"a file is expected, found a link that leads {where}. Put the data itself there."
    if within is None:
        return None
    found = "to a folder" if os.path.isdir(real) else None if is_within(real, within) else "that leads out of the folder"
    remedy = "Put the data itself there, or set `source.follow_links: true`."
    return None if found is None else f"a file in the contributor's own folder is expected, found a link {found}. {remedy}"


def _is_folder(path: Path) -> bool:
    """Whether a name in a folder of contributors is one: a folder, a link to one, or a link to nothing that is no data."""
    return path.is_dir() if _leads_somewhere(path) else format_of(path.name) is None


def _leads_somewhere(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _folder(root: Location, path: Path, follow_links: bool) -> Entry:
    named = _named(root, path.name)
    if named.problem is None and path.is_symlink():
        words = _misled(path, None if follow_links else str(path))
        return named if words is None else refused(root, path.name, words)
    return named


def _remote(root: Location, limits: LimitsConfig) -> list[Entry]:
    found = list(islice(root.remote_files(most=limits.files + 1), limits.files + 1))
    if len(found) > limits.files:
        return [_beyond(root, f"{limits.files:,} files", "more", "files")]
    if any(name.count("/") > limits.levels for name, _ in found):
        return [_beyond(root, f"{limits.levels:,} levels of folders", "more", "levels")]
    return [_named(root, name, size) for name, size in found if not is_hidden(name) and not describes(name)]


def _named(root: Location, name: str, size_bytes: int = 0) -> Entry:
    if legible(name) != name:
        return refused(root, name, "a name in UTF-8 is expected, found bytes that are none, spelt out here. Rename it.")
    return Entry(root.below(name), name, size_bytes)


def _beyond(root: Location, expected: str, found: str, limit: str) -> Entry:
    return refused(root, "", _limit(expected, found, limit))


def _limit(expected: str, found: str, limit: str) -> str:
    return f"at most {expected} are expected, found {found}. Deliver less, or raise `source.limits.{limit}`."


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB"
