"""An additional section of the evidence page, given by the caller: further results on the same worlds."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """One section, below those of the worlds."""

    key: str
    """Names the section in the page's `id`s: no other section of the page has it. Letters, digits and hyphens."""
    heading: str
    """Its title: plain text, which is escaped, or Markup."""
    body: Markup
    """HTML inserted into the page unchanged, without a script or a request: render it with autoescape (`publish/templates.py`).
    Figures are inline SVG, one a layout of `publish/report/theme.py`."""
