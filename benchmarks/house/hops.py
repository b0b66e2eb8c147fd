"""How many files a reader enters who follows a run's configuration from its flow to the first number computed of rows.

    python -m benchmarks.house.hops                print the counts, and the files
    python -m benchmarks.house.hops --figures      store them in benchmarks/results/house.json

A real run of `examples/images` is traced in this process, one call after another, until numeric code (`mixval/terms/`,
`mixval/valuation/`) is entered for the first time:

    call path     files on the stack at that moment: what is open at once
    given         files with a function that was handed the configuration, a part of it, or an object that has it or a part of
                  it as a field (a `MeasureJob`): where a reader who follows the configuration comes by. Not counted are
                  `mixval/config/`, which defines it, and what has an opened `Location`, whose options end the trail.
    entered       files of which any function has run, whether it has to do with the configuration or not: readers of Parquet,
                  checks of rows, building the model

They are counted from the flow, which plans first (the first number is that of the plan's probe), and of measuring alone.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import BaseModel

from benchmarks.figures import Figure, figure, write_by_name
from benchmarks.plain_stages import EXAMPLE, gate_here
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.stages import in_process
from mixval.storage.root import Location
from mixval_flows.valuation import valuation

COMMAND = "python -m benchmarks.house.hops --figures"
ROOT = Path(inspect.getfile(in_process)).parents[2]
PRODUCT = ("mixval/", "tasks/", "flows/", "deployments/")
DEFINED = "mixval/config/"
"""Where configurations are defined, and named by a digest."""
MOST_FILES = 20
"""That may be given the configuration."""
NUMERIC = ("mixval/terms/", "mixval/valuation/")


class _Arrived(BaseException):
    """Numeric code was entered. Not an `Exception`: no stage may take it for a contributor's failure."""


@dataclass(frozen=True)
class Trip:
    """Files by their path from the root."""

    call_path: list[str]
    """From the configuration to the numeric file, each once."""
    given: list[str]
    """Handed the configuration or a part of it, in that order."""
    entered: list[str]
    """In the order in which they were first entered."""


def trip(call: Callable[[], Any]) -> Trip:
    """Where a call leads until it enters numeric code. Raises RuntimeError where it never does."""
    entered: dict[str, None] = {}
    given: dict[str, None] = {}
    stack: list[str] = []

    def watch(frame: FrameType, _event: str, _argument: Any) -> None:
        # Only calls come here: nothing is handed back that would watch a function's lines.
        if frame.f_code.co_name == "<module>" or (file := _product_file(frame)) is None:
            return
        entered.setdefault(file)
        if file not in given and not file.startswith(DEFINED) and any(holds_configuration(one) for one in _arguments(frame)):
            given.setdefault(file)
        if file.startswith(NUMERIC):
            above: FrameType | None = frame
            while above is not None:
                if (name := _product_file(above)) is not None and name not in stack:
                    stack.append(name)
                above = above.f_back
            sys.settrace(None)
            raise _Arrived

    gc.collect()  # what earlier runs left half-way, as an iterator with a configuration, would end under this watch
    gc.disable()
    with suppress(_Arrived):
        try:
            sys.settrace(watch)
            call()
        finally:
            sys.settrace(None)
            gc.enable()
    if not stack:
        raise RuntimeError("the call has computed nothing")
    return Trip(stack[::-1], list(given), list(entered))


def holds_configuration(value: Any, depth: int = 2) -> bool:
    """Whether it is a configuration or a part of one, or has one as a field, `depth` fields deep at most."""
    if isinstance(value, BaseModel):
        if type(value).__module__.startswith("mixval.config."):
            return True
        inner = list(vars(value).values())
    elif is_dataclass(value) and not isinstance(value, type):
        inner = [] if isinstance(value, Location) else [getattr(value, one.name, None) for one in fields(value)]
    else:
        return False
    return depth > 0 and any(holds_configuration(one, depth - 1) for one in inner)


def _arguments(frame: FrameType) -> list[Any]:
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [frame.f_locals[name] for name in names if name in frame.f_locals]


def _product_file(frame: FrameType) -> str | None:
    return _product_name(frame.f_code.co_filename)


@cache  # asked for at each call of a run, also of libraries whose environment is in the checkout
def _product_name(file: str) -> str | None:
    if not file.startswith(str(ROOT)):
        return None
    name = Path(file).relative_to(ROOT).as_posix()
    return name if name.startswith(PRODUCT) else None


def trips(config: ValuationConfig) -> dict[str, Trip]:
    """The whole run, and measuring alone. The configuration's output must be empty."""
    whole = trip(lambda: valuation.fn(config))
    gated = gate_here(config)
    return {"run": whole, "measure": trip(lambda: in_process.value_gated(gated))}


def figures(found: dict[str, Trip]) -> list[Figure]:
    """Counts, under the names of the house's figures."""
    counts = [
        (f"files {verb} to the first numeric call, {which}", len(files))
        for which, one in found.items()
        for verb, files in (
            ("on the call path", one.call_path),
            ("given the configuration on the way", one.given),
            ("entered", one.entered),
        )
    ]
    return [figure(name, n, "-" if " entered " in name else f"<= {MOST_FILES}", "files", COMMAND) for name, n in counts]


def main() -> None:
    """Trace, print, and store where asked for."""
    parser = argparse.ArgumentParser(description="Counts the files between a configuration and the first number.")
    parser.add_argument("--figures", action="store_true", help="store the counts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = trips(load_config(EXAMPLE).model_copy(update={"output": folder}))
    for which, one in found.items():
        print(f"{which}: call path of {len(one.call_path)}: {' -> '.join(one.call_path)}")
        print(f"{which}: {len(one.given)} given the configuration: {' '.join(one.given)}")
        print(f"{which}: {len(one.entered)} entered: {' '.join(one.entered)}\n")
    if given.figures:
        write_by_name("house", figures(found))


if __name__ == "__main__":
    main()
