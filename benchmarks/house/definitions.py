"""What a source tree defines and what each definition mentions, read from syntax trees; nothing is imported.

A definition is a function, a class or a constant at the top of a module, or a method of such a class. It mentions names, which
`reachable.py` resolves through imports; attributes, by their bare name; and modules that it imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

QUIET = {
    *(
        "property",
        "cached_property",
        "setter",
        "staticmethod",
        "classmethod",
        "abstractmethod",
        "override",
        "final",
        "overload",
    ),
    *("dataclass", "cache", "lru_cache", "contextmanager", "wraps", "runtime_checkable", "no_grad", "inference_mode", "task"),
}
"""Decorators by their last name that call nothing: whoever they decorate waits to be called. All others register, as
`@app.command()` and `@field_validator(...)` do, so what they decorate is reached with the module or class that it stands in."""
CALLED_BY_BASE = {"model_post_init"}
"""Methods that pydantic calls by their name."""


@dataclass(frozen=True)
class Reference:
    """A name as it is in a module, or the module itself; then perhaps an attribute of it."""

    module: str
    name: str | None
    attribute: str | None = None


@dataclass
class Mentions:
    """What a piece of code mentions."""

    references: set[Reference] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    """Literals, which may name a module, an entry point or an attribute."""
    has_getattr: bool = False


@dataclass
class Definition:
    """A piece of code that runs, or is looked at, only when somebody mentions it."""

    module: str
    name: str
    """`function`, `Class`, `CONSTANT` or `Class.method`."""
    n_lines: int
    mentions: Mentions
    bases: list[ast.expr] = field(default_factory=list)
    """Of a class."""
    methods: dict[str, Definition] = field(default_factory=dict)
    """Of a class, by their bare names."""
    implied: set[str] = field(default_factory=set)
    """Methods that are reached with their class: Python, pydantic or a decorator calls them."""


@dataclass
class Module:
    """A file: what it defines, what its imports bind, and what runs when it is imported."""

    name: str
    path: Path
    is_package: bool
    definitions: dict[str, Definition] = field(default_factory=dict)
    imported: dict[str, Reference] = field(default_factory=dict)
    body: Mentions = field(default_factory=Mentions)
    is_program: bool = False
    """Whether it has a block under `if __name__ == "__main__"`, or is named `__main__`."""


def read_modules(root: Path, packages: tuple[str, ...]) -> dict[str, Module]:
    """Modules of these folders of `root` by their dotted names."""
    return {
        one.name: one for package in packages for path in sorted((root / package).rglob("*.py")) for one in [_read(root, path)]
    }


def module_name(parts: Sequence[str]) -> str:
    """The dotted name of what lies there: a folder that holds a package `mixval_FOLDER` is a source root."""
    return ".".join(parts[1:] if len(parts) > 1 and parts[1] == f"mixval_{parts[0]}" else parts)


def _read(root: Path, path: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    module = Module(module_name(parts[:-1] if is_package else parts), path, is_package)
    module.is_program = parts[-1] == "__main__"
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        _take(module, statement)
    return module


def _take(module: Module, statement: ast.stmt) -> None:
    """A statement at the top of a module: a definition of its own, or a part of what importing it runs."""
    if isinstance(statement, ast.ClassDef):
        module.definitions[statement.name] = _of_class(module, statement)
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        module.definitions[statement.name] = _define(module, statement.name, statement, [statement])
        if registers(statement):
            module.body.references.add(Reference(module.name, statement.name))
    elif isinstance(statement, ast.Assign | ast.AnnAssign) and (names := _constants(statement)):
        for name in names:
            made = module.definitions[name] = _define(module, name, statement, [statement])
            made.mentions.references |= {Reference(module.name, beside) for beside in names}  # a tuple is one constant
    elif isinstance(statement, ast.If | ast.Try):
        if isinstance(statement, ast.If):
            module.is_program |= "__name__" in ast.unparse(statement.test)
            _collect(module, [statement.test], module.body)
        handlers = [one for handler in getattr(statement, "handlers", []) for one in handler.body]
        for inner in (*statement.body, *handlers, *statement.orelse, *getattr(statement, "finalbody", [])):
            _take(module, inner)
    else:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            module.imported |= dict(bindings(statement, module))
        _collect(module, [statement], module.body)


def _constants(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    """Names that are bound to a value which is only looked at; dunder names are Python's own."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    names = [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
    is_plain = all(isinstance(one, ast.Name | ast.Tuple) for one in targets) and not any(
        name.startswith("__") for name in names
    )
    return names if is_plain else []


