"""CPU time at equal error of the same quantity: inner products of rows' loss gradients (`products.py`).

    python -m benchmarks.rivals.equal_error --python PATH [--rows 500] [--repeats 3] [--shapes mlp llama] [--rivals NAME ...]

PATH is an interpreter that has the rivals (`make bench` sets one up). For each shape, mixval's error at 2,048 features a row is
measured; then each rival at one size after another until its error is not larger. That size is timed, mixval before and after
it, one process a measurement and one thread; `speedup_at_equal_error/RIVAL/SHAPE` is the rival's CPU seconds over mixval's. A
rival that does not get there at the largest size is timed at that one, and listed with its error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.figures import Figure, figure, write_beside
from benchmarks.rivals.compare import PYTHON, SHAPES, Line, measured_apart, spread
from benchmarks.rivals.measure import measured
from benchmarks.rivals.products import METHODS, OURS, RIVALS, job
from benchmarks.rivals.shapes import shape

COMMAND = "python -m benchmarks.rivals.equal_error"
WIDTH = 2048
"""Of mixval, its default."""
SIZES = (8, 16, 24, 32, 48, 64, 96, 128)
"""Numbers on each side of a layer."""
SEARCH_ROWS = 200
TARGET = ">= 1.5"


def line(python: Path, method: str, name: str, rows: int, size: int) -> Line:
    """One measurement in a process of its own, or why there is none."""
    words = ["benchmarks.rivals.equal_error", "--one", method, name, str(rows), str(size)]
    return measured_apart(python, words, {"method": method, "shape": name, "n": rows, "size": size})


def lines(python: Path, rows: int, repeats: int, shapes: Sequence[str], rivals: Sequence[str]) -> Iterator[Line]:
    """Search and timing, as they end. Raises RuntimeError when mixval itself fails."""
    for name in shapes:
        own = line(python, OURS, name, min(rows, SEARCH_ROWS), WIDTH) | {"is_search": True}
        if "failure" in own:
            raise RuntimeError(f"mixval on {name!r}: {own['failure']}. Run `{COMMAND} --one {OURS} {name} 50 {WIDTH}` by hand.")
        yield own
        for rival in rivals:
            size = None
            for size in SIZES:
                found = line(python, rival, name, min(rows, SEARCH_ROWS), size) | {"is_search": True}
                yield found
                if "failure" in found or found["error"] <= own["error"]:
                    break
            if "failure" not in found:
                yield from _timed(python, rival, name, rows, repeats, size)


def _timed(python: Path, rival: str, name: str, rows: int, repeats: int, size: int) -> Iterator[Line]:
    yield line(python, OURS, name, rows, WIDTH)
    for _ in range(repeats):
        yield line(python, rival, name, rows, size)
        yield line(python, OURS, name, rows, WIDTH)


def summary(found: Sequence[Line]) -> list[Figure]:
    """Speed-ups with their lowest and highest, the sizes that were needed, and the errors at them."""
    timed = [one for one in found if not one.get("is_search")]
    figures = [
        figure(f"equal_error/{OURS}/{one['shape']}", one["error"], "-", "1", COMMAND)
        for one in found
        if one["method"] == OURS and one.get("is_search")
    ]
    for rival, name in dict.fromkeys((one["method"], one["shape"]) for one in timed if one["method"] != OURS):
        near, own = [], []
        for before, one, after in zip(timed, timed[1:], timed[2:], strict=False):
            if (one["method"], one["shape"]) == (rival, name) and "failure" not in one:
                own.append(one)
                near += [one["cpu_seconds"] / other["cpu_seconds"] for other in (before, after)]
        if not near:
            continue
        at = f"{rival}/{name}"
        figures += spread(f"speedup_at_equal_error/{at}", near, TARGET, COMMAND)
        figures.append(figure(f"equal_error/{at}", own[0]["error"], "-", "1", COMMAND))
        figures.append(figure(f"equal_error/{at}/features", own[0]["features"], "-", "features", COMMAND))
    return figures


def main() -> None:
    """Measure and print a JSON line a measurement, then the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", type=Path, default=PYTHON, help="interpreter that has the rivals")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=SHAPES)
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=RIVALS)
    parser.add_argument("--store", action="store_true", help="put the figures into benchmarks/results/engine.json")
    parser.add_argument("--one", nargs=4, metavar=("METHOD", "SHAPE", "ROWS", "SIZE"), help="one measurement, in this process")
    given = parser.parse_args()
    if given.one is not None:
        method, name, rows, size = given.one
        if method not in METHODS:
            parser.error(f"expected a method out of {', '.join(METHODS)}, found {method}")
        torch.set_num_threads(1)
        print(json.dumps(measured(method, job(method, int(size)), shape(name, int(rows)))), flush=True)
        return
    if not given.python.exists():
        parser.error(f"expected an interpreter with the rivals at {given.python}: `make bench` sets one up")
    found = []
    for one in lines(given.python, given.rows, given.repeats, given.shapes, given.rivals):
        print(json.dumps(one), file=sys.stderr, flush=True)
        found.append(one)
    figures = summary(found)
    if given.store:
        write_beside("engine", figures, COMMAND)
        return
    for one in figures:
        print(f"{one['name']:<56} {one['figure']!s:>10} target {one['target']}")


if __name__ == "__main__":
    main()
