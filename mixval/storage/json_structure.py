"""What a piece of JSON Lines is made of, found before it is parsed: how deep it nests, and how much its parsing may take.

pyarrow overflows its stack at some tens of thousands of brackets, and takes the process with it. It gives each object a cell
for each name that any of them has, and each name some kilobytes: a few kilobytes of lines may take a hundred gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mixval.errors import ContractError
from mixval.storage.reading import MAX_FIELDS

MAX_CELLS = 16 << 20
"""Objects times names of what is parsed at a time."""
MAX_NAMES = 50_000
"""Names, repeated ones too, of the lines that are parsed together."""
_MOST_LINES = 1 << 16
_STRINGS = re.compile(rb'("(?:[^"\\]|\\.)*+")(\s*:)?', re.DOTALL)
_MARKS = b"{}[]:\n"
_IS_MARK = np.zeros(256, np.bool_)
_IS_MARK[list(_MARKS)] = True
_STEPS = np.zeros(256, np.int64)
_STEPS[list(b"{[")], _STEPS[list(b"}]")] = 1, -1


@dataclass(frozen=True)
class Structure:
    """Brackets, colons and line breaks of a piece that stand outside of strings."""

    piece: bytes
    at: np.ndarray
    """(M,) int64 places, ascending."""
    marks: np.ndarray
    """(M,) uint8 bytes at these places."""

    @property
    def depth(self) -> int:
        """Brackets within brackets."""
        return int(np.cumsum(_STEPS[self.marks]).max(initial=0))

    def parts(self) -> Iterator[bytes]:
        """The piece in consecutive parts of whole lines, none of which takes much more memory to parse than it has itself.

        Raises ContractError, with what was found, for a line that takes more by itself.
        """
        breaks = np.flatnonzero(self.marks == ord("\n"))
        ends = np.append(self.at[breaks] + 1, len(self.piece))
        objects, names = (np.append(np.cumsum(self.marks == one)[breaks], (self.marks == one).sum()) for one in b"{:")
        first = begin = n_objects = n_names = 0
        while first < len(ends):
            window = slice(first, first + _MOST_LINES)
            fits = (names[window] - n_names <= MAX_NAMES) & (
                (objects[window] - n_objects) * (names[window] - n_names) <= MAX_CELLS
            )
            n_fitting = int(np.argmin(fits)) if not fits.all() else len(fits)
            last = first + max(n_fitting, 1) - 1
            part = self.piece[begin : ends[last]]
            if n_fitting == 0:
                _require_few(part, int(objects[last]) - n_objects)
            yield part
            first, begin, n_objects, n_names = last + 1, int(ends[last]), int(objects[last]), int(names[last])


def structure_of(piece: bytes) -> Structure:
    """The structure of whole lines of JSON; beyond the first error in them it may be another."""
    letters = np.frombuffer(piece, np.uint8)
    at = np.flatnonzero(_IS_MARK[letters])
    is_outside = np.searchsorted(_quotes(letters), at) % 2 == 0
    at = at[is_outside]
    return Structure(piece, at, letters[at])


def _require_few(line: bytes, n_objects: int) -> None:
    names = {found[1] for found in _STRINGS.finditer(line) if found[2] is not None}
    if len(names) > MAX_FIELDS:
        raise ContractError(f"a line has {len(names):,} names, and {MAX_FIELDS:,} are read: values stand where names should")
    if n_objects * len(names) > MAX_CELLS:
        raise ContractError(
            f"a line has {n_objects:,} objects with {len(names):,} names in all, which would take a cell for each of both"
        )


def _quotes(letters: np.ndarray) -> np.ndarray:
    """Places of the quotes that begin or end a string: those behind an even number of backslashes."""
    quotes = np.flatnonzero(letters == ord('"'))
    slashes = np.flatnonzero(letters == ord("\\"))
    if not len(slashes):
        return quotes
    places = np.arange(len(slashes))
    is_first = np.diff(slashes, prepend=-2) > 1
    run = places - np.maximum.accumulate(np.where(is_first, places, 0)) + 1  # of backslashes, up to each
    before = np.searchsorted(slashes, quotes) - 1
    is_behind = (before >= 0) & (slashes[before] == quotes - 1)
    return np.asarray(quotes[~(is_behind & (run[before] % 2 == 1))])
