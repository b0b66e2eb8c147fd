"""The task that a table's columns fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mixval.config.tasks import EVERY_TASK, TASKS, Task
from mixval.errors import ConfigError
from mixval.publish.names import visible


def task_of(columns: Collection[str], mapped: Mapping[str, str | Sequence[str]], where: str) -> Task:
    """The task whose row contract these columns meet, after mapping; of `text` with `label` it is classification.

    Raises ConfigError, naming `where`, where no task or more than one is meant.
    """
    renamed = {name for given in mapped.values() for name in ([given] if isinstance(given, str) else given)}
    known = ({*columns} - renamed) | {*mapped}
    if "messages" in mapped:
        known |= {"prompt", "response"}
    needed = {task: {column.name for column in TASKS[task].columns} for task in EVERY_TASK}
    fitting = [task for task in EVERY_TASK if needed[task] <= known]
    widest = [task for task in fitting if not any(needed[task] < needed[other] for other in fitting)]
    if len(widest) == 1:
        return widest[0]
    found = f"those of {' and of '.join(widest)}" if widest else visible(", ".join(sorted(columns))) or "none"
    named = "; ".join(f"{task}: {', '.join(sorted(names))}" for task, names in needed.items())
    raise ConfigError(
        f"{where}: expected the columns of one task ({named}), found {found}. Give `task`, or map the columns: "
        '`columns={"text": "review"}`.'
    )
