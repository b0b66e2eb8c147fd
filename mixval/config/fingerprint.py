"""Fingerprints: the same inputs always give the same name; a value without a stable text form is refused."""

import hashlib
import json
import math
from typing import Any

from pydantic import BaseModel

from mixval.errors import ConfigError


def fingerprint(kind: str, version: int, **inputs: Any) -> str:
    """32 hex digits that name an artifact of `kind` made from `inputs` by `version` of its algorithm."""
    text = json.dumps({"kind": kind, "version": version, "inputs": _stable(inputs, kind)}, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _stable(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (str, bool, int)):  # first, since most are
        return value
    if isinstance(value, BaseModel):
        return _stable(value.model_dump(mode="json"), where)
    if isinstance(value, dict):
        return {str(key): _stable(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stable(item, where) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise ConfigError(
        f"{where}: {type(value).__name__} has no stable text form and cannot be part of a fingerprint. Give a finite number, a "
        "string, a list, a dict or a model."
    )
