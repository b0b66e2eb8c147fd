"""JSON that others wrote: what is nested too deeply is refused before anything walks it."""

from __future__ import annotations

import json
from typing import Any

from mixval.errors import ContractError

MOST_LEVELS = 100
"""Objects and lists within one another. Tool calls and configurations of models have fewer than ten."""


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises json.JSONDecodeError for what is no JSON, ContractError for what is nested more than
    `MOST_LEVELS` deep."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ContractError(_TOO_DEEP) from None
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ContractError(_TOO_DEEP)


_TOO_DEEP = f"values nested more than {MOST_LEVELS} deep"


def _inside(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in inside if isinstance(inner, dict | list)]
