"""Definitions of mixval, tasks, flows and deployments that nothing reaches from what a user can start.

    python -m benchmarks.house.reachable                              print them
    python -m benchmarks.house.reachable --figures --before COMMIT    write figures, and those of an earlier commit

Started are what `import mixval` offers, with the methods of exported classes, the command `mixval`, the runners that it
finds, programs of the four packages (`python -m mixval_flows`, `python -m mixval_deployments.register`), flows that
`prefect.yaml` names, the examples, and the generators of `docs/`. From there a definition is reached when reached code
mentions its name, through whatever imports; a method when its class is reached and reached code has an attribute of that
name, whosever it is. A class whose base comes from another package has all its methods reached. So what is listed is dead, but
for code that is looked up by a name put together at run time; a method may be dead and share its name with one that lives.
Fields, arguments and branches are not looked at.

Of what is listed it is said who reaches it all the same: benchmarks, tests or nobody. Prints one line each, then the sums.
Figures are modules and lines of mixval, their median, and lines that are not reached: `benchmarks/results/house.json`.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import io
import re
import statistics
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.figures import Figure, figure, write_by_name
from benchmarks.house.definitions import Definition, Mentions, Module, Reference, module_name, read_modules

COMMAND = "python -m benchmarks.house.reachable --figures"
ROOT = Path(__file__).parents[2]
PACKAGES = ("mixval", "tasks", "flows", "deployments")
BESIDE = ("examples", "docs")
OTHERS = {"benchmarks": ("benchmarks",), "tests": ("benchmarks", "tests")}
"""Who else may reach what no user does, by the folders that are started then; the first that does is named."""
PASSIVE = {
    "BaseModel",
    "Protocol",
    "Enum",
    "StrEnum",
    "IntEnum",
    "Flag",
    "NamedTuple",
    "TypedDict",
    "ABC",
    "Generic",
    *dir(builtins),
}
"""Bases that call no method of a class but dunder ones."""
ENTRY = re.compile(r"([\w./]+?)(?:\.py)?:(\w+)")


@dataclass(frozen=True)
class Unreached:
    """A definition that no user's start reaches."""

    module: str
    name: str
    n_lines: int
    reached_by: str
    """`benchmarks`, `tests` or `nobody`."""


@dataclass
class Reach:
    """What is reached, grown from roots until nothing is added."""

    modules: dict[str, Module]
    reached: set[tuple[str, str]] = field(default_factory=set)
    """(module, definition), methods as `Class.method`."""
    _attributes: set[str] = field(default_factory=set)
    _loaded: set[str] = field(default_factory=set)
    _classes: list[Definition] = field(default_factory=list)
    _waiting: list[Mentions] = field(default_factory=list)

    def grow(self, modules: Iterable[str], references: Iterable[Reference], attributes: Iterable[str]) -> None:
        """Reach these modules, names and attributes, and all that follows."""
        self._waiting.append(Mentions(set(references), set(attributes), set(modules)))
        while self._waiting:
            self._follow(self._waiting.pop())
            if not self._waiting:
                self._reach_methods()

    def _follow(self, found: Mentions) -> None:
        self._attributes |= found.attributes
        if found.has_getattr:
            self._attributes |= {one for one in found.strings if one.isidentifier()}
        for name in found.modules:
            self._load(name)
        for reference in found.references:
            self._reach(reference)
        for text in found.strings:
            self._load(text)
            if (entry := ENTRY.fullmatch(text)) is not None:
                self._reach(_entry(entry))

    def _load(self, name: str) -> None:
        """Run a module's body, and those of the packages above it."""
        for end in range(1, name.count(".") + 2):
            above = ".".join(name.split(".")[:end])
            if above in self.modules and above not in self._loaded:
                self._loaded.add(above)
                self._waiting.append(self.modules[above].body)

    def _reach(self, reference: Reference) -> None:
        found = self._resolved(reference.module, reference.name)
        if isinstance(found, str):  # a module
            self._load(found)
            if reference.attribute is not None:
                self._reach(Reference(found, reference.attribute))
            return
        if reference.attribute is not None:
            self._attributes.add(reference.attribute)
        if found is None or (found.module, found.name) in self.reached:
            return
        self.reached.add((found.module, found.name))
        self._load(found.module)
        self._waiting.append(found.mentions)
        if found.methods:
            self._classes.append(found)

    def _resolved(self, module: str, name: str | None) -> Definition | str | None:
        """The definition or the module that a name stands for; None for a builtin and for another package's."""
        if name is None:
            return module if module in self.modules else None
        held = self.modules.get(module)
        if held is None:
            return None
        if name in held.definitions:
            return held.definitions[name]
        if name in held.imported:
            meant = held.imported[name]
            return None if (meant.module, meant.name) == (module, name) else self._resolved(meant.module, meant.name)
        return f"{module}.{name}" if f"{module}.{name}" in self.modules else None

    def _reach_methods(self) -> None:
        """Methods of reached classes whose name some reached code has as an attribute."""
        for one in self._classes:
            is_called = self._has_active_base(one)
            for name, method in one.methods.items():
                key = (method.module, method.name)
                if key not in self.reached and (is_called or name in one.implied or name in self._attributes):
                    self.reached.add(key)
                    self._waiting.append(method.mentions)

    def _has_active_base(self, one: Definition) -> bool:
        """Whether another package's class, which may call what it finds by name, stands above."""
        for base in one.bases:
            top = base.value if isinstance(base, ast.Subscript) else base
            name = top.attr if isinstance(top, ast.Attribute) else top.id if isinstance(top, ast.Name) else ""
            found = self._resolved(one.module, name) if isinstance(top, ast.Name) else None
            if isinstance(found, Definition):
                if self._has_active_base(found):
                    return True
            elif name not in PASSIVE:
                return True
        return False


