"""What is counted as touched by a term: few files, and those that are meant."""

from __future__ import annotations

from benchmarks.house.term_files import MOST, ROOT, TERM, files_entered, files_naming


def test_a_term_of_one_s_own_is_entered_by_one_function() -> None:
    assert files_entered() == ["mixval/stages/measurements.py"]


def test_few_files_name_a_term() -> None:
    found = files_naming(TERM)
    assert {*files_entered()} < {*found}
    assert len(found) <= MOST, found
    for name in found:
        assert TERM in (ROOT / name).read_text(encoding="utf-8")
