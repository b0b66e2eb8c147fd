"""Jinja environments of all pages: templates next to their code, escaped, with missing names as errors."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def templates(package: str, *shared: str) -> Any:
    """The Jinja environment of a package's own templates, then of the packages that it shares templates with.

    A name that a template uses and that is not passed is an error.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader(one, ".") for one in (package, *shared)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
