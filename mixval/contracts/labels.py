"""Labels as the integers of the target's classes, from whatever a shard has: integers, names, truth values.

Names are numbered by the target: in the order of its metadata, else, where its labels are names, in alphabetical order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pat

from mixval.contracts.class_names import ClassNames, folded

_INTEGER = re.compile(r"[+-]?\d{1,18}(\.0+)?")


@dataclass(frozen=True)
class TargetClasses:
    """What the target calls its classes."""

    names: ClassNames = ()
    """Names of the labels 0, 1, ...; empty where nothing is known."""
    are_labels: bool = False
    """Whether its rows have these names for labels. Then integers of others mean nothing, unless metadata name them."""


NO_NAMES = TargetClasses()


def target_classes(values: Iterable[str]) -> TargetClasses:
    """The classes of a target whose labels are these texts: no names where all are integers."""
    distinct = sorted({value.strip() for value in values} - {""})
    if all(_integer(value) is not None for value in distinct):
        return NO_NAMES
    return TargetClasses(tuple(distinct), are_labels=True)


def are_integers(labels: pa.Array) -> bool:
    """Whether labels are integers, or text of integers throughout. Names, truth values and no labels at all are not."""
    if pat.is_integer(labels.type):
        return True
    words = labels.unique().drop_null().to_pylist() if pat.is_string(labels.type) else []
    return bool(words) and all(_integer(word.strip()) is not None for word in words)


def read_labels(
    labels: pa.Array,  # (N,) integers, strings, truth values or nulls
    classes: TargetClasses,
    own: ClassNames,
) -> tuple[pa.Array, pa.Array]:
    """(N,) int64 labels, null where there is none or none of T's, and (N,) string: what stands there in the latter case.

    `own` are the names that a shard's metadata give its integers. They count where T's labels are names.
    """
    if pat.is_integer(labels.type) and not classes.are_labels:
        return labels.cast(pa.int64()), pa.nulls(len(labels), pa.string())
    are_words = classes.are_labels or {"true", "false"} & {folded(name) for name in classes.names}
    if pat.is_boolean(labels.type) and not are_words:
        return labels.cast(pa.int64()), pa.nulls(len(labels), pa.string())
    is_number = pat.is_integer(labels.type)
    coded = labels.cast(pa.string()).dictionary_encode()
    words = [str(word).strip() for word in coded.dictionary.to_pylist()]
    if is_number:
        words = [_named(int(word), own) for word in words]
    numbers = [_number(word, classes) for word in words]
    strange = [word if number is None and word else None for word, number in zip(words, numbers, strict=True)]
    return pa.array(numbers, pa.int64()).take(coded.indices), pa.array(strange, pa.string()).take(coded.indices)


def _number(word: str, classes: TargetClasses) -> int | None:
    if word in classes.names:
        return classes.names.index(word) if word else None
    alike = [folded(name) for name in classes.names]
    if word and Counter(alike)[folded(word)] == 1:
        return alike.index(folded(word))
    return None if classes.are_labels else _integer(word)


def _named(number: int, own: ClassNames) -> str:
    return own[number] if 0 <= number < len(own) and own[number] else str(number)


def _integer(word: str) -> int | None:
    return int(word.partition(".")[0]) if _INTEGER.fullmatch(word) else None
