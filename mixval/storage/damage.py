"""What a process finds damaged in a store: logged at once, and kept until the run that met it says so in its warnings."""

from __future__ import annotations

import logging
import threading

_LOG = logging.getLogger("mixval.storage")
_LOCK = threading.Lock()
_FOUND: dict[str, str] = {}
"""URL -> what was found there, since the last run below the same output told it."""


def tell_damage(url: str, words: str) -> None:
    """Log that something at a URL is damaged, and what is done about it; once until a run has taken it."""
    with _LOCK:
        is_new = _FOUND.get(url) is None
        _FOUND[url] = words
    if is_new:
        _LOG.warning("%s: %s", url, words)


def take_damage(output: str) -> list[str]:
    """What was found damaged below an output root, `URL: words` each, sorted; it is not given again."""
    below = output.rstrip("/") + "/"
    with _LOCK:
        found = {url: words for url, words in _FOUND.items() if url.startswith(below)}
        for url in found:
            del _FOUND[url]
    return [f"{url.removeprefix(below)}: {words}" for url, words in sorted(found.items())]
