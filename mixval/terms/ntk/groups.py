"""Groups of weights whose gradients fit a budget of bytes together, for `kernel.py`. Arithmetic only."""

from collections.abc import Mapping

GRADIENTS_SHARE, STREAMED_SHARE, PRODUCTS_SHARE = 3 / 4, 1 / 8, 1 / 8
"""Shares of the budget: gradients of the rows in memory, of those that stream past them, and products."""


def layer_groups(bytes_by_weight: Mapping[str, int], n_rows: int, budget_bytes: int) -> list[tuple[str, ...]]:
    """Weights in groups that fit the budget for all rows, in order; a weight that does not fit is a group by itself."""
    groups: list[list[str]] = []
    filled = 0
    for name, size in bytes_by_weight.items():
        if not groups or filled + size * n_rows > GRADIENTS_SHARE * budget_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += size * n_rows
    return [tuple(group) for group in groups]


def least_bytes(bytes_by_weight: Mapping[str, int], n_rows: int, batch_rows: int) -> int:
    """The smallest budget that suffices: the widest weight fits for all rows, or where rows are cut, for one batch."""
    widest = max(bytes_by_weight.values(), default=0)
    return int(min(widest * n_rows / GRADIENTS_SHARE, widest * batch_rows / (STREAMED_SHARE / 2)))
