"""Keys and choices of earlier versions that were removed or renamed, and what to write instead.

A configuration with one of them is refused like one with an unknown key; the message then gives the replacement.
"""

KEYS: dict[str, str] = {
    "ntk.slice_rows": "Write `runtime.gradient_bytes`, the bytes of gradients that a task may have in memory",
    "ntk.nystroem_rank": "Leave it out; it belonged to `ntk.method: nystroem`",
    "ntk.extrapolate": "Leave it out; `ntk.method: sketched` measures all rows that are read",
    "unions": "Write `coalitions`, its name in a calibration",
    "value.half_sample_rows": "Write `value.replicate_rows`; with `ntk.method: exact` twice the number, as it was half",
    "value.risk_damping": "Write `value.damping`, its new name",
}
"""By the key's path."""
CHOICES: dict[tuple[str, str], str] = {
    ("discrepancy.method", "linear-time"): "Write `random-features`, which also works for many rows and has a smaller error",
    ("ntk.method", "iterative"): "Write `exact`, which gives the same number",
    ("ntk.method", "nystroem"): "Write `exact`, or `sketched` when there are too many rows for a Gram matrix",
    ("value.method", "risk"): "Write `ntk-regression`, its new name",
    ("value.method", "bound"): "Write `eq8`, its new name",
}
"""By the key's path and its old value."""


def remedy(key: str, given: object) -> str | None:
    """What to write instead of a removed key, or of a removed choice of an existing key. None for all others."""
    found = CHOICES.get((key, given)) if isinstance(given, str) else None
    return found or KEYS.get(key)
