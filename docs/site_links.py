"""A hook of MkDocs: what a page links to outside of docs/ is named on the site instead, as on a package index."""

from __future__ import annotations

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)\s#]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, **_given: Any) -> str:
    """The page with `[words](../path)` as words and path."""
    return OUTSIDE.sub(r"\1 (`\2`)", markdown)
