"""The ledger: decisions that are taken once, contents of names, claims, and records that are not as they were written."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gate.scene import Gate, accepted
from mixval.contracts.ingestion import Decision, Delivery, PinnedDelivery
from mixval.errors import ConditionUnsupportedError, ContractError, DamagedRecordError, StorageError
from mixval.lake.claims import CLAIM_SECONDS, SKEW_SECONDS
from mixval.lake.ledger import Ledger, Noted

DIGEST = "a" * 64


def decision(attempt: int = 0, action: str = "accept", digest: str = DIGEST, **given: Any) -> Decision:
    delivery = Delivery(contributor="alder", name="alder/a.parquet", url="", size_bytes=1, version="v")
    pinned = PinnedDelivery(delivery=delivery, digest=digest, url="")
    return accepted(pinned, attempt, 3, 10, action).model_copy(update=given)


def state_of(gate: Gate) -> Path:
    return Path(gate.config.state)


def test_whoever_is_second_takes_the_decision_that_stands(gate: Gate) -> None:
    first, second = gate.ledger, gate.ledger
    assert first.standing(DIGEST) is None
    assert first.decide(decision()) == decision()
    assert second.decide(decision(action="reject")) == decision()
    assert second.decide(decision()) == decision()
    assert second.standing(DIGEST) == decision()
    assert second.decide(decision(1, "quarantine")).action == "quarantine"
    assert first.standing(DIGEST) == decision(1, "quarantine")
    assert first.attempts(DIGEST) == [0, 1]


def test_attempts_follow_each_other(gate: Gate) -> None:
    with pytest.raises(ContractError, match="found attempt 1 without 0"):
        gate.ledger.decide(decision(1))
    for attempt in range(12):
        gate.ledger.decide(decision(attempt))
    assert gate.ledger.attempts(DIGEST) == list(range(12))
    standing = gate.ledger.standing(DIGEST)
    assert standing is not None
    assert standing.attempt == 11


def test_numbers_that_are_none_come_back(gate: Gate) -> None:
    given = decision().model_copy(
        update={"measured": decision().measured.model_copy(update={"price": float("inf"), "n_tokens": 0.1})}
    )
    assert gate.ledger.decide(given) == given == gate.ledger.standing(DIGEST)


def test_all_decisions_are_listed_by_digest_and_attempt(gate: Gate) -> None:
    assert list(gate.ledger.decisions()) == []
    digests = [f"{at:064x}" for at in range(40)]
    for digest in digests:
        gate.ledger.decide(decision(digest=digest))
    gate.ledger.decide(decision(1, digest=digests[7]))
    (state_of(gate) / "decisions" / "notes").mkdir()  # somebody's own
    found = [(one.digest, one.attempt) for one in gate.ledger.decisions()]
    assert found == sorted([(digest, 0) for digest in digests] + [(digests[7], 1)])


def _cut(text: str) -> str:
    return text[:-20]


def _other(text: str) -> str:
    return text.replace('"accept"', '"reject"')


def _deep(text: str) -> str:
    return "[" * 10_000


def _unsealed(text: str) -> str:
    return json.dumps({name: value for name, value in json.loads(text).items() if name != "seal"})


@pytest.mark.parametrize("damage", [_cut, _other, _deep, _unsealed])
def test_a_damaged_decision_decides_nothing_and_is_left(gate: Gate, damage: Any) -> None:
    other = "b" * 64
    gate.ledger.decide(decision())
    gate.ledger.decide(decision(digest=other))
    file = state_of(gate) / "decisions" / DIGEST / "0.json"
    text = damage(file.read_text())
    file.write_text(text)
    for looked in (lambda: gate.ledger.standing(DIGEST), lambda: gate.ledger.decide(decision())):
        with pytest.raises(DamagedRecordError, match=r"0\.json: expected a record of the gate as it was written") as raised:
            looked()
        assert raised.value.digest == DIGEST
    with pytest.raises(DamagedRecordError):
        list(gate.ledger.decisions())
    damaged: list[DamagedRecordError] = []
    assert [one.digest for one in gate.ledger.decisions(damaged.append)] == [other]
    assert [one.digest for one in damaged] == [DIGEST]
    assert file.read_text() == text
    file.unlink()
    assert gate.ledger.decide(decision()) == decision()


def test_the_decision_of_another_delivery_is_none_of_this_one(gate: Gate) -> None:
    gate.ledger.decide(decision())
    copy = state_of(gate) / "decisions" / ("b" * 64)
    copy.mkdir()
    (copy / "0.json").write_bytes((state_of(gate) / "decisions" / DIGEST / "0.json").read_bytes())
    with pytest.raises(DamagedRecordError, match="the decision of attempt 0 on aaaa"):
        gate.ledger.standing("b" * 64)


@pytest.mark.parametrize("digest", ["", "../x", "A" * 64, "a" * 63])
def test_only_digests_name_deliveries(gate: Gate, digest: str) -> None:
    for asked in (gate.ledger.standing, gate.ledger.claim, gate.ledger.release):
        with pytest.raises(StorageError, match="64 hexadecimal digits"):
            asked(digest)


def test_a_claim_keeps_others_away_until_it_is_given_back(gate: Gate) -> None:
    mine, other = gate.ledger, gate.ledger
    assert mine.claim(DIGEST)
    assert mine.claim(DIGEST)
    assert not other.claim(DIGEST)
    other.release(DIGEST)
    assert not other.claim(DIGEST)
    mine.release(DIGEST)
    assert other.claim(DIGEST)


@pytest.mark.parametrize(
    ("written", "is_taken_over"),
    [
        ({"left": CLAIM_SECONDS / 2}, False),
        ({"left": -SKEW_SECONDS / 2}, False),  # run out by this clock, perhaps not by the other's
        ({"left": -SKEW_SECONDS * 2}, True),
        ({"left": CLAIM_SECONDS + SKEW_SECONDS / 2}, False),  # a clock that is ahead
        ({"left": CLAIM_SECONDS * 100}, True),  # by more than clocks differ
        ({"left": CLAIM_SECONDS / 2, "machine": platform.node(), "process": 2**22 - 1}, True),  # ended without giving it back
        ({"left": CLAIM_SECONDS / 2, "machine": platform.node(), "process": os.getpid()}, False),
        ("no claim", True),
    ],
)
def test_claims_that_have_run_out_are_taken_over(gate: Gate, written: dict[str, Any] | str, is_taken_over: bool) -> None:
    file = state_of(gate) / "claims" / f"{DIGEST}.json"
    file.parent.mkdir(parents=True)
    if isinstance(written, str):
        file.write_text(written)
    else:
        until = datetime.now(UTC) + timedelta(seconds=written["left"])
        held = {"owner": "o", "machine": "another", "process": 1, "until": until.isoformat()}
        file.write_text(json.dumps(held | {name: value for name, value in written.items() if name != "left"}))
    assert gate.ledger.claim(DIGEST) == is_taken_over


def test_a_name_has_one_content_after_the_other(gate: Gate) -> None:
    ledger = gate.ledger

    def delivered(version: str) -> Delivery:
        return Delivery(contributor="a", name="a/x.parquet", url="u", size_bytes=1, version=version)

    first, second = Noted("a" * 64, None), Noted("b" * 64, "a" * 64)
    assert ledger.known_content(delivered("1")) is None
    for _ in range(2):
        assert ledger.record_content(delivered("1"), "a" * 64, is_settled=True) == first
    assert ledger.record_content(delivered("2"), "b" * 64, is_settled=False) == second
    assert ledger.record_content(delivered("3"), "a" * 64, is_settled=True) == first  # these bytes were first
    assert ledger.record_content(delivered("2"), "b" * 64, is_settled=True) == second
    assert gate.ledger.known_content(delivered("1")) == first
    assert gate.ledger.known_content(delivered("2")) is None


def test_a_ledger_belongs_to_one_table(gate: Gate) -> None:
    gate.ledger.bind("t", None)
    assert not state_of(gate).exists()
    for _ in range(2):
        gate.ledger.bind("t", "one")
    for found, words in (("two", "found table two"), (None, "found no table")):
        with pytest.raises(StorageError, match=f"expected table one, .* {words}"):
            gate.ledger.bind("t", found)


@pytest.mark.parametrize("url", ["memory://s", "gs://bucket/s"])
def test_a_state_that_cannot_be_created_conditionally_is_refused(gate: Gate, url: str) -> None:
    with pytest.raises(ConditionUnsupportedError, match="expected the state of a gate in a local folder"):
        Ledger(gate.config.model_copy(update={"state": url}))


def test_a_state_without_rights_to_write_is_said(gate: Gate) -> None:
    state_of(gate).write_text("a file stands there")
    with pytest.raises(StorageError, match="state"):
        gate.ledger.decide(decision())
