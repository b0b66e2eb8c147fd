"""Generated parts of Markdown files: what stands between two comments is written by a program, the rest by hand."""

from __future__ import annotations

import sys
from pathlib import Path


def replaced(text: str, name: str, body: str) -> str:
    """The text with `body` between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. Raises ValueError without the two."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"expected {begin} and {end}, once each and in this order")
    head, _, rest = text.partition(begin)
    return f"{head}{begin}\n\n{body.strip()}\n\n{end}{rest.partition(end)[2]}"


def rewrite(file: Path, name: str, body: str) -> None:
    """Replace the part of the file, and say so."""
    file.write_text(replaced(file.read_text(encoding="utf-8"), name, body), encoding="utf-8")
    sys.stdout.write(f"wrote {name} in {file.name}\n")
