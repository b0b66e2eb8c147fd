"""What is counted as touched by a term: few files, and those that are meant."""

from __future__ import annotations

from benchmarks.house.term_files import MOST, ROOT, TERM, files_entered, files_naming


def test_a_term_is_entered_where_specs_and_measurements_stand() -> None:
    assert files_entered() == ["mixval/contracts/terms.py", "mixval/stages/measurements.py"]


def test_few_files_name_a_term() -> None:
    found = files_naming(TERM)
    assert {*files_entered()} < {*found}
    assert len(found) <= MOST, found
    for name in found:
        assert TERM in (ROOT / name).read_text(encoding="utf-8")
