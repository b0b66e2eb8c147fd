"""The main job on the shipped examples: `make demo`. Needs no server, no GPU and no download."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from mixval.cli.leave import leaving_at_once
from mixval.cli.progress_view import front_end
from mixval.cli.summary_view import print_summary
from mixval.config.load import load_config
from mixval_flows.front import run_session

EXAMPLES = ("images", "reviews", "answers")


def main(arguments: list[str]) -> None:
    """Value the named examples, all of them by default, in one session: one API and one cluster for all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(EXAMPLES)}; all by default")
    names = parser.parse_args(arguments).names
    if unknown := sorted(set(names) - set(EXAMPLES)):
        parser.error(f"expected any of {', '.join(EXAMPLES)}, found {', '.join(unknown)}")
    folder = Path(__file__).parent
    began = time.perf_counter()
    console = Console()
    configs = {name: load_config(folder / name / "config.yaml") for name in names or EXAMPLES}
    with run_session(next(iter(configs.values())).runtime) as value:
        for name, config in configs.items():
            console.rule(f"[bold]{name}[/bold]")
            with front_end(quiet=False) as progress:
                summary = value(config, progress)
            print_summary(summary, console)
            console.print(f"What was planted, for comparison: {folder / name / 'README.md'}\n", soft_wrap=True)
    console.print(f"{len(configs)} example(s) in {time.perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    leaving_at_once(lambda: main(sys.argv[1:]))
