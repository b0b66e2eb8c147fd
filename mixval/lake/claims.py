"""Claims on deliveries: who works on which, and until when. They save work; nothing that must be right rests on them.

Clocks of machines differ. A claim that has run out is left for `SKEW_SECONDS` more, and one that would last longer than any
claim may, because the clock of whoever took it is ahead, counts as run out. A claim of this machine ends with its process.
"""

from __future__ import annotations

import json
import os
import platform
import uuid
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from mixval.config.base import FrozenModel
from mixval.storage.records import read_if_there
from mixval.storage.root import Location

CLAIM_SECONDS = 1_800.0
"""For which a claim holds; as long as a slow delivery may take to be valued."""
SKEW_SECONDS = 120.0
"""By which the clocks of two machines may differ."""


class Claim(FrozenModel):
    """Who works on a delivery."""

    owner: str
    machine: str
    process: int
    until: datetime
    """UTC."""


class Claims:
    """The claims below a folder, as one owner sees them."""

    def __init__(self, folder: Location) -> None:
        """Take the folder, as a new owner."""
        self._folder = folder
        self._owner = uuid.uuid4().hex

    def take(self, name: str) -> bool:
        """Whether the claim is this owner's now. One that has run out, or that nobody can read, is taken over."""
        file = self._folder.child(f"{name}.json")
        if file.write_if_absent(self._text()):
            return True
        held = _parsed(read_if_there(file))
        if held is not None and held.owner == self._owner:
            return True
        if held is not None and not _is_over(held):
            return False
        file.delete(missing_ok=True)
        return file.write_if_absent(self._text())

    def drop(self, name: str) -> None:
        """Remove the claim where it is this owner's."""
        file = self._folder.child(f"{name}.json")
        held = _parsed(read_if_there(file))
        if held is not None and held.owner == self._owner:
            file.delete(missing_ok=True)

    def _text(self) -> bytes:
        until = datetime.now(UTC) + timedelta(seconds=CLAIM_SECONDS)
        claim = Claim(owner=self._owner, machine=platform.node(), process=os.getpid(), until=until)
        return json.dumps(claim.model_dump(mode="json")).encode()


def _is_over(claim: Claim) -> bool:
    if claim.machine == platform.node() and not _is_running(claim.process):
        return True
    left = (claim.until - datetime.now(UTC)).total_seconds()
    return left < -SKEW_SECONDS or left > CLAIM_SECONDS + SKEW_SECONDS


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _parsed(data: bytes | None) -> Claim | None:
    if data is None:
        return None
    try:
        claim = Claim.model_validate_json(data)
    except ValidationError:
        return None
    return claim if claim.until.tzinfo is not None else None
