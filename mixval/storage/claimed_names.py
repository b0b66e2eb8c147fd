"""Which contributor each folder names, and folders that name none, or the same one twice: none of those is read."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import unquote

from mixval.storage.not_data import is_hidden
from mixval.storage.root import Location
from mixval.storage.tree import Entry, folders_below, legible, refused

_HIVE = "contributor="


def contributor_folders(
    root: Location, target: Location, follow_links: bool
) -> tuple[dict[str, Location], dict[str, list[Entry]]]:
    """Contributors' folders by name, and by name those that are not read, with their problem.

    A folder is `contributor=NAME` (percent-decoded, as Hive writes it) or `NAME`; hidden ones and the target's are left out.
    Raises `StorageError` for a root that cannot be listed.
    """
    by_spelling: dict[str, list[tuple[str, Entry]]] = defaultdict(list)
    for entry in folders_below(root, follow_links):
        if not is_hidden(entry.name) and entry.file.url != target.url:
            name, claimed = _claimed(root, entry)
            by_spelling[spelling(name)].append((name, claimed))
    folders, refusals = dict[str, Location](), dict[str, list[Entry]]()
    for claims in by_spelling.values():
        for name, entry in claims if len(claims) == 1 else _ambiguous(root, claims):
            if entry.problem is None:
                folders[name] = entry.file
            else:
                refusals.setdefault(name, []).append(entry)
    return folders, refusals


def contributor_named(folder: str, errors: str = "replace") -> str:
    """The contributor that a folder's name says: what follows `contributor=`, percent-decoded as Hive writes it, or the name
    itself. `errors` is what becomes of escaped bytes that are not UTF-8, as for `bytes.decode`."""
    return unquote(folder.removeprefix(_HIVE), errors=errors) if folder.startswith(_HIVE) else folder


def spelling(name: str) -> str:
    """What names have in common that look alike: letters with accents may be one sign or two (NFC, NFD)."""
    return unicodedata.normalize("NFC", name)


def _claimed(root: Location, entry: Entry) -> tuple[str, Entry]:
    """The contributor that a folder names, with the folder: a problem where its name is not UTF-8 once it is decoded."""
    raw = contributor_named(entry.name, errors="surrogateescape")
    if (name := legible(raw)) != raw:
        words = "a name in UTF-8 is expected, found bytes that are none in percent escapes. Rename it."
        return name, refused(root, entry.name, words)
    return name, entry


def _ambiguous(root: Location, claims: Sequence[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
    """Folders that name one contributor, or two that cannot be told apart when they are read; none of them is listed."""
    named = ", ".join(ascii(entry.name) for _, entry in claims)
    words = f"expected one folder a contributor, found {len(claims)} of this name: {named}. Rename one, or join them."
    return [(name, refused(root, entry.name, words)) for name, entry in claims]
