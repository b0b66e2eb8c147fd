"""Methods in turn, each rival between two runs of mixval, and the figures that come of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure, figure
from mixval.stages.memory import ALLOCATOR

ROOT = Path(__file__).parents[2]
COMMAND = "python -m benchmarks.rivals"
PYTHON = ROOT / ".venv-rivals" / "bin" / "python"
"""Interpreter that has the rivals."""
SHAPES = ("mlp", "resnet", "llama")
OURS = "mixval-2048"
OWN = ("mixval-4096", "mixval-exact")
YARDSTICK = "materialising"
RIVALS = ("dattri-logra", "kronfluence", "captum-tracin", "captum-tracin-fast", "bergson", "traker", "dattri-trak")
METHODS = (YARDSTICK, *OWN, *RIVALS)
MOST_SECONDS = 1800
SLOW_SECONDS = 20.0
"""CPU seconds from which a method is measured in the first repeat alone."""
Line = dict[str, Any]


def measured(python: Path, method: str, shape: str, rows: int) -> Line:
    """One measurement in a process of its own, or why there is none."""
    words = ["benchmarks.rivals.measure", method, shape, str(rows)]
    return measured_apart(python, words, {"method": method, "shape": shape, "n": rows})


def measured_apart(python: Path, words: Sequence[str], about: Line) -> Line:
    """The JSON line that a module prints in a process of its own, on one thread; or `about` it and why there is none."""
    environment = os.environ | ALLOCATOR | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    options: dict[str, Any] = {"cwd": ROOT, "env": environment, "timeout": MOST_SECONDS, "text": True}
    try:
        done = subprocess.run([str(python), "-m", *words], check=False, capture_output=True, **options)
    except subprocess.TimeoutExpired:
        return about | {"failure": f"not done within {MOST_SECONDS} seconds"}
    if done.returncode:
        return about | {"failure": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}
    found: Line = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def lines(python: Path, rows: int, repeats: int, shapes: Sequence[str], methods: Sequence[str]) -> Iterator[Line]:
    """All measurements, mixval before and after each other method. Raises RuntimeError when mixval itself fails."""
    for shape in shapes:
        slow: set[str] = set()
        for repeat in range(repeats):
            for method in (OURS, *(one for other in methods if other not in slow for one in (other, OURS))):
                line = measured(python, method, shape, rows) | {"repeat": repeat}
                if method == OURS and "failure" in line:
                    raise RuntimeError(f"mixval on '{shape}': {line['failure']}. Run `benchmarks.rivals.measure` by hand.")
                if line.get("cpu_seconds", SLOW_SECONDS) >= SLOW_SECONDS:
                    slow.add(method)
                yield line


def ratios(found: Sequence[Line], method: str, shape: str, key: str = "cpu_seconds") -> list[float]:
    """A method's figure over mixval's: one for each run of mixval next to it."""
    own = [line for line in found if line["shape"] == shape]
    near = []
    for before, line, after in zip(own, own[1:], own[2:], strict=False):
        if line["method"] == method and key in line:
            near += [line[key] / other[key] for other in (before, after) if other["method"] == OURS]
    return near


def summary(found: Sequence[Line]) -> list[Figure]:
    """The figures of a comparison."""
    shapes = list(dict.fromkeys(line["shape"] for line in found))
    others = [name for name in (YARDSTICK, "mixval-exact", *RIVALS) if any(line["method"] == name for line in found)]
    speedups = {(name, shape): near for name in others for shape in shapes if (near := ratios(found, name, shape))}
    whole = {(line["method"], line["shape"]) for line in found if line.get("is_whole")}
    figures = []
    for (name, shape), near in speedups.items():
        figures += spread(f"speedup_over/{name}/{shape}", near, "-")
    if trak := [near for (name, _), near in speedups.items() if name == "traker"]:
        figures += spread("speedup_over_trak", min(trak, key=median), ">= 20")
    by_rival = {at: near for at, near in speedups.items() if at[0] in RIVALS}
    if fast := [near for at, near in by_rival.items() if at in whole]:
        figures += spread("speedup_over_fastest_rival", min(fast, key=median), "> 1")
        figures += spread("speedup_over_fastest_rival/last_layer_too", min(by_rival.values(), key=median), "-")
    # The materialising array over mixval's memory, turned round.
    shares = [[1 / one for one in ratios(found, YARDSTICK, shape, "added_bytes")] for shape in shapes]
    if shares := [one for one in shares if one]:
        figures += spread("memory_share_of_materialising", max(shares, key=median), "<= 0.2")
    return figures + _errors(found, shapes)


def _errors(found: Sequence[Line], shapes: Sequence[str]) -> list[Figure]:
    """Errors of mixval's sketched term against its exact one."""
    figures, errors = [], []
    for shape in shapes:
        exact = [
            line["term"] for line in found if line["shape"] == shape and line["method"] == "mixval-exact" and "term" in line
        ]
        for method in (OURS, OWN[0]):
            terms = [line["term"] for line in found if line["shape"] == shape and line["method"] == method and "term" in line]
            if exact and terms:
                error = max(abs(term / exact[0] - 1) for term in terms)
                figures.append(figure(f"term_error/{shape}/q_{method.rpartition('-')[2]}", error, "-", "1", COMMAND))
                errors += [error] if method == OURS else []
    return figures + ([figure("term_error", max(errors), "<= 0.03", "1", COMMAND)] if errors else [])


def spread(name: str, values: Sequence[float], target: str, command: str = COMMAND) -> list[Figure]:
    """Median, lowest and highest."""
    ends = (figure(f"{name}/{end}", one, "-", "1", command) for end, one in (("lowest", min(values)), ("highest", max(values))))
    return [figure(name, median(values), target, "1", command), *ends]


def table(found: Sequence[Line]) -> str:
    """Medians by shape and method, as a table."""
    rows = [f"{'shape':<8}{'method':<20}{'CPU s':>9}{'wall s':>9}{'added MB':>10}{'speedup':>9}  produces"]
    for shape, method in dict.fromkeys((line["shape"], line["method"]) for line in found):
        own = [line for line in found if (line["shape"], line["method"]) == (shape, method)]
        if failed := [line["failure"] for line in own if "failure" in line]:
            rows.append(f"{shape:<8}{method:<20}  none: {failed[0]}")
            continue
        cpu, wall, added = (median(line[key] for line in own) for key in ("cpu_seconds", "wall_seconds", "added_bytes"))
        near = ratios(found, method, shape)
        speedup = f"{median(near):>9.2f}" if near and method != OURS else f"{'':>9}"
        rows.append(f"{shape:<8}{method:<20}{cpu:>9.3f}{wall:>9.3f}{added / 2**20:>10.1f}{speedup}  {own[0]['produces']}")
    return "\n".join(rows)


def figures(python: Path = PYTHON, rows: int = 500, repeats: int = 1) -> list[Figure]:
    """Run the whole comparison and return its figures. Raises FileNotFoundError without an interpreter that has the rivals."""
    if not python.exists():
        raise FileNotFoundError(f"expected an interpreter with the rivals at {python}. See `benchmarks/rivals/__main__.py`.")
    found = []
    for line in lines(python, rows, repeats, SHAPES, METHODS):
        print(json.dumps(line), flush=True)
        found.append(line)
    return summary(found)
