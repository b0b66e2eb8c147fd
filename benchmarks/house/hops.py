"""How many files a reader enters who follows a run from its configuration to the first number that it computes of rows.

    python -m benchmarks.house.hops                print both counts, and the files
    python -m benchmarks.house.hops --figures      store them in benchmarks/results/house.json

A real run of `examples/images` in this process is traced, one call after another, until numeric code (`mixval/terms/`,
`mixval/valuation/`) is entered for the first time:

    call path    files on the stack at that moment: what is open at once
    entered      files of which any function has run since the configuration was handed over, whether it has returned or not

Both are told of the whole run, in which plan and gate come first, and of measuring alone, after them. Prefect and Dask add two
files to the call path of a flow: `tasks/mixval_tasks/measure.py` and `tasks/mixval_tasks/cluster.py`.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.figures import Figure, figure, write_by_name
from benchmarks.plain_stages import EXAMPLE, gate_here
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.stages import in_process

COMMAND = "python -m benchmarks.house.hops --figures"
ROOT = Path(inspect.getfile(in_process)).parents[2]
PRODUCT = ("mixval/", "tasks/", "flows/", "deployments/")
NUMERIC = ("mixval/terms/", "mixval/valuation/")


class _Arrived(BaseException):
    """Numeric code was entered. Not an `Exception`: no stage may take it for a contributor's failure."""


@dataclass(frozen=True)
class Trip:
    """Files by their path from the root."""

    call_path: list[str]
    """From the configuration to the numeric file, each once."""
    entered: list[str]
    """In the order in which they were first entered."""


def trip(call: Callable[[], Any]) -> Trip:
    """Where a call leads until it enters numeric code. Raises RuntimeError where it never does."""
    entered: dict[str, None] = {}
    stack: list[str] = []

    def watch(frame: FrameType, _event: str, _argument: Any) -> None:
        # Only calls come here: nothing is handed back that would watch a function's lines.
        if frame.f_code.co_name == "<module>" or (file := _product_file(frame)) is None:
            return
        entered.setdefault(file)
        if file.startswith(NUMERIC):
            above: FrameType | None = frame
            while above is not None:
                if (name := _product_file(above)) is not None and name not in stack:
                    stack.append(name)
                above = above.f_back
            sys.settrace(None)
            raise _Arrived

    sys.settrace(watch)
    with suppress(_Arrived):
        try:
            call()
        finally:
            sys.settrace(None)
    if not stack:
        raise RuntimeError("the call has computed nothing")
    return Trip(stack[::-1], list(entered))


def _product_file(frame: FrameType) -> str | None:
    file = frame.f_code.co_filename
    if not file.startswith(str(ROOT)):
        return None
    name = Path(file).relative_to(ROOT).as_posix()
    return name if name.startswith(PRODUCT) else None


def trips(config: ValuationConfig) -> dict[str, Trip]:
    """The whole run, and measuring alone. The configuration's output must be empty."""
    whole = trip(lambda: in_process.value_gated(gate_here(config)))
    gated = gate_here(config)
    return {"run": whole, "measure": trip(lambda: in_process.value_gated(gated))}


def figures(found: dict[str, Trip]) -> list[Figure]:
    """Counts, under the names of the house's figures."""
    counts = [
        (f"files {verb} to the first numeric call, {which}", len(files))
        for which, one in found.items()
        for verb, files in (("on the call path", one.call_path), ("entered", one.entered))
    ]
    return [figure(name, n, "<= 20", "files", COMMAND) for name, n in counts]


def main() -> None:
    """Trace, print, and store where asked for."""
    parser = argparse.ArgumentParser(description="Counts the files between a configuration and the first number.")
    parser.add_argument("--figures", action="store_true", help="store the counts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = trips(load_config(EXAMPLE).model_copy(update={"output": folder}))
    for which, one in found.items():
        print(f"{which}: call path of {len(one.call_path)}: {' -> '.join(one.call_path)}")
        print(f"{which}: {len(one.entered)} entered: {' '.join(one.entered)}\n")
    if given.figures:
        write_by_name("house", figures(found))


if __name__ == "__main__":
    main()
