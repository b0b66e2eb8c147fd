"""All parts of the torture, one after another, for so long together: kills, signals, damaged artifacts, changed inputs, mutated
Parquet, strangers' folders and bombs.

    python -m benchmarks.torture [--seconds 3600] [--long] [--reduced] [--part kills]

The figures of each go to `benchmarks/results/torture.json`. `--long` mutates 100,000 files, without a limit of time.
`--reduced` tries a little of each, and stores no figures. The exit code is 1 where anything was found that must not be.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

PARTS: dict[str, float] = {
    "kills": 0.25,
    "signals": 0.25,
    "artifacts": 0.1,
    "changed_inputs": 0.1,
    "mutated": 0.25,
    "strangers": 0.05,
    "bombs": 0.0,
}
"""Module of each part -> its share of the time. Each bomb explodes once, however long that takes."""
FILES, FILES_LONG = 2_000, 100_000
REDUCED: dict[str, list[str]] = {
    "kills": ["--seconds", "1"],
    "signals": ["--tries", "1", "--signal", "TERM", "--receiver", "group", "--stage", "measure"],
    "artifacts": ["--seconds", "10", "--route", "sketched"],
    "changed_inputs": ["--seconds", "10", "--route", "sketched"],
    "mutated": ["--files", "26", "--task", "text-classification"],
    "strangers": ["--seconds", "1"],
    "bombs": ["dictionary"],
}


def arguments(part: str, given: argparse.Namespace) -> list[str]:
    """What a part is called with."""
    if part == "bombs":
        return REDUCED[part] if given.reduced else []
    if given.reduced:
        return [*REDUCED[part], "--no-figures"]
    if part == "mutated" and given.long:
        return ["--files", str(FILES_LONG)]
    return ["--seconds", f"{PARTS[part] * given.seconds / (sum(PARTS[one] for one in given.part or PARTS) or 1):.0f}"]


def main() -> None:
    """Run each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3_600.0, help="of all parts together; what has begun is ended")
    parser.add_argument("--long", action="store_true", help=f"{FILES_LONG:,} mutated files, without a limit of time")
    parser.add_argument("--reduced", action="store_true", help="a little of each")
    parser.add_argument("--part", action="append", choices=PARTS, help="these alone")
    given = parser.parse_args()
    bad = []
    for part in given.part or PARTS:
        print(f"== {part}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.torture.{part}", *arguments(part, given)]
        if subprocess.run(command, check=False).returncode:
            bad.append(part)
    if bad:
        raise SystemExit(f"found what must not be: {', '.join(bad)}")


if __name__ == "__main__":
    main()
