"""Libraries that only comparisons need: imported when a method is used, with a clear error when they are missing."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from mixval.errors import ConfigError
from mixval.installing import install_command

EXTRAS = {
    "sklearn": "evidence",
    "ot": "evidence",
    "kronfluence": "attribution",
    "dattri": "attribution",
    "bergson": "attribution",
    "datasets": "attribution",
}
"""Which extra brings a library."""


def optional(module: str) -> Any:
    """The module of that name, of a library in `EXTRAS`. Raises ConfigError that names the extra which brings it."""
    library = module.partition(".")[0]
    try:
        with warnings.catch_warnings():
            # POT's sources have escapes that compiling them complains of, once.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", SyntaxWarning)
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        raise ConfigError(
            f"expected the library {library!r}, found no {missing!r}. Install it with "
            f"`{install_command(EXTRAS[library])}`, or leave the method out."
        ) from error
