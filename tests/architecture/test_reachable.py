"""Whatever the four packages define, a user's start reaches: what the scan of `benchmarks/house/reachable.py` can see."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.house.reachable import figures, unreached

FILES = {
    "pyproject.toml": """
        [project.scripts]
        house = "mixval.cli:main"
        [project.entry-points."mixval.runners"]
        value = "mixval_flows.front:run"
    """,
    "prefect.yaml": "deployments: [{entrypoint: flows/mixval_flows/deployed.py:flow}]",
    "mixval/__init__.py": "",
    "mixval/cli.py": """
        import click
        from mixval import inner as inside
        from mixval.kinds import Child, made_by_name
        app = click.Group()
        @app.command()
        def registered() -> None:
            inside.through_a_module()
        def main() -> None:
            from mixval.lazy import late
            late()
            Child().used()
            local = 1
            return local
        def dead() -> None:
            main()
            LIMIT
        LIMIT = 3
        def local() -> None: ...
    """,
    "mixval/inner.py": """
        from mixval.again import exported
        A, B = range(2)
        def through_a_module() -> int:
            return exported(A)
        def recursive() -> None:
            recursive()
    """,
    "mixval/again/__init__.py": "from mixval.again.deep import exported",
    "mixval/again/deep.py": """
        STEP = 1
        def exported(n: int) -> "Annotated":
            return n + STEP
        class Annotated: ...
    """,
    "mixval/lazy.py": """
        def late() -> None:
            getattr(object, "by_word")
    """,
    "mixval/kinds.py": """
        import ast
        from typing import Protocol
        class Base(Protocol):
            def used(self) -> None: ...
        class Child(Base):
            def __len__(self) -> int: return 0
            def used(self) -> None: ...
            def unused(self) -> None: ...
            def by_word(self) -> None: ...
            def in_a_template(self) -> None: ...
        class Visitor(ast.NodeVisitor):
            def visit_Name(self, node): ...
        def made_by_name() -> Visitor: return Visitor()
        class Alone:
            def used(self) -> None: ...
    """,
    "mixval/page.j2": "{{ child.in_a_template() }}",
    "mixval/orphan.py": "def alone() -> None: ...",
    "tasks/mixval_tasks/__init__.py": "",
    "flows/mixval_flows/__init__.py": "",
    "flows/mixval_flows/__main__.py": "from mixval_flows.program import go\ngo()",
    "flows/mixval_flows/program.py": "def go() -> None: ...",
    "flows/mixval_flows/front.py": "def run() -> None: ...",
    "flows/mixval_flows/deployed.py": "def flow() -> None: ...",
    "deployments/mixval_deployments/__init__.py": "",
    "examples/demo.py": "from mixval.kinds import made_by_name\nmade_by_name()",
    "benchmarks/figure.py": "from mixval import orphan\norphan.alone()",
    "benchmarks/tests/test_a.py": "from mixval.kinds import Alone\n\ndef test_a():\n    Alone()",
}
EXPECTED = {
    "mixval.cli.LIMIT": "nobody",
    "mixval.cli.dead": "nobody",
    "mixval.cli.local": "nobody",
    "mixval.inner.recursive": "nobody",
    "mixval.kinds.Alone": "tests",
    "mixval.kinds.Child.unused": "nobody",
    "mixval.orphan.alone": "benchmarks",
}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        lines = text.splitlines()
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("\n".join(line[margin:] for line in lines), encoding="utf-8")
    return tmp_path


def test_what_nobody_can_start_is_found_and_nothing_else(planted: Path) -> None:
    assert {f"{one.module}.{one.name}": one.reached_by for one in unreached(planted)} == EXPECTED


def test_lines_are_those_of_the_definition(planted: Path) -> None:
    sizes = {one.name: one.n_lines for one in unreached(planted)}
    assert (sizes["dead"], sizes["LIMIT"], sizes["Alone"]) == (3, 1, 2)


def test_figures_count_the_library_and_what_is_not_reached(planted: Path) -> None:
    found = unreached(planted)
    named = {one["name"]: one["figure"] for one in figures(planted, found, beside=", before")}
    assert named["modules of mixval, before"] == sum(name.startswith("mixval/") and name.endswith(".py") for name in FILES)
    assert named["lines unreachable from the entry points, before"] == sum(one.n_lines for one in found) > 0


def test_a_user_reaches_all_that_the_packages_define() -> None:
    found = unreached()
    assert not found, "delete, or move to where it is used:\n" + "\n".join(f"{one.module}.{one.name}" for one in found)
