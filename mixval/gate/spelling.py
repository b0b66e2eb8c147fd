"""One spelling of texts that read alike, under which rows are compared: with T, with earlier rows, with other contributors.

Not told apart: Unicode's compatible forms (NFKC: composed accents, full-width letters, ligatures), capitals, runs of blanks and
line ends, signs that are not seen (zero-width blanks, soft hyphens, direction marks, variation selectors), and typographic
quotes and dashes from plain ones. Letters that only look alike, as of another alphabet, are told apart.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from mixval.contracts.messages import written

_QUOTES = {"'": "\u2018\u2019\u201a\u201b\u2032\u2039\u203a`\u00b4", '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"}
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_SELECTORS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0)
"""Signs that are not seen though Unicode counts them as marks or letters: variation selectors and fillers."""


def plain_text(text: str) -> str:
    """The text in the spelling under which texts are compared."""
    if not text.isascii():
        seen = text.translate(_as_seen())
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).translate(_as_seen())
    return " ".join(text.replace("`", "'").casefold().split())


def plain_messages(messages: Sequence[Mapping[str, Any] | None]) -> Any:
    """Messages in that spelling; those of a prompt that is one message of the user are its text alone."""
    said = [(plain_text(str(one.get("role") or "")), plain_text(written(one))) for one in messages if one]
    return said[0][1] if len(said) == 1 and said[0][0] == "user" else said


def joined_text(plain: Any) -> str:
    """What `plain_text` or `plain_messages` gave, as one text; empty for a null cell."""
    if plain is None or isinstance(plain, str):
        return plain or ""
    return " ".join(content for _, content in plain)


@cache
def _as_seen() -> dict[int, str | None]:
    """Code points that are read as other ones, or not at all."""
    unseen = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]
    table: dict[int, str | None] = dict.fromkeys((*unseen, *_SELECTORS))
    table |= {ord(sign): plain for plain, signs in _QUOTES.items() for sign in signs}
    return table | dict.fromkeys(map(ord, _DASHES), "-")
