"""Whether a gate in front of a table loses or doubles anything, and what a decision costs, measured over real stores.

    python -m benchmarks.gate [races] [kills] [driver-kills] [speed] [overhead] [trainings] [demo] [--races 10] [--kills 200]

`races`: eight gates race the same ten shards of ten rows into a table of one, on a disk and over the wire. `kills`: gates are
killed at every step of the protocol and at random moments, on a disk and, a tenth of them, over the wire, and another goes
through. `driver-kills`: what the flow does is killed at thirty random moments, on a disk. `speed`: as
`python -m benchmarks.gate.speed`. `overhead`: a hundred small deliveries beside their model compute (`overhead.py`). `demo`:
seconds of `python -m examples.demo gate`, by the clock. `trainings`: marginal values beside what training gives
(`trainings.py`). All by default. What other commands have stored in `benchmarks/results/gate.json` is kept.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.figures import write_beside
from benchmarks.gate import demo, kills, races

PARTS = ("races", "kills", "driver-kills", "speed", "overhead", "trainings", "demo")
DRIVER_KILLS = 30


def main(arguments: list[str]) -> None:
    """Measure what is named, and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--races", type=int, default=10, help="on a disk, and as many over the wire")
    parser.add_argument("--kills", type=int, default=200, help="at random moments")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"expected any of {', '.join(PARTS)}, found {', '.join(unknown)}")
    parts = given.parts or PARTS
    if "races" in parts:
        write_beside("gate", races.figures(given.races), races.COMMAND)
    if "kills" in parts:
        write_beside("gate", kills.figures(given.kills, given.kills // 10), kills.COMMAND)
    if "driver-kills" in parts:
        write_beside("gate", kills.driver_figures(DRIVER_KILLS), kills.DRIVER_COMMAND)
    if "speed" in parts:
        from benchmarks.gate import speed  # which takes torch along

        speed.main([])
    if "overhead" in parts:
        from benchmarks.gate import overhead

        write_beside("gate", overhead.figures(), overhead.COMMAND)
    if "trainings" in parts:
        from benchmarks.gate import trainings

        write_beside("gate", trainings.figures(), trainings.COMMAND)
    if "demo" in parts:
        write_beside("gate", demo.figures(), demo.COMMAND)


if __name__ == "__main__":
    main(sys.argv[1:])
