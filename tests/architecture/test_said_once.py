"""House rules: what is one list stands in one place."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

from mixval.config.source import SourceConfig
from mixval.config.tasks import EVERY_TASK
from mixval.contracts.parts import PARTS

ROOT = Path(__file__).parents[2]
FILES = sorted(path for package in ("mixval", "tasks", "flows", "deployments") for path in (ROOT / package).rglob("*.py"))
BESIDE = sorted(
    path for package in ("benchmarks", "examples") for path in (ROOT / package).rglob("*.py") if "tests" not in path.parts
)
SAYS_TASKS = "mixval/config/tasks.py"
SAYS_PARTS = {"mixval/contracts/parts.py", "mixval/config/source.py"}
"""The second stands in a Literal, which pydantic reads; see `test_the_source_names_the_parts`."""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _strings(node: ast.AST) -> set[object]:
    """The strings that a list, a tuple, a set or a dict names, one level down too."""
    named = [
        *ast.iter_child_nodes(node),
        *(below for child in ast.iter_child_nodes(node) for below in ast.iter_child_nodes(child)),
    ]
    return {one.value for one in named if isinstance(one, ast.Constant)}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_the_two_parts_are_said_once(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict)]
    assert relative(path) in SAYS_PARTS or not [node.lineno for node in lists if set(PARTS) <= _strings(node)]


@pytest.mark.parametrize("path", [*FILES, *BESIDE], ids=relative)
def test_what_differs_between_tasks_is_asked_of_their_specs(path: Path) -> None:
    """No comparison with a task's name, or with a part of it, and no list or dict of several, but in the specs' own file."""
    if relative(path) == SAYS_TASKS:
        return
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {*EVERY_TASK, "classification"}
    compared = [
        node.lineno for node in nodes if isinstance(node, ast.Compare) and names & _strings(node) and _asks_a_task(node)
    ]
    keyed = [node.lineno for node in nodes if isinstance(node, ast.Dict) and len(names & set(map(_value, node.keys))) > 1]
    listed = [
        node.lineno for node in nodes if isinstance(node, ast.Tuple | ast.List | ast.Set) and len(names & _strings(node)) > 1
    ]
    assert not compared + keyed + listed


def _value(node: ast.AST | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _asks_a_task(node: ast.Compare) -> bool:
    return any("task" in ast.unparse(side) for side in (node.left, *node.comparators))


def test_the_source_names_the_parts() -> None:
    assert set(PARTS) <= set(get_args(SourceConfig.model_fields["origin"].annotation))
