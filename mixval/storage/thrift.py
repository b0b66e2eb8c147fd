"""Structures of Thrift in its compact form, in which Parquet writes its footer and the headers of its pages: some fields are
read, and the others passed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mixval.errors import ContractError

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET = range(1, 11)
STRUCTURE = 12
"""Kinds of values; of those that are left out, Parquet has none."""
_DEEPEST = 32
_MOST_BITS = 63

Fields = Mapping[int, tuple[int, Callable[[], Any]]]
"""Number of a field -> the kind it must be of, and what reads it."""


class Compact:
    """Reads values one after another. Raises IndexError where the data end within a value, ContractError for what is none."""

    def __init__(self, data: bytes) -> None:
        """At the beginning of a structure."""
        self._data, self.at = data, 0

    def structure(self, wanted: Fields, depth: int = 0) -> dict[int, Any]:
        """The wanted fields that are there and of their kind."""
        values, number = dict[int, Any](), 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self.signed()
            kind = head & 15
            if number in wanted and wanted[number][0] == kind:
                values[number] = wanted[number][1]()
            elif kind not in (TRUE, FALSE):  # which are in the head
                self._pass_over(kind, depth + 1)
        return values

    def structures(self, read: Callable[[], Any]) -> list[Any]:
        """A list of structures, each by `read`; an empty one for a list of something else."""
        kind, size = self._list()
        if kind == STRUCTURE:
            return [read() for _ in range(size)]
        for _ in range(size):
            self._pass_over(kind, 0)
        return []

    def signed(self) -> int:
        """A whole number."""
        value = self._number()
        return (value >> 1) ^ -(value & 1)

    def binary(self) -> bytes:
        """Bytes, or text."""
        n, start = self._number(), self.at
        self._move(n)
        return self._data[start : self.at]

    def _pass_over(self, kind: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise ContractError(f"it has more than {_DEEPEST} structures in each other")
        if kind in (I16, I32, I64):
            self._number()
        elif kind == BINARY:
            self._move(self._number())
        elif kind == STRUCTURE:
            self.structure({}, depth)
        elif kind in (LIST, SET):
            kind, size = self._list()
            for _ in range(size):
                self._pass_over(kind, depth + 1)
        elif kind in (TRUE, FALSE, BYTE, DOUBLE):  # the first two have a byte each in lists
            self._move(8 if kind == DOUBLE else 1)
        else:
            raise ContractError(f"it has a value of the unknown kind {kind}")

    def _list(self) -> tuple[int, int]:
        """Kind and number of its values."""
        head = self._byte()
        return head & 15, self._number() if head >> 4 == 15 else head >> 4

    def _number(self) -> int:
        """Seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > _MOST_BITS:
                raise ContractError("it has a number without an end")

    def _byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte

    def _move(self, n: int) -> None:
        self.at += n
        if self.at > len(self._data):
            raise IndexError
