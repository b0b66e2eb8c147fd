"""mixval's NTK term side by side with the attribution packages it is compared to: CPU time and memory, on the same rows.

    python -m benchmarks.rivals --python PATH [--rows 500] [--repeats 1] [--shapes mlp resnet llama] [--methods NAME ...]

The rivals live in an environment of their own, `.venv-rivals`, which `make bench` sets up and where mixval is read from this
checkout. torch stands first, so that the CPU build of the constraints is kept; torchvision and torchaudio come along, fit no
CPU build, and break `transformers` until they are gone. No rival needs them.

Every method does the smallest job of its own that yields features or self-influences of the same n rows: no target set, no
training. One process a measurement, one thread; mixval runs before and after each rival, and a speed-up is the rival's CPU
seconds over mixval's in either neighbour. What mixval does once a run, whatever the number of contributors (the sketch's
plan and self-test), is listed apart as `once_seconds`. A method that does not run is listed with its reason.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.figures import write
from benchmarks.rivals.compare import METHODS, PYTHON, SHAPES, lines, summary, table


def main() -> None:
    """Measure, print a JSON line a measurement, the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", type=Path, default=PYTHON, help="interpreter that has the rivals")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=SHAPES)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--store", action="store_true", help="write the figures to benchmarks/results/rivals.json")
    given = parser.parse_args()
    found = []
    for line in lines(given.python, given.rows, given.repeats, given.shapes, given.methods):
        print(json.dumps(line), flush=True)
        found.append(line)
    print(table(found))
    figures = summary(found)
    if given.store:
        write("rivals", figures)
        return
    for one in figures:
        print(f"{one['name']:<50} {one['figure']!s:>10} target {one['target']}")


if __name__ == "__main__":
    main()
