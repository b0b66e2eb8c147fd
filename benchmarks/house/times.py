"""How long the two commands of a first evening take: `make demo | tee demo.log`, `make test | tee test.log`, then

    python -m benchmarks.house.times demo.log test.log

reads what they say of themselves, on the machine where it runs. Adds figures to `benchmarks/results/house.json`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks.figures import Figure, figure, write_by_name

COMMAND = "python -m benchmarks.house.times"
DEMO = re.compile(r"artifacts computed, \d+ reused, (\d+) s\.")
TESTS = re.compile(r"(\d+) passed in ([\d.]+)s")


def demo_figures(log: str) -> list[Figure]:
    """Seconds of the examples, each from its own clock, and together."""
    seconds = [float(one) for one in DEMO.findall(log)]
    if len(seconds) != 3:
        raise SystemExit(f"expected the seconds of three examples, found {seconds}. Give the whole output of `make demo`.")
    return [figure("demo, seconds of its three examples", sum(seconds), "-", "seconds", f"{COMMAND} (make demo)")]


def test_figures(log: str) -> list[Figure]:
    """Tests passed, and seconds of the suite; the first summary where continuous integration printed several."""
    found = TESTS.search(log)
    if found is None:
        raise SystemExit("expected pytest's summary, `N passed in S s`, found none. Give the whole output of `make test`.")
    command = f"{COMMAND} (make test)"
    return [
        figure("default suite, tests passed", float(found[1]), "all", "tests", command),
        figure("default suite, seconds", float(found[2]), "< 300", "seconds", command),
    ]


if __name__ == "__main__":
    demo, tests = (Path(one).read_text(encoding="utf-8", errors="replace") for one in sys.argv[1:3])
    write_by_name("house", [*demo_figures(demo), *test_figures(tests)])
