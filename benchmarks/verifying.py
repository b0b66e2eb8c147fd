"""What it costs to compare inputs and artifacts with their digests, as a share of the processor time of a run.

    python -m benchmarks.verifying [--config CONFIG]

On a configuration, or the tiny world of `benchmarks/torture/world.py`. Runs in one process, so that all of it is counted: a
first run; a standing one with another damping, which reads the passes that are there; and the same once more, which is up to
date. The figures go to `benchmarks/results/torture.json`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.figures import Figure, figure, write_beside
from benchmarks.torture.world import config_of, lay_out
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.stages.whole_run import run_here

COMMAND = "python -m benchmarks.verifying"
COMPARED = {
    "inputs": ("mixval.storage.held.digest_of",),
    "artifacts": ("mixval.storage.commit.streamed_damage", "mixval.storage.commit.content_damage"),
    "published": ("mixval.publish.publication.content_sha256", "mixval.publish.stored_run.content_sha256"),
}
"""What is compared -> the functions that hash it."""


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Processor seconds within `COMPARED`, by what is compared, of all threads."""
    seconds = dict.fromkeys(COMPARED, 0.0)

    def timed(kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*given: Any) -> Any:
            began = time.thread_time()
            try:
                return call(*given)
            finally:
                seconds[kind] += time.thread_time() - began

        return measured

    with ExitStack() as patches:
        for kind, names in COMPARED.items():
            for name in names:
                module, _, function = name.rpartition(".")
                call = getattr(__import__(module, fromlist=[function]), function)
                patches.enter_context(patch(name, timed(kind, call)))
        yield seconds


def measured(name: str, config: ValuationConfig) -> list[Figure]:
    """A run's processor seconds, and the share of each comparison."""
    began = time.process_time()
    with counted() as seconds:
        run_here(config)
    whole = time.process_time() - began
    shares = [figure(f"verifying/{name}/{kind}", 100 * one / whole, "-", "%", COMMAND) for kind, one in seconds.items()]
    total = figure(f"verifying/{name}/all", 100 * sum(seconds.values()) / whole, "<= 1", "%", COMMAND)
    return [figure(f"verifying/{name}/run", whole, "-", "CPU s", COMMAND), *shares, total]


def _tiny(folder: Path) -> ValuationConfig:
    lay_out(folder)
    return config_of(folder, folder / "out", "sketched")


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description="The cost of comparing with digests.")
    parser.add_argument("--config", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = _tiny(Path(folder)) if given.config is None else load_config(given.config)
        config = config.model_copy(update={"output": str(Path(folder) / "out")})
        damped = config.model_copy(update={"value": config.value.model_copy(update={"damping": 0.7})})
        figures = [*measured("first", config), *measured("standing", damped), *measured("up to date", damped)]
    write_beside("torture", figures, COMMAND)


if __name__ == "__main__":
    main()
