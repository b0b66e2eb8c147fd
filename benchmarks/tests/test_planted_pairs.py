"""Planted contributors: what is spoilt, and that nothing else is."""

from __future__ import annotations

from benchmarks.planted_pairs import spoilt_answers


def test_spoilt_answers_differ_from_right_ones_in_their_responses_alone() -> None:
    contributors, target = spoilt_answers(8, 5)
    right, mismatched, shuffled = (contributors[name].to_pydict() for name in ("right", "mismatched", "shuffled"))
    assert target.num_rows == 5
    assert right["prompt"] == mismatched["prompt"] == shuffled["prompt"]
    assert len(right["prompt"]) == 8
    assert sorted(mismatched["response"]) == sorted(right["response"])
    assert all(given != own for given, own in zip(mismatched["response"], right["response"], strict=True))
    for given, own in zip(shuffled["response"], right["response"], strict=True):
        assert sorted(given.split()) == sorted(own.split())
