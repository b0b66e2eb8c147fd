"""How many files a term touches: the toy term of the tests, and one of Eq. 8 that has been there from the beginning.

    python -m benchmarks.house.term_files                   of the working tree
    python -m benchmarks.house.term_files --before COMMIT   of that commit, too: the old term's

The toy term touches the files of which `fifth_term` in its test enters a list, and one of its own, which measures it. Of the
old term, those files outside its folder count that name it. It is `composition`, which has no settings and no pass of its own:
a file that names it lists all terms, or says something of this one alone. Prints the files.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import figure, write_by_name

COMMAND = "python -m benchmarks.house.term_files"
TERM = "composition"
HOUSE = ("mixval", "tasks", "flows", "deployments")
"""Folders of what is installed; the last three hold one package each, `mixval_tasks` and so on."""
MOST = 8
ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "stages" / "test_stages_fifth_term.py"
ENTERED_BY = "fifth_term"


def files_entered() -> list[str]:
    """Files of the house in which the test enters its toy term: where the lists stand that the entering function names."""
    tree = ast.parse(TOY.read_text(encoding="utf-8"))
    origin = {
        name.name: node.module.replace(".", "/") + ".py"
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in HOUSE
        for name in node.names
    }
    [entering] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == ENTERED_BY]
    named = {node.id for node in ast.walk(entering) if isinstance(node, ast.Name)}
    return sorted({file for name, file in origin.items() if name in named})


def files_naming(term: str, commit: str | None = None) -> list[str]:
    """Tracked files of the house with the term's name as a word, without its own folder; of the working tree, or a commit."""
    places = [*HOUSE, f":!mixval/terms/{term}"]
    command = ["git", "grep", "--files-with-matches", "--word-regexp", term, *([commit] if commit else []), "--", *places]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    return sorted(name.removeprefix(f"{commit}:") for name in found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, print the files, and write the figures."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--before", metavar="COMMIT", help="count this commit's files, too")
    chosen = parser.parse_args(arguments)
    toy, old = files_entered(), files_naming(TERM)
    print("toy term:", *toy, f"and a file of its own\n{TERM}:", *old)
    what = f"files that name {TERM} outside its folder"
    figures = [
        figure("files touched by the toy term", len(toy) + 1, f"<= {MOST}", "files", COMMAND),
        figure(what, len(old), f"<= {MOST}", "files", COMMAND),
    ]
    if chosen.before:
        before = len(files_naming(TERM, chosen.before))
        figures.append(figure(f"{what}, before", before, "-", "files", f"{COMMAND} --before {chosen.before}"))
    write_by_name("house", figures)


if __name__ == "__main__":
    main()
