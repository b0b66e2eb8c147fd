"""The notebook runs from top to bottom, shows what its text says, and is stored without outputs."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import mixval

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_evening.ipynb"
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a kernel does; the value of its last line, if that is an expression."""
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None  # type: ignore[attr-defined]
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    return None if last is None else eval(compile(last, str(NOTEBOOK), "eval"), names)


def test_it_is_stored_without_outputs() -> None:
    kept = [cell for cell in CELLS if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None)]
    assert CODE
    assert not kept


def test_it_runs_and_shows_what_it_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(NOTEBOOK.parent)
    names: dict[str, Any] = {}
    shown = [run_cell(source, names) for source in CODE]
    result = shown[1]
    assert isinstance(result, mixval.ValuationResult)
    assert "basil" in result._repr_html_()
    value = dict(zip(result.ranking["contributor"], result.ranking["value"], strict=True))
    assert value["basil"] > value["coral"] + 0.01  # 0.026 nats apart: 40 % of coral's labels are wrong
    assert value["hazel"] > value["coral"]
    assert "coral: " in capsys.readouterr().out
    unions = shown[5]
    assert unions["basil", "hazel"] > unions["basil", "coral"]
    assert unions["basil",] == pytest.approx(value["basil"], abs=0.02)
    assert Path(shown[-1]).stat().st_size > 10_000
