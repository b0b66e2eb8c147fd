"""Texts that read alike are one row, whatever their code points."""

import unicodedata

import pytest

from mixval.gate.spelling import plain_messages, plain_text

TEXT = "Café “Noir” said: it\u2019s fine — really!"


@pytest.mark.parametrize(
    "other",
    [
        unicodedata.normalize("NFD", TEXT),
        TEXT.upper(),
        f"  {TEXT}\r\n",
        TEXT.replace(" ", " \t\u00a0\u3000"),
        TEXT.replace("a", "a\u200b"),
        TEXT.replace("f", "f\u00ad\ufeff\u202e\ufe0f"),
        TEXT.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
        TEXT.replace("“", '"').replace("”", '"').replace("\u2019", "'").replace("—", "-"),
        TEXT.replace("fi", "\ufb01"),
    ],
)
def test_one_text_in_other_spellings(other):
    assert plain_text(other) == plain_text(TEXT)


@pytest.mark.parametrize("other", [TEXT.replace("é", "e"), TEXT.replace("a", "\u0430"), TEXT[:-1], TEXT.replace(" ", "")])
def test_other_texts(other):
    assert plain_text(other) != plain_text(TEXT)


def test_nothing_that_is_seen():
    assert [plain_text(text) for text in ("", " \n", "\u200b\ufeff", "\u3164 \u2060")] == [""] * 4


def test_messages():
    asked = [{"role": "user", "content": "What\u00a0 is it?"}]
    assert plain_messages(asked) == "what is it?"
    assert plain_messages([{"role": "system", "content": "X"}, *asked]) == [("system", "x"), ("user", "what is it?")]
    assert plain_messages([{"role": None, "content": None}, None]) == [("", "")]
