"""Rows held by more than one contributor, against sets counted by hand."""

import numpy as np
import pytest

from mixval.config.gate import GateConfig
from mixval.gate.shared import shared_counts, shared_rows


def digests(names):
    return np.frombuffer(b"".join(f"{n:016d}".encode() for n in names), dtype=np.uint8).reshape(-1, 16)


@pytest.mark.parametrize("seed", range(3))
def test_counts_equal_set_arithmetic(seed):
    rng = np.random.default_rng(seed)
    sets = [set(rng.choice(60, size, replace=False).tolist()) for size in (30, 5, 0, 20, 40)]
    overlaps, sizes, n_shared = shared_counts([digests(sorted(s, key=hash)) for s in sets])
    for i, a in enumerate(sets):
        others = set().union(*(b for j, b in enumerate(sets) if j != i))
        assert (sizes[i], n_shared[i]) == (len(a), len(a & others))
        assert overlaps[i].tolist() == [len(a & b) for b in sets]


def test_findings_name_the_partners():
    held = {"a": digests(range(10)), "b": digests(range(4, 14)), "c": digests([9, *range(20, 29)]), "d": digests(range(50, 60))}
    found = shared_rows(held, GateConfig(max_shared_share=0.5))
    assert list(found) == ["a", "b", "c", "d"]
    assert [len(found[name]) for name in held] == [1, 1, 0, 0]
    finding = found["a"][0]
    assert (finding.severity, finding.count, finding.n_checked) == ("warn", 6, 10)
    assert finding.samples == ["'b' (6 rows)", "'c' (1 row)"]
    assert finding.message == (
        "contributor 'a': at most 0.5 of the rows may also belong to another contributor (gate.max_shared_share), found 0.6 "
        "(6 of 10 rows), shared with 'b' (6 rows), 'c' (1 row). Find out who copied and keep one of them, or raise the "
        "limit."
    )


def test_reject_hits_both_and_order_does_not_matter():
    held = {"a": digests(range(10)), "b": digests(range(10))}
    limits = GateConfig(shared_rows="reject")
    found = shared_rows(held, limits)
    assert [found[name][0].severity for name in "ab"] == ["reject", "reject"]
    back = shared_rows({"b": held["b"], "a": held["a"][::-1]}, limits)
    assert back == found


def test_nobody_and_empty_contributors():
    assert shared_rows({}, GateConfig()) == {}
    assert shared_rows({"a": digests([]), "b": digests(range(3))}, GateConfig()) == {"a": [], "b": []}


def test_many_partners_are_cut_short():
    held = {f"c{i}": digests(range(5)) for i in range(6)}
    assert shared_rows(held, GateConfig())["c0"][0].samples[-1] == "2 more"
