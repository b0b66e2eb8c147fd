"""What values of parts, mixtures and groups cost beside the pass that they follow from, in CPU seconds of one process.

    python -m benchmarks.parts_cost

The contributors of `examples/images` at their own settings, grouped by label: a run without groups, then with them, each in an
output of its own; of the second the values of parts and of groups are made once more, by themselves.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, figure, write_beside
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.stages.account import Account
from mixval.stages.in_process import InProcess
from mixval.stages.steps import Step
from mixval.stages.whole_run import FinishedRun, run_stages

COMMAND = "python -m benchmarks.parts_cost"
EXAMPLE = Path(__file__).parents[1] / "examples" / "images" / "config.yaml"
GROUPED_BY = "label"
"""Ten groups, of both parts."""


class Timed(InProcess):
    """Makes a run's artifacts in this process, and counts the CPU seconds of each of its stages."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.seconds: dict[str, float] = {}

    def measure(self, *arguments: Any, **named: Any) -> dict[str, str]:
        """As of a run."""
        return self._timed("measure", lambda: InProcess.measure(self, *arguments, **named))

    def make_all(self, stage: str, steps: Sequence[Step]) -> str | None:
        """As of a run."""
        return self._timed(stage, lambda: InProcess.make_all(self, stage, steps))

    def _timed(self, stage: str, call: Callable[[], Any]) -> Any:
        began = time.process_time()
        found = call()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - began
        return found


def seconds(config: ValuationConfig) -> dict[str, float]:
    """Stage -> CPU seconds of a whole run."""
    maker = Timed()
    run = run_stages(config, maker, Account())
    if not isinstance(run, FinishedRun) or isinstance(run.groups, str) or isinstance(run.mixtures, str):
        raise RuntimeError(f"expected a run with values of parts and groups, found {run}")
    return maker.seconds


def main() -> None:
    """Measure and store."""
    example = load_config(str(EXAMPLE))
    found: dict[str, dict[str, float]] = {}
    for name, groups in (("plain", []), ("grouped", [GROUPED_BY])):
        with tempfile.TemporaryDirectory() as out:
            value = example.value.model_copy(update={"groups": groups, "coalitions": 0})
            found[name] = seconds(example.model_copy(update={"output": out, "value": value}))
            print(name, found[name], flush=True)
    plain, grouped = found["plain"], found["grouped"]
    shares = {
        "parts_cost/mixtures": plain["mixtures"] / plain["measure"],
        "parts_cost/groups/pass": grouped["measure"] / plain["measure"],
        "parts_cost/groups/values": grouped["groups"] / plain["measure"],
    }
    figures: list[Figure] = [figure(name, share, "-", "ratio", COMMAND) for name, share in shares.items()]
    figures.append(figure("parts_cost/pass", plain["measure"], "-", "seconds", COMMAND))
    write_beside("engine", figures, COMMAND)


if __name__ == "__main__":
    main()
