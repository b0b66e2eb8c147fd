"""What making synthetic rows loses, and what corpora say of them.

    python -m benchmarks.synthesis [kills] [corpus] [origin] [--data DIR]

`kills`: rows lost and doubled by random kills of a synthesis. `corpus`: tokens a second of counting beside a plain loop, and
memory. `origin`: error and coverage of the estimated share of real rows. `--data`, for all but `kills`: a folder with
`lm/real.parquet`, `lm/synthetic.parquet` and `lm/test.parquet`. Figures of other parts in `benchmarks/results/synthesis.json`
are kept.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.figures import write_by_name

PARTS = ("kills", "corpus", "origin")
NEED_DATA = {"corpus", "origin"}
"""Modules of this package, each with `figures(data)`, and which of them read data."""


def main(arguments: list[str]) -> None:
    """Measure what is named, and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--data", type=Path, help="folder with the data set lm")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"expected any of {', '.join(PARTS)}, found {', '.join(unknown)}")
    if given.data is None and (named := sorted(NEED_DATA & set(given.parts or PARTS))):
        parser.error(f"{', '.join(named)}: expected --data with the folder of the data set lm, found none")
    for part in given.parts or PARTS:
        write_by_name("synthesis", import_module(f"benchmarks.synthesis.{part}").figures(given.data))


if __name__ == "__main__":
    main(sys.argv[1:])
