"""Cases right of all: each case of a folder, made anew, valued by the command line, and held against what is right.

    python -m benchmarks.cases FOLDER [CASE ...] [--here]

A case is a subfolder with `make.py`, which writes contributors, target and mixval.yaml beside itself with the helpers of
FOLDER, and `expected.txt`, which says in words what is right. What these words stand for is checked by `listed.py`, by the
folder's name: a case that is not listed is counted as wrong. All of them by default; the figure is stored only then.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.cases.checks import Check
from benchmarks.cases.listed import CASES, PREPARED
from benchmarks.cases.run import CONFIG, Ran, made
from benchmarks.figures import figure, write_by_name

COMMAND = "python -m benchmarks.cases FOLDER"


def complaint(source: Path, check: Check | None, is_here: bool) -> str | None:
    """What is wrong with one case; None where nothing is."""
    if check is None:
        return "expected a check in benchmarks/cases/listed.py, found none"
    with tempfile.TemporaryDirectory() as name:
        case = made(source, Path(name), is_here)
        if prepare := PREPARED.get(source.name):
            prepare(case.folder)
        return check(case, case.valued() if (case.folder / CONFIG).exists() else Ran.nothing())


def main(arguments: list[str]) -> int:
    """Print each case with its complaint, and store how many are right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="CASE", help="only these; nothing is stored then")
    parser.add_argument("--here", action="store_true", help="value in this process, without Prefect, Dask and command line")
    given = parser.parse_intermixed_args(arguments)
    sources = {one.parent.name: one.parent for one in sorted(given.folder.glob("*/expected.txt"))}
    if unknown := sorted(set(given.names) - sources.keys()):
        parser.error(f"expected any of {', '.join(sources)}, found {', '.join(unknown)}")
    found = {}
    for name in given.names or sources:
        found[name] = complaint(sources[name], CASES.get(name), given.here)
        expected = sources[name].joinpath("expected.txt").read_text(encoding="utf-8").strip()
        print(f"{name}: {'right' if found[name] is None else f'WRONG: {found[name]}'}\n    expected: {expected}", flush=True)
    right = sum(one is None for one in found.values())
    if not given.names:
        command = f"{COMMAND} --here" if given.here else COMMAND
        counted = {"cases/right": right, "cases/all": len(found)}
        targets = {"cases/right": "all", "cases/all": "-"}
        write_by_name("first_evening", [figure(one, n, targets[one], "cases", command) for one, n in counted.items()])
    return 0 if right == len(found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
