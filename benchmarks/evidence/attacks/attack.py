"""What an attack on a ranking is: rows altered so as to raise a score without adding value, and what its author has to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import pyarrow as pa

from mixval.config.tasks import EVERY_TASK, Task
from mixval.errors import ConfigError
from mixval.models.backbone import Backbone
from mixval.seeds import generator

Knowledge = Literal["target", "donor", "backbone"]
"""target: T's rows. donor: another contributor's rows. backbone: the model that values. Own rows are always known."""
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class AttackerView:
    """What an attacker has access to besides its own rows; None for the rest."""

    task: Task
    target: pa.Table | None = None
    """T's rows."""
    donor: pa.Table | None = None
    """Another contributor's rows, to be copied."""
    backbone: Backbone | None = None
    """The frozen model."""
    batch_rows: int = 64
    """Rows of a pass through it."""


@dataclass(frozen=True)
class Attack:
    """A way to raise a score."""

    name: str
    alter: Callable[[pa.Table, AttackerView, float, np.random.Generator], pa.Table]
    """The altered table from one's own, what is seen, the strength, and a generator."""
    strength: float
    """As it is measured, in (0, 1]: rows added, replaced or dropped, as a share of the contributor's own."""
    description: str
    """What it does, in a sentence's end."""
    needs: frozenset[Knowledge] = frozenset()
    tasks: tuple[Task, ...] = EVERY_TASK
    is_copy: bool = False
    """Whether what it adds is another's already: of no further value, whatever training on it alone gains."""

    def apply(self, table: pa.Table, sight: AttackerView, strength: float | None = None, seed: int = 0) -> pa.Table:
        """The altered table, with the columns of `table`, in a shuffled order; the same seed gives the same rows.

        Raises ConfigError for a strength outside (0, 1], another task, or what the attack needs and `sight` lacks.
        """
        strength = self.strength if strength is None else strength
        if not 0 < strength <= 1:
            raise ConfigError(f"attack {self.name!r}: expected a strength above 0 and up to 1, found {strength}.")
        if sight.task not in self.tasks:
            raise ConfigError(
                f"attack {self.name!r} does not apply to the task {sight.task!r}. It serves: {', '.join(self.tasks)}."
            )
        if hidden := sorted(name for name in self.needs if getattr(sight, name) is None):
            raise ConfigError(f"attack {self.name!r}: its author must see {', '.join(hidden)}. Add it to `AttackerView`.")
        random = generator("gaming", self.name, seed)  # the stream's name: with another one, other rows
        altered = self.alter(table, sight, strength, random)
        return altered.take(pa.array(random.permutation(altered.num_rows), pa.int64())).combine_chunks()


def seen(what: Seen | None) -> Seen:
    """What `Attack.apply` has found there. Raises ConfigError where an attack was called past it."""
    if what is None:
        raise ConfigError(
            "an attack looked at what `AttackerView` hides. Call it through `Attack.apply`, with all that it needs."
        )
    return what


def counted(strength: float, table: pa.Table, most: int | None = None) -> int:
    """`strength` as a number of rows, at least 1 and at most `most`."""
    n_rows: int = table.num_rows
    return max(1, min(round(strength * n_rows), n_rows if most is None else most))


def taken(table: pa.Table, places: np.ndarray) -> pa.Table:
    """The rows at these places."""
    return table.take(pa.array(places, pa.int64()))


def joined(table: pa.Table, more: pa.Table) -> pa.Table:
    """Both tables' rows under the columns of the first; what the second lacks is null."""
    return pa.concat_tables([table, more], promote_options="default").select(table.column_names)
