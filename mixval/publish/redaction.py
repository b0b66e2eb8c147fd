"""Checks of what is written to a manifest: no secrets, and URLs without user, password or query.

A key that looks like a secret is refused, not blanked, so that the author of the configuration learns of it.
"""

from __future__ import annotations

import re
from typing import Any

from mixval.config.url_secrets import stripped_url
from mixval.errors import ConfigError
from mixval.publish.names import visible

SECRET_KEY = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|pwd|secret|secrets|token|api_?key|access_?key(?:_id)?|account_?key|private_?key"
    r"|session_?key|signing_?key|credential|credentials|authorization|bearer|sas)(?:$|_)"
)
SECRET_VALUE = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{30,}\b")
NOT_SECRET = frozenset({"credentials_block"})
"""Keys that only name where a secret is stored."""


def publishable(value: Any, where: str = "config") -> Any:
    """The same JSON value with URLs stripped.

    Raises:
        ConfigError: a key or a value looks like a secret; the message names the key and never the value.
    """
    if isinstance(value, dict):
        return {key: publishable(_checked(str(key), item, where), f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [publishable(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, str):
        if SECRET_VALUE.search(value):
            raise _refusal(where)
        return stripped_url(value)
    return value


def looks_secret(key: str) -> bool:
    """Whether a key is named like a secret, in snake, kebab or camel case."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").replace(".", "_").lower()
    return snake not in NOT_SECRET and SECRET_KEY.search(snake) is not None


def _checked(key: str, item: Any, where: str) -> Any:
    if looks_secret(key) and item not in (None, "", {}, []):
        raise _refusal(f"{where}.{key}")
    return item


def _refusal(where: str) -> ConfigError:
    return ConfigError(
        f"{visible(where)}: looks like a secret, and manifests are published. Remove it from the configuration, and pass it "
        "through the environment or a Prefect block."
    )