def _of_class(module: Module, node: ast.ClassDef) -> Definition:
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    rest: list[ast.AST] = [*node.decorator_list, *node.bases, *node.keywords, *(one for one in node.body if one not in methods)]
    made = _define(module, node.name, node, rest)
    made.bases = node.bases
    for one in methods:
        own = _define(module, f"{node.name}.{one.name}", one, [one])
        if one.name in made.methods:  # a property and its setter, overloads: one method
            own.mentions = _joined(made.methods[one.name].mentions, own.mentions)
            own.n_lines += made.methods[one.name].n_lines
        made.methods[one.name] = own
        if registers(one) or (one.name.startswith("__") and one.name.endswith("__")) or one.name in CALLED_BY_BASE:
            made.implied.add(one.name)
    return made


def _define(module: Module, name: str, node: ast.stmt, code: list[ast.AST]) -> Definition:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    return Definition(module.name, name, (node.end_lineno or first) - first + 1, _collect(module, code, Mentions()))


def _joined(one: Mentions, other: Mentions) -> Mentions:
    return Mentions(
        one.references | other.references,
        one.attributes | other.attributes,
        one.modules | other.modules,
        one.strings | other.strings,
        one.has_getattr or other.has_getattr,
    )


def registers(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether one of its decorators hands it to somebody who may call it."""
    called = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
    names = [one.attr if isinstance(one, ast.Attribute) else one.id if isinstance(one, ast.Name) else "" for one in called]
    return any(name not in QUIET for name in names)


def bindings(statement: ast.Import | ast.ImportFrom, module: Module) -> Iterator[tuple[str, Reference]]:
    """Names that an import binds, and what they stand for."""
    if isinstance(statement, ast.Import):
        for one in statement.names:
            bound = one.asname or one.name.partition(".")[0]
            yield bound, Reference(one.name if one.asname else bound, None)
        return
    source = _source(statement, module)
    for one in statement.names:
        yield one.asname or one.name, Reference(source, one.name)


def _source(statement: ast.ImportFrom, module: Module) -> str:
    if not statement.level:
        return statement.module or ""
    above = module.name.split(".")
    above = above[: len(above) - statement.level + module.is_package]
    return ".".join([*above, *([statement.module] if statement.module else [])])


def _collect(module: Module, code: list[ast.AST], into: Mentions) -> Mentions:
    reader = _Reader(module, into)
    for one in code:
        reader.visit(one)
    return into


class _Reader(ast.NodeVisitor):
    """Walks over code and notes what it mentions. A name that a function binds itself is none of the module's."""

    def __init__(self, module: Module, into: Mentions) -> None:
        self._module, self._into = module, into
        self._scopes: list[dict[str, Reference | None]] = []

    def visit_Import(self, node: ast.Import) -> None:
        self._into.modules |= {one.name for one in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        source = _source(node, self._module)
        self._into.modules |= {source, *(f"{source}.{one.name}" for one in node.names)}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        for outside in (*getattr(node, "decorator_list", []), *node.args.defaults, *node.args.kw_defaults):
            if outside is not None:
                self.visit(outside)
        for annotation in [getattr(node, "returns", None), *(one.annotation for one in arguments if one is not None)]:
            self._annotation(annotation)
        scope: dict[str, Reference | None] = {one.arg: None for one in arguments if one is not None}
        body = node.body if isinstance(node.body, list) else [node.body]
        self._scopes.append(scope | _bound(body, self._module))
        for one in body:
            self.visit(one)
        self._scopes.pop()

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and (found := self._resolved(node.id)) is not None:
            self._into.references.add(found)
        if node.id == "getattr":
            self._into.has_getattr = True

    def visit_Attribute(self, node: ast.Attribute) -> None:
        found = self._resolved(node.value.id) if isinstance(node.value, ast.Name) else None
        if found is not None:
            self._into.references.add(Reference(found.module, found.name, node.attr))
            return
        self._into.attributes.add(node.attr)
        self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._into.strings.add(node.value)

    def _annotation(self, node: ast.expr | None) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        if node is not None:
            self.visit(node)

    def _resolved(self, name: str) -> Reference | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return Reference(self._module.name, name)


def _bound(body: list[ast.stmt] | list[ast.expr], module: Module) -> dict[str, Reference | None]:
    """Names that a function's body binds: by an import to what it stands for, else to nothing of the module's."""
    found: dict[str, Reference | None] = {}
    shared: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = None  # what stands inside is a scope of its own
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= dict(bindings(node, module))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found[node.name] = None
        elif isinstance(node, ast.Global):
            shared |= set(node.names)
        waiting += ast.iter_child_nodes(node)
    return {name: meant for name, meant in found.items() if name not in shared}
