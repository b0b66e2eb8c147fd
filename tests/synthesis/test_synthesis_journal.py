"""The journal: what was written counts, what is damaged does not, and an answer serves the limits that it fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixval.storage.damage import take_damage
from mixval.storage.root import Location, open_location
from mixval.synthesis.journal import Journal
from mixval.synthesis.requests import Answer

TEXT = "Ä {}\u2028\n"


def answer(key: str, max_tokens: int = 100, n: int | None = 10, reason: str = "stop") -> Answer:
    counted = {"prompt_tokens": 3, "completion_tokens": n, "max_tokens": max_tokens}
    return Answer.model_validate({"key": key, "text": TEXT, "finish_reason": reason, **counted, "model": "m", "seconds": 1})


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_what_was_written_is_found_again_and_nothing_else(place: str, tmp_path: Path) -> None:
    output = open_location(tmp_path if place == "disk" else f"memory://journal-{tmp_path.name}")
    before = Journal(output)
    before.add([answer("a"), answer("b")])
    before.flush()
    before.add([answer("c")])  # gathered, and lost with the process
    assert before.find("a", 100) == answer("a")
    after = Journal(output)
    assert (len(after), after.find("b", 100), after.find("c", 100)) == (2, answer("b"), None)


@pytest.mark.parametrize(
    ("stored", "asked", "serves"),
    [
        (answer("a", 100, 10), 50, True),
        (answer("a", 100, 60), 50, False),
        (answer("a", 100, 60), 200, True),
        (answer("a", 100, 100, "length"), 100, True),
        (answer("a", 100, 100, "length"), 200, False),
        (answer("a", 100, None), 50, False),
        (answer("a", 100, None), 200, True),
    ],
)
def test_only_cut_answers_are_made_anew_when_the_limit_grows(stored: Answer, asked: int, serves: bool, tmp_path: Path) -> None:
    journal = Journal(open_location(tmp_path))
    journal.add([stored])
    journal.flush()
    assert (journal.find("a", asked) is not None) is serves


def test_of_several_answers_the_one_that_serves_is_taken(tmp_path: Path) -> None:
    journal = Journal(open_location(tmp_path))
    for one in (answer("a", 10, 10, "length"), answer("a", 40, 33)):
        journal.add([one])
        journal.flush()
    again = Journal(open_location(tmp_path))
    assert [again.find("a", most) for most in (10, 40, 50)] == [answer("a", 10, 10, "length"), *[answer("a", 40, 33)] * 2]


def test_damaged_lines_are_told_and_not_taken(tmp_path: Path) -> None:
    output = open_location(tmp_path)
    journal = Journal(output)
    journal.add([answer("a"), answer("b"), answer("c")])
    journal.flush()
    [segment] = segments(output)
    lines = segment.read_bytes().splitlines(keepends=True)
    changed = lines[1].replace(b'"stop"', b'"stap"')
    segment.write_bytes(lines[0] + changed + lines[2][: len(lines[2]) // 2])
    again = Journal(output)
    assert [again.find(key, 100) is not None for key in "abc"] == [True, False, False]
    assert ["found 2 that are not" in words for words in take_damage(output.url)] == [True]


def segments(output: Location) -> list[Location]:
    return output.child("journal").files(".jsonl")
