"""Seeds derived from names, so that no two draws share a stream by accident and none depends on order of execution."""

import hashlib

import numpy as np


def derive_seed(*names: str | int) -> int:
    """A 63-bit seed from a path of names, e.g. `derive_seed(0, "multipliers", "news")`."""
    text = "\x1f".join(f"{type(name).__name__}:{name}" for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*names: str | int) -> np.random.Generator:
    """A NumPy generator on the seed of these names."""
    return np.random.default_rng(derive_seed(*names))
