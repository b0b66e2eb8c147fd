"""Names from outside become path segments that never meet, escape, or hide."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixval.contracts.record import ArtifactRef
from mixval.errors import StorageError
from mixval.storage.layout import MAX_SEGMENT_CHARS, Layout, safe_name
from mixval.storage.root import Location, open_location

HOSTILE = [
    "",
    "..",
    ".",
    "../../etc/passwd",
    "/abs",
    "a/b",
    "a\\b",
    "a%2Fb",
    "_hidden",
    ".hidden",
    "CON",
    "nul.txt",
    "x.",
    "%",
    "\0",
]


@given(st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE)))
def test_a_safe_name_is_one_plain_segment(name: str) -> None:
    segment = safe_name(name)
    assert set(segment) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.%~")
    assert segment[0] not in "._"
    assert 0 < len(segment) <= MAX_SEGMENT_CHARS
    assert open_location("memory://x").child(segment).name == segment


@given(st.lists(st.text(max_size=200), unique=True, max_size=8))
def test_different_names_never_meet(names: list[str]) -> None:
    assert len({safe_name(name) for name in names}) == len(names)


def test_two_spellings_of_one_word_stay_apart() -> None:
    composed = "café"
    assert safe_name(composed) != safe_name(unicodedata.normalize("NFD", composed))


def test_a_long_name_is_bounded_and_told_apart() -> None:
    one, other = "x" * 1000, "x" * 999 + "y"
    assert len(safe_name(one)) == MAX_SEGMENT_CHARS
    assert safe_name(one) != safe_name(other)
    assert safe_name("x" * MAX_SEGMENT_CHARS) == "x" * MAX_SEGMENT_CHARS


def test_layout(root: Location) -> None:
    layout = Layout(root)
    ref = ArtifactRef(kind="ntk-block", fingerprint="ab" * 16, root=root.url)
    assert layout.artifact(ref).url == f"{root.url}/artifacts/ntk-block/ab/{'ab' * 16}"
    assert layout.run("20260101").url == f"{root.url}/runs/20260101"
    assert layout.latest().url == f"{root.url}/latest.json"


@pytest.mark.parametrize(("kind", "fingerprint"), [("../x", "ab" * 16), ("x", "../.."), ("x", ""), ("", "ab" * 16)])
def test_references_from_outside_cannot_leave_the_root(root: Location, kind: str, fingerprint: str) -> None:
    with pytest.raises(StorageError, match="expected an artifact kind"):
        Layout(root).artifact(ArtifactRef(kind=kind, fingerprint=fingerprint, root=root.url))
