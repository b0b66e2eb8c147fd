"""Figures that a benchmark claims: name, number, target, unit, and what shows it, where and when."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

RESULTS = Path(__file__).parent / "results"


class Figure(TypedDict):
    """One claim, as `benchmarks/results/*.json` lists it."""

    name: str
    figure: float | int | None
    target: str
    unit: str
    command: str
    commit: str
    machine: str
    date: str


def figure(name: str, value: float | None, target: str, unit: str, command: str) -> Figure:
    """A figure measured here and now."""
    return {
        "name": name,
        "figure": value if value is None else float(f"{value:.4g}"),
        "target": target,
        "unit": unit,
        "command": command,
        "commit": commit(),
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def write(name: str, figures: list[Figure]) -> Path:
    """Store figures as `benchmarks/results/NAME.json`, and print them."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for one in figures:
        print(f"{one['name']:<46} {one['figure']!s:>10} {one['unit']:<10} target {one['target']}")
    return file


def write_beside(name: str, figures: list[Figure], command: str) -> Path:
    """The same, next to what other commands have stored there; all that `command` itself had stored is replaced."""
    file = RESULTS / f"{name}.json"
    held: list[Figure] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    others = [one for one in held if one["command"] != command and not one["command"].startswith(f"{command} ")]
    return write(name, [*others, *figures])


def write_by_name(name: str, figures: list[Figure]) -> Path:
    """The same, next to all that is stored there under other names."""
    file = RESULTS / f"{name}.json"
    held: list[Figure] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    new = {one["name"] for one in figures}
    return write(name, [*(one for one in held if one["name"] not in new), *figures])


def commit() -> str:
    """The checkout's commit, marked when the tree has changes other than recorded figures: those change nothing measured."""
    head = ["git", "describe", "--always"]
    changed = ["git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)benchmarks/results"]
    name, dirty = (subprocess.run(one, capture_output=True, text=True, check=True).stdout.strip() for one in (head, changed))
    return f"{name}-dirty" if dirty else name


def machine() -> str:
    """Cores, processor and memory; no name of the machine."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cores} cores {_processor()}, {memory:.0f} GiB, Python {platform.python_version()}, {platform.system()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
