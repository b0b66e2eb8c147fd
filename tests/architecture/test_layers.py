"""House rules: which way imports point, what files may be called, what never stands in the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import ROOT, SOURCES, sources

RULED = SOURCES + sources("benchmarks/evidence")
"""The library and the laboratory of the evidence."""


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_great_expectations_lives_in_the_gate_alone() -> None:
    users = {source.name for source in SOURCES if "great_expectations" in source.imports}
    assert users
    assert all(user.startswith("mixval/gate/") for user in users), users


def test_a_file_keeps_to_its_size_and_its_job() -> None:
    sizes = {source.name: source.text.count("\n") for source in RULED}
    assert len(sizes) > 100
    assert not {name: size for name, size in sizes.items() if size > 300}, "more than 300 lines: more than one job"
    assert not [source.name for source in RULED if source.path.stem in {"utils", "helpers", "misc", "common"}]


def test_functions_stay_readable() -> None:
    functions = [(source.name, node) for source in RULED for node in source.of(ast.FunctionDef, ast.AsyncFunctionDef)]
    assert functions
    assert not [(name, node.name) for name, node in functions if (node.end_lineno or 0) - node.lineno > 60]


def test_nothing_from_outside_is_unpickled_or_executed() -> None:
    readers = {"pickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"}
    assert not {source.name: source.imports & readers for source in RULED if source.imports & readers}
    calls = [(source.name, call) for source in RULED for call in source.of(ast.Call)]
    assert not [(name, call.lineno) for name, call in calls if any(map(_trusts, call.keywords))]
    named = [(name, call.lineno, call.func.id) for name, call in calls if isinstance(call.func, ast.Name)]
    assert not [one for one in named if one[2] in {"eval", "exec"}]


def _trusts(keyword: ast.keyword) -> bool:
    is_off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
    return keyword.arg == "trust_remote_code" and not is_off


def test_unmapped_stands_only_inside_map() -> None:
    for source in SOURCES:
        for call in source.of(ast.Call):
            inside = [n for argument in call.args for n in ast.walk(argument) if isinstance(n, ast.Name) and n.id == "unmapped"]
            if inside:
                assert isinstance(call.func, ast.Attribute | ast.Name)
                assert getattr(call.func, "attr", getattr(call.func, "id", "")) in {"map", "unmapped"}, source.name


def test_help_needs_no_heavy_import() -> None:
    code = "import sys, mixval.cli; heavy = {'torch', 'prefect', 'great_expectations', 'transformers'} & set(sys.modules); "
    done = subprocess.run(
        [sys.executable, "-c", code + "sys.exit(repr(heavy) if heavy else 0)"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
