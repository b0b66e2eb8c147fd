"""Where the values of a Thrift structure lie in its compact form, in which Parquet writes its footer and its page headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
_INTEGERS = (I16, I32, I64)


@dataclass(frozen=True)
class Place:
    """One value: a whole number, the length of a text or of a list, or the type of a field."""

    kind: Literal["integer", "length", "list", "field"]
    path: tuple[int, ...]
    """Numbers of the fields, and places in lists, that lead to it."""
    start: int
    end: int


class Walk:
    """All places of one structure, in the order in which they lie; `at` is then its end."""

    def __init__(self, data: bytes, start: int = 0) -> None:
        """Walk at once. Raises IndexError or ValueError for what is no structure."""
        self._data, self.at = data, start
        self.places = list(self._struct(()))

    def _struct(self, path: tuple[int, ...]) -> Iterator[Place]:
        number = 0
        while (head := self._data[self.at]) != STOP:
            yield Place("field", path, self.at, self.at + 1)
            self.at += 1
            number = number + (head >> 4) if head >> 4 else self._number() >> 1
            yield from self._value(head & 15, (*path, number), in_list=False)
        self.at += 1

    def _value(self, kind: int, path: tuple[int, ...], in_list: bool) -> Iterator[Place]:
        start = self.at
        if kind in (TRUE, FALSE):
            self.at += in_list
        elif kind in (BYTE, DOUBLE):
            self.at += 1 if kind == BYTE else 8
        elif kind in _INTEGERS:
            self._number()
            yield Place("integer", path, start, self.at)
        elif kind == BINARY:
            length = self._number()
            yield Place("length", path, start, self.at)
            self.at += length
        elif kind in (LIST, SET):
            yield from self._list(path)
        elif kind == STRUCT:
            yield from self._struct(path)
        else:
            raise ValueError(f"expected a type that Parquet uses, found {kind} at byte {start}")

    def _list(self, path: tuple[int, ...]) -> Iterator[Place]:
        start, head = self.at, self._data[self.at]
        self.at += 1
        size = self._number() if head >> 4 == 15 else head >> 4
        yield Place("list", path, start, self.at)
        for item in range(size):
            yield from self._value(head & 15, (*path, item), in_list=True)

    def _number(self) -> int:
        """An unsigned number of seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self._data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7


def written(value: int, n_bytes: int | None = None) -> bytes:
    """A whole number as an `integer` (zigzag), in exactly `n_bytes` where they are given, cut to what they hold."""
    return unsigned((value << 1) ^ (value >> 63), n_bytes)


def unsigned(value: int, n_bytes: int | None = None) -> bytes:
    """A number from 0 as a `length`, in exactly `n_bytes` where they are given."""
    value &= 2**64 - 1
    groups = [value >> shift & 127 for shift in range(0, 7 * (n_bytes or 10), 7)]
    while n_bytes is None and len(groups) > 1 and groups[-1] == 0:
        groups.pop()
    return bytes([*(one | 128 for one in groups[:-1]), groups[-1]])
