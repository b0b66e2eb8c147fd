"""What corpora say of synthetic data, and what it costs to ask.

    python -m benchmarks.synthesis [corpus] [origin] --data DIR

`corpus`: tokens a second of counting beside a plain loop, and memory. `origin`: error and coverage of the estimated share of
real rows. `--data`: a folder with `lm/real.parquet`, `lm/synthetic.parquet` and `lm/test.parquet`. Figures of other parts in
`benchmarks/results/synthesis.json` are kept.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.figures import write_by_name

PARTS = ("corpus", "origin")
"""Modules of this package, each with `figures(data)`."""


def main(arguments: list[str]) -> None:
    """Measure what is named, and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--data", type=Path, required=True, help="folder with the data set lm")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"expected any of {', '.join(PARTS)}, found {', '.join(unknown)}")
    for part in given.parts or PARTS:
        write_by_name("synthesis", import_module(f"benchmarks.synthesis.{part}").figures(given.data))


if __name__ == "__main__":
    main(sys.argv[1:])
