"""Seconds that `mixval plan` says over those that measuring takes: `python -m benchmarks.plan_seconds [EXAMPLE ...]`.

Of the examples with images and with reviews: the demo's first, and a text run. Each is planned, then valued into an empty
output. Adds figures to `benchmarks/results/first_evening.json`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, figure, write_by_name
from examples.demo import EXAMPLES as NAMES
from mixval.config.load import load_config
from mixval_flows.front import plan_valuation, run_valuation

COMMAND = "python -m benchmarks.plan_seconds"
EXAMPLES = Path(__file__).parents[1] / "examples"
SHOWN = ("images", "reviews")


def measured(name: str) -> list[Figure]:
    """Planned seconds, measured seconds, and their ratio for one example."""
    with tempfile.TemporaryDirectory() as output:
        config = load_config(EXAMPLES / name / "config.yaml").model_copy(update={"output": output})
        planned = plan_valuation(config).plan.measure_seconds
        took = run_valuation(config).timings_seconds["measure"]
    return [
        figure(f"plan_seconds/{name}", planned, "-", "seconds", COMMAND),
        figure(f"measure_seconds/{name}", took, "-", "seconds", COMMAND),
        figure(f"plan_seconds_over_measured/{name}", planned / took, "0.5 to 2", "1", COMMAND),
    ]


if __name__ == "__main__":
    chosen = sys.argv[1:] or SHOWN
    if unknown := set(chosen) - set(NAMES):
        sys.exit(f"expected examples of {', '.join(NAMES)}, found {', '.join(unknown)}")
    write_by_name("first_evening", [one for name in chosen for one in measured(name)])