def unreached(root: Path = ROOT) -> list[Unreached]:
    """Definitions of the four packages that no user's start reaches, in the order of their files."""
    folders = dict.fromkeys([*PACKAGES, *BESIDE, *(folder for given in OTHERS.values() for folder in given)])
    modules = read_modules(root, tuple(folders))
    product = _reached(root, modules, BESIDE)
    listed = [one for held in modules.values() if _folder(held) in PACKAGES for one in _outermost(held, product)]
    if not listed:
        return []
    others = {name: _reached(root, modules, (*BESIDE, *given)) for name, given in OTHERS.items()}
    found: list[Unreached] = []
    for one in listed:
        by = next((name for name, reached in others.items() if (one.module, one.name) in reached), "nobody")
        found.append(Unreached(one.module, one.name, one.n_lines, by))
    return found


def _outermost(module: Module, reached: set[tuple[str, str]]) -> list[Definition]:
    """Definitions that are not reached; of those within each other the outer one."""
    found: list[Definition] = []
    for one in module.definitions.values():
        if (one.module, one.name) not in reached:
            found.append(one)
        else:
            found += [method for method in one.methods.values() if (method.module, method.name) not in reached]
    return found


def _reached(root: Path, modules: dict[str, Module], folders: tuple[str, ...]) -> set[tuple[str, str]]:
    """What is reached from the product's entry points and from all modules of `folders`."""
    reach = Reach(modules)
    programs = [one.name for one in modules.values() if _folder(one) in PACKAGES and one.is_program]
    started = [one for one in modules.values() if _folder(one) in folders]
    whole = [Reference(one.name, name) for one in started for name in one.definitions if _folder(one) == "tests"]
    templates = [text for package in PACKAGES for text in (root / package).rglob("*.j2")]
    names = {name for path in templates for name in re.findall(r"[A-Za-z_]\w*", path.read_text(encoding="utf-8"))}
    offered, methods = public(modules)
    reach.grow([*programs, *(one.name for one in started)], [*entry_points(root), *offered, *whole], names | methods)
    return reach.reached


def public(modules: dict[str, Module]) -> tuple[list[Reference], set[str]]:
    """What `mixval/__init__.py` imports for others, with its own functions, and the names of methods that users may call."""
    package = modules["mixval"]
    offered = [Reference(package.name, name) for name in (*package.imported, *package.definitions)]
    homes = [modules[meant.module].definitions for meant in package.imported.values() if meant.module in modules]
    classes = [held[name] for held in homes for name in package.imported if name in held]
    called = {name for one in classes for name in one.methods if not name.startswith("_") or name == "_repr_html_"}
    return offered, called


def entry_points(root: Path) -> list[Reference]:
    """What `pyproject.toml` and `prefect.yaml` name."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["scripts"].values(), *(one for group in project["entry-points"].values() for one in group.values())]
    deployed = yaml.safe_load((root / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    found = [ENTRY.fullmatch(text) for text in (*named, *(one["entrypoint"] for one in deployed))]
    return [_entry(one) for one in found if one is not None]


def _entry(found: re.Match[str]) -> Reference:
    """What `module:attribute` names, or `folder/file.py:attribute`."""
    return Reference(module_name(found[1].replace("/", ".").split(".")), found[2])


def _folder(module: Module) -> str:
    """The folder that a module counts for: tests that stand beside benchmarks are tests."""
    parts = module.name.split(".")
    return "tests" if "tests" in parts else parts[0].removeprefix("mixval_")


def figures(root: Path, found: Sequence[Unreached], command: str = COMMAND, beside: str = "") -> list[Figure]:
    """Of a tree; `beside` is added to their names."""
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in (root / "mixval").rglob("*.py")]
    claims = [
        ("modules of mixval", len(lines), "-", "files"),
        ("lines of mixval", sum(lines), "-", "lines"),
        ("median lines of a file of mixval", statistics.median(lines), "-", "lines"),
        ("lines unreachable from the entry points", sum(one.n_lines for one in found), "-" if beside else "0", "lines"),
    ]
    made = [figure(f"{name}{beside}", value, target, unit, command) for name, value, target, unit in claims]
    for one, (_, value, _, _) in zip(made, claims, strict=True):
        one["figure"] = value  # counted, not measured: no digit is left out
    return made


def figures_before(commit: str) -> list[Figure]:
    """The same of an earlier commit's tree."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(folder, filter="data")
        return figures(Path(folder), unreached(Path(folder)), f"{COMMAND} --before {commit}", ", before")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what nothing reaches."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/house.json")
    parser.add_argument("--before", metavar="COMMIT", help="figures of this commit's tree, too")
    chosen = parser.parse_args(arguments)
    found = unreached()
    for one in found:
        print(f"{one.n_lines:>5}  {one.reached_by:<10}  {one.module}.{one.name}")
    for by in (*OTHERS, "nobody"):
        own = [one for one in found if one.reached_by == by]
        print(f"{sum(one.n_lines for one in own):>5} lines of {len(own)} definitions that only {by} reaches")
    print(f"{sum(one.n_lines for one in found):>5} lines of {len(found)} definitions that no user's start reaches")
    if chosen.figures:
        write_by_name("house", figures(ROOT, found) + (figures_before(chosen.before) if chosen.before else []))


if __name__ == "__main__":
    main()
