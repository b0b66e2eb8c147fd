"""Names of classes, as data sets and checkpoints carry them beside their integer labels, and whether two lists agree.

Parquet files that Hugging Face `datasets` wrote have them in the schema's metadata, in the order of their integers. Two sets
with the same integers and another order look alike and mean the opposite; only names tell them apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mixval.contracts.json_text import read_json
from mixval.errors import ContractError

ClassNames = tuple[str, ...]
"""Names of the labels 0, 1, ...; empty text for a class without one, such as `LABEL_0`. Empty where nothing is known."""

_KEY = b"huggingface"
_LEAST_STEM = 3
"""Letters from which a name counts as the short form of a longer one: `neg`, `negative`."""


def class_names(schema: pa.Schema, column: str) -> ClassNames:
    """The names of a label column's classes in a Parquet schema's metadata."""
    try:
        stored = read_json((schema.metadata or {}).get(_KEY, b"{}"))
    except (ValueError, ContractError):  # a note of another program that cannot be read names nothing
        return ()
    feature = _at(stored, "info", "features", column)
    return named(_at(feature, "names") or _at(feature, "dtype", "class_label", "names"))


def named(names: Any) -> ClassNames:
    """A list of names, or a mapping of integers to names, by integer. Empty for anything else."""
    if isinstance(names, Mapping):
        by_text = {str(key): name for key, name in names.items()}
        names = [by_text.get(str(label)) for label in range(len(by_text))]
    if not isinstance(names, list | tuple):
        return ()
    found = tuple(_own(label, name) for label, name in enumerate(names))
    return found if any(found) else ()


def says_nothing(names: ClassNames) -> bool:
    """Whether no label has a name of its own: there are none, or only the labels' numbers."""
    return all(name in ("", str(label)) for label, name in enumerate(names))


def first_disagreement(names: ClassNames, others: ClassNames) -> int | None:
    """The first label that both name, and differently; None where they agree or one names nothing.

    Capitals, blanks and signs do not count, and a short form agrees with the long one, unless it is the name of another class.
    """
    own, theirs = [folded(name) for name in names], [folded(name) for name in others]
    for label, (one, other) in enumerate(zip(own, theirs, strict=False)):
        if not one or not other or one == other or _only_counts(label, one, other):
            continue
        if one in theirs or other in own or not (_shortens(one, other) or _shortens(other, one)):
            return label
    return None


def is_reordered(names: ClassNames, others: ClassNames, label: int) -> bool:
    """Whether one of the two names of a label is the other list's name of another label: the same classes in another order."""
    own, theirs = [folded(name) for name in names], [folded(name) for name in others]
    return _is_elsewhere(own[label], theirs, label) or _is_elsewhere(theirs[label], own, label)


def _is_elsewhere(name: str, among: list[str], label: int) -> bool:
    others = [other for at, other in enumerate(among) if at != label and other]
    return any(name == other or _shortens(name, other) or _shortens(other, name) for other in others)


def _at(held: Any, *keys: str) -> Any:
    for key in keys:
        held = held.get(key) if isinstance(held, Mapping) else None
    return held


def _own(label: int, name: Any) -> str:
    """The name, or none where it was made up from the number."""
    is_made_up = not isinstance(name, str) or re.fullmatch(rf"(label|class)[\s_-]*0*{label}", name.strip(), re.IGNORECASE)
    return "" if is_made_up else str(name)


def _only_counts(label: int, one: str, other: str) -> bool:
    """Whether one of them is the label's number, as of classes without names, and the other a word."""
    return str(label) in (one, other) and not (one.isdigit() and other.isdigit())


def folded(name: str) -> str:
    """A name without what does not tell names apart: capitals, blanks, signs."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "", text) or text.strip()


def _shortens(short: str, long: str) -> bool:
    return len(short) >= _LEAST_STEM and long.startswith(short) and not long[len(short) : len(short) + 1].isdigit()
