"""Names from the data made safe to display: no invisible or control characters, limited length.

Escaping for HTML, rich markup or Markdown comes on top of this, where that format is written.
"""

import difflib
import unicodedata
from collections.abc import Sequence

STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories with no glyph of their own: controls, bidi and zero-width marks, surrogates, line separators."""


def visible(text: str) -> str:
    """The text with every control, bidi and zero-width character spelt out, e.g. `\\x1b` or `\\u202e`."""
    return "".join(_spelt_out(char) if unicodedata.category(char) in STEERING else char for char in text)


def shortened(text: str, limit: int) -> str:
    """The visible text in at most `limit` characters; what is left out in the middle is an ellipsis."""
    shown = visible(text)
    if len(shown) <= limit:
        return shown
    tail = (limit - 1) // 3
    return f"{shown[: limit - 1 - tail]}…{shown[len(shown) - tail :]}"


def listed(names: list[str], limit: int = 5, name_limit: int = 40) -> str:
    """`a, b and c`, or the first `limit` names and how many more there are."""
    shown = [shortened(name, name_limit) for name in names[:limit]]
    if len(names) > limit:
        return f"{', '.join(shown)} and {len(names) - limit} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def unknown_name(contributor: str, known: Sequence[str]) -> str:
    """What to say of a name that a run does not have: similar ones, or all."""
    unique = sorted(set(known))
    similar = difflib.get_close_matches(contributor, unique, n=3, cutoff=0.5)
    offered = " or ".join(repr(visible(name)) for name in similar)
    hint = f"Did you mean {offered}?" if similar else f"They are {listed(unique, 10)}."
    return f"expected one of the run's {len(unique)} contributors, found {contributor!r}. {hint}"


def markdown_escaped(text: str) -> str:
    """The visible text with Markdown's and HTML's own characters escaped, for one cell of a table."""
    named = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\|`*_[]#~!" else char for char in named)


def _spelt_out(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
