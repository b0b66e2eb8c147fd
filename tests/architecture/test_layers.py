"""House rules: which way imports point, what files may be called, what never stands in the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("mixval", "tasks", "flows", "deployments")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_great_expectations_lives_in_the_gate_alone() -> None:
    users = {relative(path) for path in FILES if "great_expectations" in _imports(path)}
    assert users
    assert all(user.startswith("mixval/gate/") for user in users), users


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_keeps_to_its_size_and_its_job(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 300, f"{relative(path)} has {lines} lines: it has more than one job"
    assert path.stem not in {"utils", "helpers", "misc", "common"}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_functions_stay_readable(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno > 60]
    assert not too_long


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_nothing_from_outside_is_unpickled_or_executed(path: Path) -> None:
    names = _imports(path)
    assert not {"pickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"} & names
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    trusting = [
        keyword
        for call in calls
        for keyword in call.keywords
        if keyword.arg == "trust_remote_code" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert not trusting
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in {"eval", "exec"}]


def test_unmapped_stands_only_inside_map() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            inside = [n for argument in call.args for n in ast.walk(argument) if isinstance(n, ast.Name) and n.id == "unmapped"]
            if inside:
                assert isinstance(call.func, ast.Attribute | ast.Name)
                assert getattr(call.func, "attr", getattr(call.func, "id", "")) in {"map", "unmapped"}, relative(path)


def test_help_needs_no_heavy_import() -> None:
    code = "import sys, mixval.cli; heavy = {'torch', 'prefect', 'great_expectations', 'transformers'} & set(sys.modules); "
    done = subprocess.run(
        [sys.executable, "-c", code + "sys.exit(repr(heavy) if heavy else 0)"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
