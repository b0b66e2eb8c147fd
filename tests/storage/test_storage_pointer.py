"""The pointer: swapped only from what was read, exactly one winner of a race."""

from __future__ import annotations

import threading

import pytest

from mixval.errors import ConflictError, StorageError
from mixval.storage.layout import Layout
from mixval.storage.pointer import read_latest, swap_latest
from mixval.storage.root import Location


def test_swaps_follow_one_another(root: Location) -> None:
    assert read_latest(root) is None
    first = swap_latest(root, "r1", "f1", None)
    assert first.conditional
    assert read_latest(root) == first.latest
    second = swap_latest(root, "r2", "f2", read_latest(root))
    assert (second.latest.run_id, second.latest.fingerprint) == ("r2", "f2")
    assert read_latest(root) == second.latest
    assert b"token" not in Layout(root).latest().read_bytes()


def test_a_pointer_that_moved_is_not_overwritten(root: Location) -> None:
    first = swap_latest(root, "r1", "f1", None).latest
    swap_latest(root, "r2", "f2", first)
    for stale in (None, first):
        with pytest.raises(ConflictError, match="found run 'r2'"):
            swap_latest(root, "r3", "f3", stale)
    current = read_latest(root)
    assert current is not None
    assert current.run_id == "r2"


def test_swapping_there_and_back_is_noticed(root: Location) -> None:
    first = swap_latest(root, "r1", "f1", None).latest
    second = swap_latest(root, "r2", "f2", first).latest
    swap_latest(root, "r1", "f1", second)
    with pytest.raises(ConflictError):
        swap_latest(root, "r3", "f3", first)


def test_exactly_one_of_eight_wins(root: Location) -> None:
    start = swap_latest(root, "r0", "f", None).latest
    barrier, won, lost = threading.Barrier(8), [], []

    def race(number: int) -> None:
        barrier.wait()
        try:
            won.append(swap_latest(root, f"r{number}", "f", start).latest)
        except ConflictError as error:
            lost.append(error)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert read_latest(root) == won[0]


def test_a_damaged_pointer_is_told(root: Location) -> None:
    Layout(root).latest().write_bytes(b"{}")
    with pytest.raises(StorageError, match="expected the pointer to a run"):
        read_latest(root)
