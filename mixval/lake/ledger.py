"""The ledger of a gate, below its state: which bytes a name had, who works on a delivery, and what was decided.

    table.json                          which table it belongs to
    names/HH/NAME DIGEST/NUMBER.json    the contents that a name of the inbox has had, one after the other
    claims/DIGEST.json                  who works on it, and until when: saves work and decides nothing
    decisions/DIGEST/ATTEMPT.json       created once; whoever comes second takes what stands

Everything is created only where nothing is, and sealed (`mixval/contracts/sealed.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from mixval.config.base import FrozenModel
from mixval.config.ingestion import IngestionConfig
from mixval.contracts.ingestion import Decision, Delivery
from mixval.contracts.json_text import read_json
from mixval.contracts.sealed import SEAL, is_whole, sealed
from mixval.errors import ContractError, DamagedRecordError, StorageError
from mixval.lake.claims import Claims
from mixval.lake.conditions import require_conditions
from mixval.lake.delta_store import gate_location
from mixval.lake.steps import reached
from mixval.storage.entries import is_missing
from mixval.storage.records import read_if_there
from mixval.storage.root import Location

Model = TypeVar("Model", bound=FrozenModel)
_TRIES = 8
"""Of a creation that a store neither does nor refuses: a conflict of two writers may leave nothing there."""
_READ_TOGETHER = 32
"""Decisions that are read ahead in a listing."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})\.json")


class Content(FrozenModel):
    """A content that a name of the inbox has had."""

    name: str
    version: str
    """As the listing gave it, see `Delivery.version`."""
    digest: str
    is_settled: bool
    """Whether another content would have another version. Not so for a file that was changed a moment before."""


class Noted(NamedTuple):
    """What the ledger says of a content."""

    digest: str
    supersedes: str | None
    """Digest that the name had before it; None for the first."""


class Bound(FrozenModel):
    """The table that a ledger belongs to."""

    url: str
    """Where it was first seen. It may be moved."""
    identity: str


class Ledger:
    """The ledger of one gate. Picklable; holds no connection. Safe for any number of processes at once.

    Records never change, so each is read once.
    """

    def __init__(self, config: IngestionConfig) -> None:
        """The ledger below `config.state`. Nothing is contacted yet.

        Raises ConditionUnsupportedError for a store that cannot hold it; where that is found out by trying, the first method
        that writes raises it, before it writes.
        """
        self.state = gate_location(config.state, config.storage, "state")
        self._claims = Claims(self.state.child("claims"))
        self._read_before: dict[str, FrozenModel] = {}

    def claim(self, digest: str) -> bool:
        """Whether this gate may work on a delivery. False where another one does, until its claim has run out.

        A claim saves work. It decides nothing: two gates that work on the same delivery take one decision, and append its rows
        once.
        """
        require_conditions(self.state)
        won = self._claims.take(_checked(digest))
        if won:
            reached("claimed", digest)
        return won

    def release(self, digest: str) -> None:
        """Give a claim of this gate back."""
        self._claims.drop(_checked(digest))
        reached("released", digest)

    def standing(self, digest: str) -> Decision | None:
        """The decision that stands for these bytes: that of the last attempt. None where nothing was decided yet.

        Raises DamagedRecordError for one that is not as it was written.
        """
        attempts = self.attempts(digest)
        return self.decision(digest, attempts[-1]) if attempts else None

    def attempts(self, digest: str) -> list[int]:
        """The attempts that were decided, in order."""
        return _numbers(self._decisions().child(_checked(digest)))

    def decision(self, digest: str, attempt: int) -> Decision:
        """The decision of an attempt. Raises DamagedRecordError where it is missing or not as it was written."""
        file = self._decisions().child(_checked(digest), f"{attempt}.json")
        found = self._read(file, Decision, digest)
        if (found.digest, found.attempt) != (digest, attempt):
            raise _damaged(file, f"the decision of attempt {found.attempt} on {found.digest[:16]}", digest)
        return found

    def decide(self, decision: Decision) -> Decision:
        """Write a decision down, unless its attempt was decided already: the decision that stands for it is returned.

        Raises ContractError for an attempt that does not follow the last one.
        """
        require_conditions(self.state)
        if decision.attempt and decision.attempt - 1 not in self.attempts(decision.digest):
            raise ContractError(
                f"{self.state.url}: expected attempts on {decision.digest[:16]} one after the other, found attempt "
                f"{decision.attempt} without {decision.attempt - 1}. Take one more than that of the standing decision."
            )
        folder = self._decisions().child(_checked(decision.digest))
        _create(folder.child(f"{decision.attempt}.json"), decision)
        stands = self.decision(decision.digest, decision.attempt)
        reached("decided", f"{stands.digest}.{stands.attempt}")
        return stands

    def decisions(self, on_damage: Callable[[DamagedRecordError], None] | None = None) -> Iterator[Decision]:
        """All decisions, by digest and attempt, read as they are asked for. `on_damage` takes each that cannot be read; without
        it, the first one is raised."""
        files = iter(_every(self._decisions()))

        def read(one: tuple[str, int]) -> Decision | DamagedRecordError:
            try:
                return self.decision(*one)
            except DamagedRecordError as error:
                return error

        with ThreadPoolExecutor(8) as pool:
            while some := list(islice(files, _READ_TOGETHER)):
                for found in pool.map(read, some):
                    if isinstance(found, Decision):
                        yield found
                    elif on_damage is None:
                        raise found
                    else:
                        on_damage(found)

    def known_content(self, delivery: Delivery) -> Noted | None:
        """The content of a delivery whose name had this very version before; None where only its bytes tell."""
        found = self._contents(delivery.name)
        known = next((one.digest for one in found if one.version == delivery.version and one.is_settled), None)
        return None if known is None else _noted(found, known)

    def record_content(self, delivery: Delivery, digest: str, is_settled: bool) -> Noted:
        """Note the content of a delivery's name, which is this or, at the same version, was noted before."""
        require_conditions(self.state)
        new = Content(name=delivery.name, version=delivery.version, digest=digest, is_settled=is_settled)
        for _ in range(_TRIES):
            found = self._contents(delivery.name)
            if (new.digest, new.version) in [(one.digest, one.version) for one in found]:
                return _noted(found, digest)
            _create(self._name(delivery.name).child(f"{len(found)}.json"), new)
        raise StorageError(
            f"{delivery.url}: expected a name with one content at a time, found it with another one whenever it was noted. "
            "Leave the file alone, and run again."
        )

    def bind(self, table: str, identity: str | None) -> None:
        """Note which table this ledger belongs to; None while there is none.

        Raises StorageError where it is another one than was noted, or gone: what was decided for one does not enter another.
        """
        file = self.state.child("table.json")
        if identity is not None:
            require_conditions(self.state)
        if identity is None and not file.exists():
            return
        if identity is not None and not file.exists():
            _create(file, Bound(url=table, identity=identity))
        noted = _read(file, Bound)
        if noted.identity != identity:
            found = "no table" if identity is None else f"table {identity}"
            raise StorageError(
                f"{table}: expected table {noted.identity}, to which the decisions below {self.state.url} belong, found "
                f"{found}. "
                "Put that table back; or name another `state` for this one, in which everything is decided anew."
            )

    def _contents(self, name: str) -> list[Content]:
        folder = self._name(name)
        return [self._read(folder.child(f"{number}.json"), Content) for number in _numbers(folder)]

    def _read(self, file: Location, kind: type[Model], digest: str = "") -> Model:
        if not isinstance(found := self._read_before.get(file.url), kind):
            found = self._read_before[file.url] = _read(file, kind, digest)
        return found

    def _name(self, name: str) -> Location:
        named = hashlib.sha256(name.encode()).hexdigest()
        return self.state.child("names", named[:2], named)

    def _decisions(self) -> Location:
        return self.state.child("decisions")


