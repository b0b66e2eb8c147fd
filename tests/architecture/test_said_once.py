"""House rules: what is one list stands in one place."""

from __future__ import annotations

import ast
from typing import get_args

from mixval.config.source import SourceConfig
from mixval.config.tasks import EVERY_TASK
from mixval.contracts.parts import PARTS
from tests.architecture.sources import SOURCES, Source, sources

BESIDE = [source for source in sources("benchmarks", "examples") if "tests" not in source.path.parts]
SAYS_TASKS = "mixval/config/tasks.py"
SAYS_PARTS = {"mixval/contracts/parts.py", "mixval/config/source.py"}
"""The second stands in a Literal, which pydantic reads; see `test_the_source_names_the_parts`."""


def _strings(node: ast.AST) -> set[object]:
    """The strings that a list, a tuple, a set or a dict names, one level down too."""
    named = [
        *ast.iter_child_nodes(node),
        *(below for child in ast.iter_child_nodes(node) for below in ast.iter_child_nodes(child)),
    ]
    return {one.value for one in named if isinstance(one, ast.Constant)}


def test_the_two_parts_are_said_once() -> None:
    said = [
        (source.name, node.lineno)
        for source in SOURCES
        for node in source.of(ast.Tuple, ast.List, ast.Set, ast.Dict)
        if set(PARTS) <= _strings(node)
    ]
    assert {name for name, _ in said} == {*SAYS_PARTS}, said


def test_what_differs_between_tasks_is_asked_of_their_specs() -> None:
    """No comparison with a task's name, or with a part of it, and no list or dict of several, but in the specs' own file."""
    names = {*EVERY_TASK, "classification"}
    found = [(source.name, node.lineno) for source in [*SOURCES, *BESIDE] for node in _tells_tasks_apart(source, names)]
    assert found
    assert not [one for one in found if one[0] != SAYS_TASKS]


def _tells_tasks_apart(source: Source, names: set[str]) -> list[ast.expr]:
    compared = [node for node in source.of(ast.Compare) if names & _strings(node) and _asks_a_task(node)]
    keyed = [node for node in source.of(ast.Dict) if len(names & set(map(_value, node.keys))) > 1]
    listed = [node for node in source.of(ast.Tuple, ast.List, ast.Set) if len(names & _strings(node)) > 1]
    return [*compared, *keyed, *listed]


def _value(node: ast.AST | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _asks_a_task(node: ast.Compare) -> bool:
    return any("task" in ast.unparse(side) for side in (node.left, *node.comparators))


def test_the_source_names_the_parts() -> None:
    assert set(PARTS) <= set(get_args(SourceConfig.model_fields["origin"].annotation))
