"""Measures worlds of the distribution, and compares our ranking with its rivals over all that are stored.

    python -m benchmarks.evidence.distribution [WORLD ...] [--role development] --data DIR --out FOLDER
        [--encoder DIR] [--language-model DIR] [--weights DIR] [--methods METHOD ...] [--skip METHOD ...]
        [--results DIR] [--figures]

Without a world and a role, nothing is measured: the tables are made from the results that are stored. Resumable: truth and
scores below --out are not made again, nor what a stored result has of the same rows, recipe and backbone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.evidence.distribution.backbones import Folders, folder_options
from benchmarks.evidence.distribution.catalogue import ROLES, listed, world_named
from benchmarks.evidence.distribution.figures import distribution_figures
from benchmarks.evidence.distribution.measure import Places, measure
from benchmarks.evidence.distribution.results import read_all
from benchmarks.evidence.distribution.tables import distribution_text
from benchmarks.figures import RESULTS, write_beside
from mixval.evidence.baselines.registry import METHODS

COMMAND = "python -m benchmarks.evidence.distribution"


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Compares rankings over a distribution of worlds.")
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help="names, as the results have them; none: those of --role")
    parser.add_argument("--role", choices=ROLES, help="measure all worlds of this role")
    folder_options(parser, always=False)
    parser.add_argument("--results", type=Path, default=RESULTS / "evidence" / "distribution", help="folder of the results")
    parser.add_argument("--methods", nargs="+", choices=sorted(METHODS), metavar="METHOD", help="scored now; none: what lacks")
    parser.add_argument("--skip", nargs="+", choices=sorted(METHODS), default=[], metavar="METHOD", help="not scored now")
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/evidence.json")
    given = parser.parse_args(words)
    given.listed = [world_named(name) for name in given.worlds] or (listed(given.role) if given.role else [])
    if given.listed and (given.data is None or given.out is None):
        parser.error("a world is drawn from --data, the folder of the data sets, and laid out below --out")
    return given


def main(words: Sequence[str] | None = None) -> None:
    """Measure what the command line names, and show all results."""
    given = parsed(words)
    torch.set_num_threads(1)
    folders = Folders.given(given)
    for one in given.listed:
        measure(one, Places(given.data, given.out, given.results, folders), given.methods, given.skip)
        print(f"\r{one.name}: measured", file=sys.stderr)
    results = read_all(given.results)
    print(distribution_text(results))
    if given.figures:
        write_beside("evidence", distribution_figures(results, COMMAND), COMMAND)


if __name__ == "__main__":
    main()
