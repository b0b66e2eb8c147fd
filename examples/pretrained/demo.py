"""Pretrained backbones on own data, one of each kind: `make demo-pretrained`. Asks no hub.

Sentences under a sentence encoder, images under EfficientNet-Lite0, prompts and responses under SmolLM2-135M-Instruct; each
with the configuration that `mixval init` writes, on contributors of the shipped examples that differ in one planted fault.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape

import mixval
from examples.pretrained.backbones import pretrained_configuration
from examples.pretrained.unpack import unpack
from mixval.cli.exits import errors_shown
from mixval.cli.show_view import print_run
from mixval.config.tasks import Task
from mixval.publish.stored_run import open_run

EXAMPLES = Path(__file__).parents[1]


@dataclass(frozen=True)
class Part:
    """One kind of backbone."""

    task: Task
    example: str
    """Whose contributors and target are taken."""
    contributors: tuple[str, ...]
    n_rows: int
    """Of each contributor and of the target."""
    n_classes: int
    planted: str
    """What differs, in words."""


PARTS = {
    "text": Part(
        "text-classification",
        "reviews",
        ("basil", "coral", "elm", "kelp"),
        100,
        2,
        "coral and kelp have 40 % wrong labels; basil has as many real sentences, elm as many machine-made ones.",
    ),
    "images": Part(
        "image-classification",
        "images",
        ("birch", "cedar", "ember", "delta"),
        150,
        10,
        "cedar has 40 % wrong labels; birch as many photographs, ember generated images, delta photographs of few classes.",
    ),
    "answers": Part(
        "instruction",
        "answers",
        ("bluff", "cove", "heath"),
        30,
        0,
        "cove has 40 % of its responses under other problems; bluff has people's solutions, heath bare wrong numbers.",
    ),
}


def main(arguments: list[str]) -> None:
    """Unpack the weights where they are missing, then value the named parts, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--weights", type=Path, default=EXAMPLES / "pretrained" / "out" / "weights")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.names) - set(PARTS)):
        parser.error(f"expected any of {', '.join(PARTS)}, found {', '.join(unknown)}")
    began, console = time.perf_counter(), Console()
    with errors_shown(as_json=False):
        folder = unpack(given.weights)
        for name in given.names or PARTS:
            show(name, PARTS[name], folder, console)
    console.print(f"{len(given.names or PARTS)} backbone(s) in {time.perf_counter() - began:.0f} s.")


def show(name: str, part: Part, weights: Path, console: Console) -> None:
    """Value one part and print its ranking with what was planted."""
    console.rule(f"[bold]{name}[/bold]")
    data = EXAMPLES / part.example / "data"
    contributors: dict[str, Any] = {
        one: pq.read_table(data / "contributors" / f"contributor={one}").slice(0, part.n_rows) for one in part.contributors
    }
    target = pq.read_table(data / "target").slice(0, part.n_rows)
    sections = pretrained_configuration(part.task, weights, part.n_classes)
    output = EXAMPLES / "pretrained" / "out" / name
    runtime = sections.pop("runtime") | {"threads_per_worker": 2}
    result = mixval.value(contributors, target, output=str(output), runtime=runtime, progress=True, **sections)
    print_run(open_run(result.url), console)
    console.print(escape(f"Planted: {part.planted}\n"))
    console.print(escape(f"{result.explain(part.contributors[1])}\n"))


if __name__ == "__main__":
    main(sys.argv[1:])
