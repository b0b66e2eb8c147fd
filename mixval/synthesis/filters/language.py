"""Answers in another language than the one asked for, by py3langid: 142 languages, by their letters and short runs of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mixval.errors import ConfigError
from mixval.installing import install_command
from mixval.synthesis.filters.drop import Candidate, Drop, shown


def other_language(candidate: Candidate, wanted: str, least: float) -> Drop | None:
    """A drop where another language than the wanted one is at least so probable."""
    found, probability = _identifier().classify(candidate.text)
    if found == wanted or probability < least:
        return None
    return Drop("language", shown(candidate.text[:80]), f"{found} with probability {probability:.3f}, expected {wanted}")


def known_languages() -> frozenset[str]:
    """Languages that can be told apart. Raises ConfigError where the package is not installed."""
    return frozenset(str(one) for one in _identifier().nb_classes)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError(
            f"filters.language: expected the package py3langid, found none. Run: {install_command('synthesis')}, or set "
            "`filters.language: null`."
        ) from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
