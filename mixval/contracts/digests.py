"""Content digests of rows, and the sampling key made from them.

A row is identified by its content, never by its position: the same rows give the same sample whatever the shard split, row
order or batch size. Identical rows get different keys by a count of the ones before, which is symmetric in them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mixval.seeds import derive_seed


def input_digest(values: Sequence[Any]) -> bytes:
    """16-byte digest of a row's inputs (the contract's input columns, in order)."""
    state = hashlib.blake2b(digest_size=16)
    for value in values:
        part = _as_bytes(value)
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def row_identity(inputs: bytes, label: int | None, origin: str) -> bytes:
    """16-byte digest of a row with its label and origin."""
    return hashlib.blake2b(inputs + f"\x1f{label}\x1f{origin}".encode(), digest_size=16).digest()


def sampling_keys(identities: Iterable[bytes], met: Counter[bytes], seed: int) -> np.ndarray:
    """(N,) uint64: uniform keys, the k smallest of which are a seeded sample of k rows. `met` counts repeats over batches."""
    salt = derive_seed("sample", seed).to_bytes(8, "little")
    keys = []
    for identity in identities:
        repeat = met[identity]
        met[identity] += 1
        digest = hashlib.blake2b(identity + repeat.to_bytes(8, "little"), digest_size=8, salt=salt).digest()
        keys.append(int.from_bytes(digest, "little"))
    return np.array(keys, dtype=np.uint64)


def _as_bytes(value: Any) -> bytes:
    if value is None:
        return b"\x00none"
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, np.ndarray):
        return str(value.shape).encode() + np.ascontiguousarray(value).tobytes()
    return json.dumps(value, sort_keys=True, ensure_ascii=True, default=str).encode()