def _create(file: Location, record: FrozenModel) -> None:
    """Write a record where none is. Afterwards one is there: this one, or another's."""
    text = json.dumps(sealed(record.model_dump(mode="json")), indent=1, ensure_ascii=True).encode()
    for _ in range(_TRIES):
        if file.write_if_absent(text) or file.exists():
            return
    raise StorageError(f"{file.url}: expected to create a record, found neither it nor another {_TRIES} times. Run again.")


def _read(file: Location, kind: type[Model], digest: str = "") -> Model:
    data = read_if_there(file)
    if data is None:
        raise _damaged(file, "nothing", digest)
    try:
        given: Any = read_json(data)
        if not isinstance(given, dict) or not is_whole(given):
            raise _damaged(file, "another content than was sealed", digest)
        return kind.model_validate({name: value for name, value in given.items() if name != SEAL})
    except (ValueError, ContractError, ValidationError) as error:
        raise _damaged(file, f"what cannot be read: {' '.join(str(error).split())[:200]}", digest) from error


def _damaged(file: Location, found: str, digest: str = "") -> DamagedRecordError:
    return DamagedRecordError(
        f"{file.url}: expected a record of the gate as it was written, found {found}. Nothing is done with what it stands for. "
        "Put it back from a copy; a decision that is lost for good is taken anew once its file has been removed.",
        digest=digest,
    )


def _numbers(folder: Location) -> list[int]:
    try:
        names = [file.name for file in folder.files(".json", recursive=False)]
    except StorageError as error:
        if is_missing(error):
            return []
        raise
    return sorted(int(found[1]) for name in names if (found := _NUMBER.fullmatch(name)))


def _every(root: Location) -> list[tuple[str, int]]:
    """Digest and attempt of all decisions, in order, by one listing."""
    try:
        names = [file.relative_name(root) for file in root.files(".json")]
    except StorageError as error:
        if is_missing(error):
            return []
        raise
    parts = [name.split("/") for name in names]
    pairs = [(one[0], _NUMBER.fullmatch(one[1])) for one in parts if len(one) == 2 and _DIGEST.fullmatch(one[0])]
    return sorted((digest, int(number[1])) for digest, number in pairs if number)


def _noted(contents: Sequence[Content], digest: str) -> Noted:
    digests = [one.digest for one in contents]
    first = digests.index(digest)
    return Noted(digest, digests[first - 1] if first else None)


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise StorageError(f"expected 64 hexadecimal digits that name a delivery's bytes, found {digest[:80]!r}.")
    return digest
