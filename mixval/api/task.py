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
    needed, fitting = _needed(), _fitting(columns, mapped)
    widest = [task for task in fitting if not any(needed[task] < needed[other] for other in fitting)]
    if len(widest) == 1:
        return widest[0]
    found = f"those of {' and of '.join(widest)}" if widest else visible(", ".join(sorted(columns))) or "none"
    named = "; ".join(f"{task}: {', '.join(sorted(names))}" for task, names in needed.items())
    raise ConfigError(
        f"{where}: expected the columns of one task ({named}), found {found}. Give `task`, or map the columns: "
        '`columns={"text": "review"}`.'
    )


def require_told(chosen: Task, columns: Collection[str], mapped: Mapping[str, str | Sequence[str]], where: str) -> None:
    """Raise ConfigError, naming `where`, if these columns have more than the task that the target's columns told.

    A target that lacks its labels would else be valued for another task.
    """
    needed = _needed()
    wider = [task for task in _fitting(columns, mapped) if needed[chosen] < needed[task]]
    if wider:
        lacking = ", ".join(sorted(needed[wider[0]] - needed[chosen]))
        raise ConfigError(
            f"task: the target's columns are those of {chosen}, and {where} has those of {wider[0]}. Add {lacking!r} to the "
            f'target, or give `task="{chosen}"`.'
        )


def _needed() -> dict[Task, set[str]]:
    return {task: {column.name for column in TASKS[task].columns} for task in EVERY_TASK}


def _fitting(columns: Collection[str], mapped: Mapping[str, str | Sequence[str]]) -> list[Task]:
    """Tasks whose row contract these columns meet, after mapping."""
    renamed = {name for given in mapped.values() for name in ([given] if isinstance(given, str) else given)}
    known = ({*columns} - renamed) | {*mapped}
    if "messages" in mapped:
        known |= {"prompt", "response"}
    return [task for task, names in _needed().items() if names <= known]
