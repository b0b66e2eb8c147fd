"""House rules: what is one list stands in one place."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

from mixval.config.source import SourceConfig
from mixval.contracts.parts import PARTS

ROOT = Path(__file__).parents[2]
FILES = sorted(path for package in ("mixval", "tasks", "flows", "deployments") for path in (ROOT / package).rglob("*.py"))
SAYS_PARTS = {"mixval/contracts/parts.py", "mixval/config/source.py"}
"""The second stands in a Literal, which pydantic reads; see `test_the_source_knows_the_parts`."""


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


def test_the_source_knows_the_parts() -> None:
    assert set(PARTS) <= set(get_args(SourceConfig.model_fields["origin"].annotation))
