"""The rooms of the evidence's laboratory import one another one way."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.sources import ROOT

LABORATORY = ROOT / "benchmarks" / "evidence"
FILES = sorted(LABORATORY.rglob("*.py"))
BELOW = {"worlds": {"worlds"}, "attacks": {"worlds", "attacks"}, "studies": {"measure", "worlds", "studies"}}
"""Of each room, what else of the laboratory it may import: worlds know nobody, attacks and studies not each other."""


@pytest.mark.parametrize("room", sorted(BELOW))
def test_a_room_imports_only_what_stands_below_it(room: str) -> None:
    files = [path for path in FILES if path.parent.name == room]
    modules = [(path, node) for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    found = {
        (path.name, words[2] if len(words) > 2 else node.names[0].name)
        for path, node in modules
        if isinstance(node, ast.ImportFrom) and (words := (node.module or "").split("."))[:2] == ["benchmarks", "evidence"]
    }
    assert found
    assert not [one for one in found if one[1] not in BELOW[room]]
