"""How fast a server is asked: requests in flight adapt to what it says, and end where it says nothing else than no."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mixval.errors import GeneratorError

MOST_PAUSE_SECONDS = 30.0
"""Longest pause that is taken unasked. `Retry-After` may say more, up to `MOST_TOLD_SECONDS`."""
MOST_TOLD_SECONDS = 600.0


@dataclass
class Turn:
    """One request in flight."""

    epoch: int
    """Which limit it was let in under."""


class Pace:
    """Requests in flight: one more with each round of answers, half with each 429 (additive increase, multiplicative decrease).

    On one event loop. A 429 halves the limit once for all requests that were in flight under it. `Retry-After` pauses all of
    them; without it pauses double with each failure in a row, from `first_pause` on. `give_up_after` failures in a row, of
    whatever requests, end it.
    """

    def __init__(self, start: int, most: int, first_pause: float, give_up_after: int) -> None:
        """Begin with `start` requests in flight."""
        self.limit = float(min(start, most))
        self.n_busy = self.n_answered = 0
        self._most, self._first_pause, self._give_up_after = most, first_pause, give_up_after
        self._in_flight = self._epoch = self._in_a_row = 0
        self._until = 0.0
        self._last = ""
        self._free = asyncio.Condition()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Within this block one request is in flight. Raises GeneratorError where none may be any more."""
        async with self._free:
            await self._free.wait_for(lambda: self._is_over or self._in_flight < max(1, math.floor(self.limit)))
            self._in_flight += 1
        try:
            await self._pause()
            self._ensure_goes_on()
            yield Turn(self._epoch)
        finally:
            async with self._free:
                self._in_flight -= 1
                self._free.notify_all()

    def answered(self) -> None:
        """A request was answered."""
        self.n_answered += 1
        self._in_a_row = 0
        self.limit = min(self._most, self.limit + 1 / self.limit)

    def busy(self, turn: Turn, retry_after: float | None, words: str) -> None:
        """The server says that it is busy, or is away."""
        self.n_busy += 1
        if turn.epoch == self._epoch:
            self._epoch += 1
            self.limit = max(1.0, self.limit / 2)
        self.failed(words)
        doubled = min(self._first_pause * 2 ** min(self._in_a_row - 1, 16), MOST_PAUSE_SECONDS)
        pause = doubled if retry_after is None else min(retry_after, MOST_TOLD_SECONDS)
        self._until = max(self._until, asyncio.get_running_loop().time() + pause)

    def failed(self, words: str) -> None:
        """A request failed, by whatever cause."""
        self._in_a_row += 1
        self._last = words

    @property
    def _is_over(self) -> bool:
        return self._in_a_row >= self._give_up_after

    def _ensure_goes_on(self) -> None:
        if self._is_over:
            raise GeneratorError(f"expected answers, found {self._in_a_row} failures in a row, the last of them: {self._last}.")

    async def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._is_over and (rest := self._until - loop.time()) > 0:
            await asyncio.sleep(rest)
