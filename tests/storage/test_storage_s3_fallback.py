"""S3 stores that do less than they should: the pointer works without conditions and says so, and a busy one is asked again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mixval.errors import ConflictError, StorageError
from mixval.storage import s3
from mixval.storage.pointer import read_latest, swap_latest
from mixval.storage.root import Location
from tests.faulty_s3 import busy, dropping, refusing, served

pytestmark = pytest.mark.s3


@pytest.fixture(params=[dropping, refusing], ids=["drops conditions", "refuses conditions"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    """A prefix on such a store."""
    with served(request.param, monkeypatch) as location:
        yield location


def test_swaps_go_on_and_say_so(place: Location) -> None:
    assert s3.ignores_conditions(place.filesystem(), f"{place.path}/probe")
    first = swap_latest(place, "r1", "f", None)
    second = swap_latest(place, "r2", "f", first.latest)
    assert (first.conditional, second.conditional) == (False, False)
    assert read_latest(place) == second.latest
    for stale in (None, first.latest):
        with pytest.raises(ConflictError, match="found run 'r2'"):
            swap_latest(place, "r3", "f", stale)
    assert [file.name for file in place.files()] == ["latest.json"]


def test_a_busy_store_is_asked_again_by_listings_reads_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "BUSY_PAUSES", (0.0,) * 5)
    monkeypatch.setattr(s3, "ATTEMPTS", 1)  # botocore waits a second at random before its own second attempt
    with served(busy, monkeypatch) as place:
        for name in ("a", "b"):
            place.child(name, "rows.txt").write_bytes(name.encode())
        assert place.folders() == ["a", "b"]
        assert [file.read_bytes() for file in place.files()] == [b"a", b"b"]
        with place.child("b", "rows.txt").open() as file:
            assert file.read() == b"b"
        assert place.child("c").write_if_absent(b"c")
        monkeypatch.setattr(s3, "BUSY_PAUSES", ())
        with pytest.raises(StorageError, match=r"expected to list a folder, but it failed .*busy"):
            place.folders()
