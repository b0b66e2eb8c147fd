"""Where synthetic rows stop, made up: told by labels, not told by tokens."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mixval.contracts.truncation import TRUNCATION


def truncation_row(name: str, **changes: object) -> dict[str, Any]:
    """A cut-off at rank 30 of 100 labels of the target, or with these changes."""
    ends = {"cut_rank": (30.2, 26.6, 34.1), "softness": (0.2, 0.14, 0.28), "lost_mass": (0.23, 0.2, 0.26)}
    numbers = {
        f"{column}{end}": value for column, of in ends.items() for end, value in zip(("", "_low", "_high"), of, strict=True)
    }
    sizes = {"n_reference": 2000, "n_synthetic": 1000, "n_things": 100, "n_lacking": 12, "lacking_mass": 0.08}
    return {"contributor": name, "over": "labels", "reference": "target", **sizes, **numbers, "reason": None} | changes


def make_truncation(names: list[str]) -> pa.Table:
    """Each by labels, and by tokens against its real rows, where nothing is told."""
    unknown = dict.fromkeys(("cut_rank", "cut_rank_high", "softness", "softness_low", "softness_high"))
    by_tokens = unknown | {
        "over": "tokens", "reference": "real", "cut_rank_low": 311.0, "n_lacking": 0, "lacking_mass": 0.0,
        "lost_mass": 0.0, "lost_mass_low": 0.0, "lost_mass_high": 0.014, "reason": "no cut-off is shown",
    }  # fmt: skip
    rows = [row for name in names for row in (truncation_row(name), truncation_row(name, **by_tokens))]
    return pa.Table.from_pylist(rows, schema=TRUNCATION)
