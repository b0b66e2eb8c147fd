"""The packages' source files as the house rules see them, each read and parsed once."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[2]
Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True)
class Source:
    """One file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def _by_kind(self) -> dict[type, list[ast.AST]]:
        found: dict[type, list[ast.AST]] = defaultdict(list)
        for node in ast.walk(self.tree):
            found[type(node)].append(node)
        return found

    def of(self, *kinds: type[Node]) -> list[Node]:
        """Its nodes of these kinds."""
        return [node for kind in kinds for node in self._by_kind.get(kind, []) if isinstance(node, kind)]

    @cached_property
    def imports(self) -> set[str]:
        """Names of the packages that it imports."""
        names = {alias.name.partition(".")[0] for node in self.of(ast.Import) for alias in node.names}
        whole = [node for node in self.of(ast.ImportFrom) if node.module and not node.level]
        return names | {str(node.module).partition(".")[0] for node in whole}


def sources(*folders: str) -> list[Source]:
    """The Python files below these folders, in order."""
    return [Source(path) for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]


SOURCES = sources("mixval", "tasks", "flows", "deployments")
