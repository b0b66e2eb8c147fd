"""What a share of some rows is worth: a part or a group of a contributor's, or of those of all ranked ones together."""

from __future__ import annotations

from mixval.config.base import FrozenModel


class ShareWorth(FrozenModel):
    """Value of a share of rows alone, and beside the others. Higher is better."""

    n_rows: int
    value: float | None
    """Of training on the share alone. None where unknown."""
    value_low: float | None
    value_high: float | None
    adds: float | None
    """Value of all rows less that of the others. None of all, and where there are no others."""
    adds_low: float | None
    adds_high: float | None
    verdict: str | None
    """take, leave or cannot say, on what it adds."""
