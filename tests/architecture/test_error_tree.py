"""House rules: errors are of the one tree, and nothing else is raised that a user could meet."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from mixval import errors
from mixval.errors import MixvalError
from tests.architecture.sources import SOURCES

TREE = "mixval/errors.py"
BUILT_IN = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)}
OURS = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)}
VALIDATORS = ("model_validator", "field_validator")
"""pydantic collects a ValueError that these raise, and `mixval/config/load.py` makes one ConfigError of all."""
HAND_ON = {
    ("mixval/__init__.py", "AttributeError"),
    ("mixval/stopping.py", "KeyboardInterrupt"),
    ("mixval/cli/app.py", "typer.Exit"),
    ("mixval/models/time_limit.py", "TimeoutError"),  # caught where the limit is set
    ("mixval/storage/thrift.py", "IndexError"),  # caught where more bytes are read
}
"""What Python and typer themselves expect to be raised there."""
ENDS_PROCESSES = {
    "mixval/cli/app.py",
    "mixval/cli/exits.py",
    "mixval/cli/experimenting.py",
    "mixval/cli/gating.py",
    "mixval/cli/interrupts.py",
    "mixval/cli/leave.py",
    "mixval/cli/synthesizing.py",
    "flows/mixval_flows/entry.py",
    "flows/mixval_flows/lifeline.py",
    "flows/mixval_flows/worker.py",
}
"""The ways in, which turn an error into an exit code, and what ends a process that has finished."""


def test_the_drawing_is_the_tree() -> None:
    drawn = {}
    above: list[str] = []
    for line in str(errors.__doc__).splitlines():
        if (found := re.match(r"^ {4}((?:│   |    )*)(?:[├└]── )?([A-Z]\w+Error)\b", line)) is None:
            continue
        depth = 0 if found[2] == "MixvalError" else 1 + len(found[1]) // 4
        above = [*above[:depth], found[2]]
        drawn[found[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {name: kind.__bases__[0].__name__ for name, kind in OURS.items()}


def test_every_error_of_ours_is_known_by_its_base() -> None:
    assert all(issubclass(kind, MixvalError) for kind in OURS.values())


def test_errors_are_defined_in_the_tree_alone() -> None:
    kinds = BUILT_IN | set(OURS)
    defined = {
        (source.name, node.name)
        for source in SOURCES
        for node in source.of(ast.ClassDef)
        if any(ast.unparse(base).rpartition(".")[2] in kinds for base in node.bases)
    }
    assert {name for file, name in defined if file == TREE} >= set(OURS)
    assert not {(file, name) for file, name in defined if file != TREE}


def test_what_is_raised_is_of_the_tree() -> None:
    raised = [(source.name, *one) for source in SOURCES for one in _raised(source.tree, in_validator=False)]
    assert {name for _, _, name, _ in raised} & set(OURS)
    assert not [
        (file, line, name)
        for file, line, name, in_validator in raised
        if name not in OURS and not (in_validator and name == "ValueError") and (file, name) not in HAND_ON
    ]


def test_nothing_is_asserted_where_python_may_leave_it_out() -> None:
    assert not [(source.name, node.lineno) for source in SOURCES for node in source.of(ast.Assert)]


def test_only_the_ways_in_end_a_process() -> None:
    ends = [
        (source.name, node.lineno)
        for source in SOURCES
        for node in source.of(ast.Attribute)
        if node.attr in {"exit", "_exit"} and ast.unparse(node) in {"sys.exit", "os._exit"}
    ]
    assert ends
    assert not [end for end in ends if end[0] not in ENDS_PROCESSES]


def _raised(node: ast.AST, in_validator: bool) -> Iterator[tuple[int, str, bool]]:
    """Line, name, and whether a validator raises it, of every class that is raised by name; an instance has no capital."""
    if isinstance(node, ast.FunctionDef):
        in_validator = in_validator or any(ast.unparse(one).startswith(VALIDATORS) for one in node.decorator_list)
    if isinstance(node, ast.Raise) and node.exc is not None:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = ast.unparse(kind)
        if name.rpartition(".")[2][:1].isupper():
            yield node.lineno, name, in_validator
    for child in ast.iter_child_nodes(node):
        yield from _raised(child, in_validator)
