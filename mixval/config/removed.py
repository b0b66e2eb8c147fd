"""Keys and choices of earlier versions that are gone, and what to write instead.

A configuration that still names one is refused like any unknown key; the message then says what has become of it.
"""

KEYS: dict[str, str] = {
    "ntk.slice_rows": "`runtime.gradient_bytes` says in bytes what a task may hold of gradients",
    "ntk.nystroem_rank": "it belonged to `ntk.method: nystroem`. Leave it out",
    "ntk.extrapolate": "leave it out; `ntk.method: sketched` measures all rows that are read",
}
"""By the key's path."""
CHOICES: dict[tuple[str, str], str] = {
    ("discrepancy.method", "linear-time"): "write `random-features`, which is for many rows, too, and has a smaller error",
    ("ntk.method", "iterative"): "write `exact`, which gives the same number",
    ("ntk.method", "nystroem"): "write `exact`, or `sketched` for more rows than a Gram matrix can hold",
}
"""By the key's path and what stood there."""


def remedy(key: str, given: object) -> str | None:
    """What to write instead of a removed key, or of a removed choice of a key that is there; None for all others."""
    found = CHOICES.get((key, given)) if isinstance(given, str) else None
    return found or KEYS.get(key)
