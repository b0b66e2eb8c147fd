"""Pools of rows that contributors draw from: real ones, and those of one or several generators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.contracts.parts import PARTS
from mixval.errors import ConfigError, ContractError


class Pool:
    """Rows under the row contract, drawn by group and source; `used` rows are drawn no more.

    Groups are the labels where rows have one, else the `group` column. They are ranked by how many rows they have, equal ones
    by value, so that "the first k" is what a generator that has lost the tail still gives.
    """

    def __init__(self, name: str, rows: pa.Table, first: Sequence[Any] = ()) -> None:
        """`name` is for messages. `rows` may be empty. Groups in `first` are ranked before others, in that order."""
        self.name = name
        self.rows = rows
        self.used: set[int] = set()
        self._sources = _column(rows, "source")
        groups = _column(rows, "label" if "label" in rows.column_names else "group")
        counts = Counter(groups)
        others = sorted(set(counts) - set(first), key=lambda group: (-counts[group], str(type(group)), group))
        self.groups: list[Any] = [*first, *others]
        rank = {group: at for at, group in enumerate(self.groups)}
        self._ranks = np.array([rank[group] for group in groups], dtype=np.int64)

    @property
    def sources(self) -> list[str]:
        """Sorted values of the `source` column."""
        return sorted(set(self._sources), key=str)

    def draw(
        self,
        n: int,
        random: np.random.Generator,
        n_groups: int | None = None,
        sources: Sequence[str] | None = None,
        keep: bool = False,
    ) -> np.ndarray:  # (n,) int64 positions in the pool
        """`n` rows of the first `n_groups` groups and the given sources, none twice; with `keep`, others may draw them too.

        Raises ConfigError when the pool does not hold that many.
        """
        fits = np.ones(self.rows.num_rows, dtype=bool)
        if n_groups is not None:
            fits &= self._ranks < n_groups
        if sources is not None:
            fits &= np.array([source in sources for source in self._sources], dtype=bool)
        if self.used and not keep:
            fits[sorted(self.used)] = False
        candidates = np.flatnonzero(fits)
        if len(candidates) < n:
            raise ConfigError(
                f"the {self.name} pool must have {n} rows left of {n_groups or 'all'} group(s) and {sources or 'all'} "
                f"source(s), found {len(candidates)}. Lower `size` or `contributors`, raise the number of groups or sources, "
                "or set `pools: independent`."
            )
        drawn: np.ndarray = candidates[random.permutation(len(candidates))[:n]]
        if not keep:
            self.used.update(drawn.tolist())
        return drawn


def check_pools(real: pa.Table, synthetic: pa.Table) -> None:
    """Raise ContractError unless both tables have the same columns and types, `id` and `source` among them."""
    for name, rows in zip(PARTS, (real, synthetic), strict=True):
        if missing := sorted({"id", "source"} - set(rows.column_names)):
            raise ContractError(f"the {name} rows need columns {missing}, found {rows.column_names}. Add them.")
    if not real.schema.equals(synthetic.schema):
        raise ContractError(
            f"real and synthetic rows must share one schema; real rows have {_types(real)}, synthetic ones "
            f"{_types(synthetic)}. Cast one of them."
        )


def _column(rows: pa.Table, name: str) -> list[Any]:
    return rows.column(name).to_pylist() if name in rows.column_names else [None] * rows.num_rows


def _types(rows: pa.Table) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in rows.schema)
