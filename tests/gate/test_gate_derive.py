"""The derived frame: what the checks see of rows, and the digests that name them."""

import numpy as np
import pyarrow as pa
import pytest

from mixval.config.gate import GateConfig
from mixval.contracts.digests import input_digest
from mixval.errors import ShapeError
from mixval.gate.derive import as_digests, derive_rows, digest_names
from mixval.gate.texts import text_facts
from mixval.gate.words import listed, printable, shorten


def test_frame_holds_short_text_and_no_data(text_rows):
    rows = text_rows(4, text={0: "z" * 5000, 1: None})
    frame = derive_rows(rows, "text-classification", GateConfig(), None).frame
    assert len(frame["text"][0]) == 120
    assert frame["text"][1] is None
    assert frame["text_chars"].tolist()[2:] == [8.0, 8.0]
    assert frame["text_chars"][0] == 5000
    assert np.isnan(frame["text_chars"][1])
    assert list(frame.index) == [0, 1, 2, 3]


def test_digests_follow_the_contract(text_rows):
    derived = derive_rows(text_rows(3), "text-classification", GateConfig(), None)
    assert [bytes(d) for d in derived.digests] == [input_digest([f"c says {i}"]) for i in range(3)]


def test_digest_of_a_pair_is_of_both():
    table = pa.table({"prompt": ["a", "a", "ab"], "response": ["b", "c", ""], "origin": ["real"] * 3})
    digests = derive_rows(table, "instruction", GateConfig(), None).digests
    assert [bytes(d) for d in digests] == [input_digest(p) for p in (["a", "b"], ["a", "c"], ["ab", ""])]


def test_names_tell_trailing_zero_bytes_apart():
    names = digest_names(as_digests([b"x" * 15 + b"\0", b"x" * 14 + b"\0\0", b"x" * 16, b"\0" * 16, b"\0" * 15 + b"\1"]))
    assert len(np.unique(names)) == 5


def test_names_refuse_what_is_no_digest():
    with pytest.raises(ShapeError, match=r"\(N, 16\) uint8, found \(2, 8\) uint8"):
        digest_names(np.zeros((2, 8), dtype=np.uint8))


def test_texts():
    facts = text_facts(pa.chunked_array([["ab", "", " \n", None, "é" * 3]], pa.large_string()))
    assert [fact.n_chars for fact in facts] == [2, 0, 0, None, 3]
    assert [fact.shown for fact in facts] == ["ab", "''", "' \\n'", None, "ééé"]


def test_dictionary_texts():
    column = pa.chunked_array([pa.array(["a", "b", "a"]).dictionary_encode()])
    assert [fact.plain for fact in text_facts(column)] == ["a", "b", "a"]


def test_messages_that_are_not_utf8():
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    content = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff"], pa.binary()).buffers())
    structs = pa.StructArray.from_arrays([pa.array(["user", "user"]), content], ["role", "content"])
    facts = text_facts(pa.chunked_array([pa.ListArray.from_arrays([0, 1, 2], structs).cast(kind)]))
    assert [fact.is_whole for fact in facts] == [True, False]


def test_words():
    assert printable("a\x1b[31m\u202eb\ud800") == "a\\x1b[31m\\u202eb\\ud800"
    assert shorten("x" * 130) == "x" * 119 + "…"
    assert shorten("x" * 120) == "x" * 120
    assert len(shorten("\x00" * 500)) == 120
    assert listed(list(range(1000)), limit=3) == "0, 1, 2, … (1,000 in all)"
