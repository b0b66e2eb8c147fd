"""A sentence with names in it. Each output escapes and shortens them in its own way; the words are the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass

from mixval.publish.names import listed


@dataclass(frozen=True)
class Sentence:
    """Our own words, with a `{}` for each list of names from the data."""

    words: str
    names: tuple[tuple[str, ...], ...] = ()

    def plain(self, most: int = 5) -> str:
        """As text without escapes for a format, at most `most` names of a list."""
        return self.words.format(*(listed(list(group), most) for group in self.names))
