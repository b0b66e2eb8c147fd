"""The main job on the shipped examples, a gate in front of a table, synthetic rows: `make demo`. No server, GPU or download."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import cast

from rich.console import Console

from examples.gate import deliver_first, deliver_five
from examples.synthesis import show_synthesis
from mixval.cli.gate_view import print_gate
from mixval.cli.leave import leaving_at_once
from mixval.cli.progress_view import front_end
from mixval.cli.summary_view import print_summary
from mixval.config.ingestion import IngestionConfig
from mixval.config.load import load_config, load_config_as
from mixval.contracts.gate_run import GateRunSummary
from mixval_flows.front import Session, run_session

EXAMPLES = ("images", "reviews", "answers")
GATE, SYNTHESIS = "gate", "synthesis"
PARTS = (*EXAMPLES, GATE, SYNTHESIS)
INGESTION = "mixval_flows.ingestion:ingestion"


def main(arguments: list[str]) -> None:
    """Value the named examples, all of them by default, in one session: one API and one cluster for all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(PARTS)}; all by default")
    names = parser.parse_args(arguments).names
    if unknown := sorted(set(names) - {*PARTS}):
        parser.error(f"expected any of {', '.join(PARTS)}, found {', '.join(unknown)}")
    folder = Path(__file__).parent
    began = time.perf_counter()
    console = Console()
    chosen = [name for name in EXAMPLES if not names or name in names]
    configs = {name: load_config(folder / name / "config.yaml") for name in chosen}
    gate = load_config_as(IngestionConfig, config_file())
    with run_session(gate.runtime) as value:
        for name, config in configs.items():
            console.rule(f"[bold]{name}[/bold]")
            with front_end(quiet=False) as progress:
                summary = value(config, progress)
            print_summary(summary, console)
            console.print(f"What was planted, for comparison: {folder / name / 'README.md'}\n", soft_wrap=True)
        if chosen:
            console.print(f"{len(configs)} example(s) in {time.perf_counter() - began:.0f} s.")
        if not names or GATE in names:
            show_gate(gate, value, console)
        if not names or SYNTHESIS in names:
            show_synthesis(value, console)


def show_gate(config: IngestionConfig, session: Session, console: Console) -> None:
    """A table gets its first rows, then five deliveries are decided: good, held already, wrong labels, cut off, too few."""
    began = time.perf_counter()
    console.rule("[bold]gate[/bold]")
    for deliver in (deliver_first, deliver_five):
        deliver(config)
        with front_end(quiet=False) as progress:
            summary = cast("GateRunSummary", session.run(INGESTION, config, progress))
        print_gate(summary, console)
    console.print(f"Why each was decided so: mixval gate {config_file()} --explain DELIVERY", soft_wrap=True)
    console.print(f"the gate, twice, in {time.perf_counter() - began:.0f} s.")


def config_file() -> Path:
    """The gate's configuration."""
    return Path(__file__).parent / "reviews" / "gate.yaml"


if __name__ == "__main__":
    leaving_at_once(lambda: main(sys.argv[1:]))
