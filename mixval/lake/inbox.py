"""What lies in an inbox: deliveries, files that are not complete yet, and names that are left alone, each with the reason.

One file that is odd never keeps the others waiting. On a disk a file is seen while it is being written: one that says where it
ends (Parquet, Arrow) counts when its end can be read, another when it has not changed for a moment. Objects are whole.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations

from mixval.config.ingestion import IngestionConfig
from mixval.config.source import LimitsConfig
from mixval.contracts.ingestion import Delivery
from mixval.errors import ConfigError, MixvalError, StorageError
from mixval.storage.claimed_names import contributor_named, spelling
from mixval.storage.entries import Entry, entries_below
from mixval.storage.formats import format_of, known_formats, open_format
from mixval.storage.held import held
from mixval.storage.not_data import is_hidden, without_markers
from mixval.storage.root import Location, open_location
from mixval.storage.tree import legible

UPLOAD_SECONDS = 60.0
"""Seconds without a change after which a file whose end cannot be read counts as delivered, and as damaged."""
SETTLED_SECONDS = 2.0
"""Seconds without a change after which a file that does not say where it ends counts as delivered."""


@dataclass(frozen=True)
class LeftAlone:
    """A name in the inbox that is no delivery now."""

    name: str
    """Path below the inbox; bytes that are no UTF-8 are spelt out."""
    reason: str


@dataclass(frozen=True)
class InboxListing:
    """What a listing found, each part sorted by name."""

    deliveries: tuple[Delivery, ...]
    waiting: tuple[LeftAlone, ...]
    """Not complete yet: the next listing looks again."""
    blocked: tuple[LeftAlone, ...]
    """Folders that cannot be read or hold too much, and files in two that name one contributor: somebody has to act first."""
    ignored: tuple[LeftAlone, ...]
    """No data: hidden names, descriptions, links, other endings."""
    changed: dict[str, float] = field(default_factory=dict)
    """Name of what may be data -> when it was last changed, in seconds since 1970, where the store says."""


def require_apart(config: IngestionConfig) -> None:
    """Raises ConfigError where inbox, table, state and target are not four places side by side: what a gate writes would be
    delivered to it."""
    named = {"inbox": config.inbox, "table": config.table, "state": config.state, "target": config.target}
    places = {name: _plain(open_location(url, config.storage)) for name, url in named.items()}
    for (outer, outer_url), (inner, inner_url) in permutations(places.items(), 2):
        if f"{inner_url}/".startswith(f"{outer_url}/"):
            raise ConfigError(
                f"{inner}: expected inbox, table, state and target side by side, found {inner_url}, which is or lies below the "
                f"{outer}, {outer_url}. What the gate writes would be read as a delivery, or rows compared with themselves. "
                "Move one of the two."
            )


def list_inbox(config: IngestionConfig) -> InboxListing:
    """What lies in the inbox now, within `limits` for each contributor. Reads the ends of local files alone.

    A delivery is a file below `contributor=NAME/` (percent-decoded, as Hive writes it) or `NAME/`. Raises ConfigError as
    `require_apart` does, StorageError for an inbox that is missing or cannot be listed.
    """
    require_apart(config)
    inbox, limits = open_location(config.inbox, config.storage), config.limits
    found = entries_below(inbox, limits)
    beyond = _beyond(found, limits)
    found = [entry for entry in found if _folder(entry.name) not in beyond]
    blocked = {f"{folder}/": reason for folder, reason in beyond.items()}
    blocked |= {entry.name: f"it is {entry.other}. Let the gate read it" for entry in found if entry.name.endswith("/")}
    found = [entry for entry in found if entry.name not in blocked]
    ignored = {entry.name: reason for entry in found if (reason := _no_data(entry, limits))}
    ignored |= _markers([entry for entry in found if entry.name not in ignored])
    left = [entry for entry in found if entry.name not in ignored]
    blocked |= _two_folders(left)
    waiting, ready, now = dict[str, str](), [], time.time()
    for entry in left:
        if entry.name in blocked:
            continue
        if inbox.local_path() and (reason := _incomplete(inbox.child(*entry.name.split("/")), entry, now)):
            waiting[entry.name] = reason
        else:
            ready.append(_delivery(inbox, entry))
    changed = {entry.name: entry.changed for entry in left if entry.changed is not None}
    return InboxListing(tuple(ready), _left_alone(waiting), _left_alone(blocked), _left_alone(ignored), changed)


def contributor_of(name: str) -> str:
    """Whose delivery this is, by its path below the inbox."""
    return contributor_named(_folder(name))


def _folder(name: str) -> str:
    return name.partition("/")[0]


def _beyond(entries: Sequence[Entry], limits: LimitsConfig) -> dict[str, str]:
    """Folders of contributors that hold more than the limits allow, with the reason; of those nothing is taken."""
    files, sizes, reasons = Counter[str](), Counter[str](), dict[str, str]()
    for entry in (one for one in entries if "/" in one.name):
        folder = _folder(entry.name)
        files[folder] += 1
        sizes[folder] += entry.size_bytes
        if entry.name.rstrip("/").count("/") > limits.levels:
            reasons[folder] = _limit(f"{limits.levels:,} levels of folders", "more", "Deliver them flat", "levels")
    reasons |= {
        name: _limit(f"{limits.files:,} files", "more", "Deliver fewer at a time", "files")
        for name, n in files.items()
        if n > limits.files
    }
    return reasons | {
        name: _limit(f"{limits.total_bytes:,} bytes", f"{n:,}", "Deliver fewer at a time", "total_bytes")
        for name, n in sizes.items()
        if n > limits.total_bytes
    }


def _limit(expected: str, found: str, remedy: str, limit: str) -> str:
    return f"at most {expected} are expected of a contributor, found {found}. {remedy}, or raise `limits.{limit}`"


def _delivery(inbox: Location, entry: Entry) -> Delivery:
    return Delivery(
        contributor=contributor_of(entry.name),
        name=entry.name,
        url=f"{inbox.url}/{entry.name}",
        size_bytes=entry.size_bytes,
        version=entry.version,
    )


def _no_data(entry: Entry, limits: LimitsConfig) -> str:
    """Why a name is no data; empty for what may be."""
    most, size = f"{limits.file_bytes:,}", f"{entry.size_bytes:,}"
    too_large = f"at most {most} bytes are expected in a file, found {size}. Divide it, or raise `limits.file_bytes`"
    is_odd = any(part in ("", ".", "..") for part in entry.name.split("/"))
    said = [
        (legible(entry.name) != entry.name, "the bytes of its name are no UTF-8. Rename it"),
        (bool(entry.other), f"it is {entry.other}, and only files are read. Put the file itself there"),
        (is_hidden(entry.name), "its name, or that of a folder above it, begins with `_` or `.`: such names are not data"),
        ("/" not in entry.name, "it belongs to no contributor. Move it into a contributor's folder"),
        (_is_illegible(entry.name), "the percent escapes of its folder's name are no UTF-8. Rename the folder"),
        (not contributor_of(entry.name).strip(), "its folder names no contributor. Rename the folder"),
        (entry.size_bytes > limits.file_bytes, too_large),
        (is_odd, "its path has an empty part, `.` or `..`. Rename it"),
    ]
    return next((reason for holds, reason in said if holds), "")


def _is_illegible(name: str) -> bool:
    """Whether the contributor that a folder names is no UTF-8 once its percent escapes are decoded."""
    raw = contributor_named(_folder(name), errors="surrogateescape")
    return legible(raw) != raw


def _markers(entries: Sequence[Entry]) -> dict[str, str]:
    """Names of descriptions, markers of folders and files of no known format, with the reason."""
    data = {entry.name for entry in without_markers(entries)}
    marker = "it is a description or a marker that other programs leave beside data"
    other = f"it has the ending of none of the formats that are read: {known_formats()}. Convert it"
    return {entry.name: marker for entry in entries if entry.name not in data} | {
        name: other for name in data if format_of(name) is None
    }


def _two_folders(entries: Sequence[Entry]) -> dict[str, str]:
    """Names in folders that name the same contributor, or two that cannot be told apart when they are read: all of them wait
    until one is renamed."""
    folders: dict[str, set[str]] = {}
    for entry in entries:
        folders.setdefault(spelling(contributor_of(entry.name)), set()).add(_folder(entry.name))
    return {
        entry.name: f"two folders name the contributor {whose!r}: {', '.join(map(ascii, sorted(folders[whose])))}. Rename one"
        for entry in entries
        if len(folders[whose := spelling(contributor_of(entry.name))]) > 1
    }


def _incomplete(file: Location, entry: Entry, now: float) -> str:
    """Why a local file may still be written; empty for one that is complete, or was left for so long that it is damaged."""
    found = format_of(entry.name)
    age = abs(now - (entry.changed or 0.0))  # the disk's clock may be ahead
    if found is None or age >= UPLOAD_SECONDS:
        return ""
    if not found.has_footer:
        return "its format says nowhere that it ends, and it was changed just now" if age < SETTLED_SECONDS else ""
    try:
        with held(file) as content, open_format(content):
            return ""
    except StorageError as error:
        return str(error)
    except MixvalError:
        return f"not complete yet: its end cannot be read, and it was changed less than {UPLOAD_SECONDS:.0f} seconds ago"


def _left_alone(names: dict[str, str]) -> tuple[LeftAlone, ...]:
    return tuple(LeftAlone(legible(name), names[name]) for name in sorted(names))


def _plain(location: Location) -> str:
    """The URL by which places are compared: links on a disk are followed."""
    path = location.local_path()
    return location.url.rstrip("/") if path is None else f"file://{path.resolve()}"
