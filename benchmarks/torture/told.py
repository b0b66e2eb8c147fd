"""What a part of the torture has to say: its figures, stored or printed, and an exit code that tells whether they are right."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.figures import Figure, write_beside


def parser(about: str, seconds: float) -> argparse.ArgumentParser:
    """Of a part's command line: for how long, from which seed, and whether figures are stored."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seconds", type=float, default=seconds, help="nothing begins later than this")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--no-figures", action="store_true", help="print only")
    return made


def tell(figures: Sequence[Figure], command: str, is_stored: bool) -> None:
    """Store the figures, or print them. Raises SystemExit where one that must be zero is not."""
    if is_stored:
        write_beside("torture", list(figures), command)
    else:
        for one in figures:
            print(f"{one['name']:<46} {one['figure']!s:>10} {one['unit']:<10} target {one['target']}")
    if wrong := [one["name"] for one in figures if one["target"] == "0" and one["figure"]]:
        raise SystemExit(f"expected none of {', '.join(wrong)}, found some. What is above says which.")
