"""The measure stage of the images example on one worker and on two.

    python -m benchmarks.workers [NAME]

Each run computes everything anew below a temporary folder. Prints JSON: seconds of the measure stage, and the speed-up.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from mixval.config.load import load_config
from mixval_flows.front import run_session

EXAMPLES = Path(__file__).parents[1] / "examples"


def measure_seconds(name: str, workers: int) -> float:
    """Seconds of the measure stage with that many workers."""
    config = load_config(EXAMPLES / name / "config.yaml")
    with tempfile.TemporaryDirectory() as output:
        runtime = config.runtime.model_copy(update={"workers": workers})
        config = config.model_copy(update={"output": output, "runtime": runtime})
        with run_session(runtime) as value:
            return value(config, None).timings_seconds["measure"]


def main(name: str) -> None:
    """Measure and print."""
    one, two = (measure_seconds(name, workers) for workers in (1, 2))
    print(json.dumps({"example": name, "one_worker": one, "two_workers": two, "speedup": round(one / two, 3)}))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "images")
