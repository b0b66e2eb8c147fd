"""The journal of a synthesis: every answer, by its request's key, so that a killed run goes on and nothing is asked twice.

    OUTPUT/journal/SEGMENT.jsonl    some answers, a sealed line each; written once, whole, and never changed

Object stores cannot append to a file, so answers are gathered for a moment and written as a new one. A run that is killed loses
what it had gathered, which is asked again: an answer counts once its segment is written. Two runs at once write segments of
their own; of two answers to one request the first in the order of names counts, whoever reads.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from pydantic import ValidationError

from mixval.contracts.json_text import read_json
from mixval.contracts.sealed import SEAL, is_whole, sealed
from mixval.errors import ContractError
from mixval.storage.damage import tell_damage
from mixval.storage.root import Location
from mixval.synthesis.requests import Answer

FOLDER = "journal"
MOST_GATHERED = 256
"""Answers of a segment."""
MOST_SECONDS = 2.0
"""Seconds for which an answer may wait for its segment; looked at when the next one comes."""
SEGMENTS_HELD = 16
"""Segments whose content is in memory."""


class _Place(NamedTuple):
    """Where an answer stands, and what decides whether it serves."""

    segment: int
    offset: int
    length: int


@dataclass
class _Gathered:
    lines: list[bytes]
    answers: list[Answer]
    since: float


class Journal:
    """The journal below an output. In memory is an index, of some 200 bytes an answer."""

    def __init__(self, output: Location) -> None:
        """Read what is there. What is damaged is told, and counts as not answered."""
        self._folder = output.child(FOLDER)
        self._segments: list[Location] = []
        self._places: dict[str, list[_Place]] = {}
        self._held = OrderedDict[int, bytes]()
        self._gathered = _Gathered([], [], time.monotonic())
        if self._folder.exists():
            for segment in self._folder.files(".jsonl", recursive=False):
                self._index(segment)

    def __len__(self) -> int:
        """Requests that have an answer."""
        return len(self._places)

    def find(self, key: str, max_tokens: int) -> Answer | None:
        """The answer to a request under this limit; None where there is none yet."""
        found = [self._read(place) for place in self._places.get(key, ())]
        return next((answer for answer in found if answer.serves(max_tokens)), None)

    def add(self, answers: Iterable[Answer]) -> None:
        """Take answers in. They count once they are written: at the latest with `flush`."""
        for answer in answers:
            entries = sealed(answer.model_dump(mode="json"))
            line = json.dumps(entries, sort_keys=True, ensure_ascii=True).encode() + b"\n"
            self._gathered.lines.append(line)
            self._gathered.answers.append(answer)
        is_due = time.monotonic() - self._gathered.since > MOST_SECONDS
        if len(self._gathered.lines) >= MOST_GATHERED or (self._gathered.lines and is_due):
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        gathered, self._gathered = self._gathered, _Gathered([], [], time.monotonic())
        if not gathered.lines:
            return
        segment = self._folder.child(f"{time.time_ns():020d}-{uuid4().hex[:12]}.jsonl")
        segment.write_bytes(b"".join(gathered.lines))
        number, offset = len(self._segments), 0
        self._segments.append(segment)
        for line, answer in zip(gathered.lines, gathered.answers, strict=True):
            self._places.setdefault(answer.key, []).append(_Place(number, offset, len(line)))
            offset += len(line)

    def _index(self, segment: Location) -> None:
        number, offset, damaged = len(self._segments), 0, 0
        self._segments.append(segment)
        for line in segment.read_bytes().splitlines(keepends=True):
            if (answer := _parsed(line)) is None:
                damaged += 1
            else:
                self._places.setdefault(answer.key, []).append(_Place(number, offset, len(line)))
            offset += len(line)
        if damaged:
            tell_damage(
                segment.url, f"expected answers as they were sealed, found {damaged} that are not. They are asked again"
            )

    def _read(self, place: _Place) -> Answer:
        if place.segment not in self._held:
            self._held[place.segment] = self._segments[place.segment].read_bytes()
            while len(self._held) > SEGMENTS_HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(place.segment)
        answer = _parsed(self._held[place.segment][place.offset : place.offset + place.length])
        if answer is None:
            raise ContractError(
                f"{self._segments[place.segment].url}: expected an answer as it was written, found another content. Run again: "
                "what is damaged is asked again."
            )
        return answer


def _parsed(line: bytes) -> Answer | None:
    """The answer of a line; None for one that is not as it was sealed."""
    try:
        entries = read_json(line)
        if not isinstance(entries, dict) or not is_whole(entries):
            return None
        return Answer.model_validate({name: value for name, value in entries.items() if name != SEAL})
    except (ValueError, ContractError, ValidationError):
        return None
