"""Held-out errors of fitted scaling laws, coverage of their intervals, breakpoints, and ranks by mixture weights.

    python -m benchmarks.scaling_laws --data FOLDER [--part PART ...]

FOLDER holds `olmo_ladder.csv` (allenai/OLMo-ladder, Apache-2.0), `open_lm.csv` (mlfoundations/scaling, MIT),
`gemstones.csv` (mcleish7/gemstone-scaling-laws, MIT), `repeated_epochs.csv` (IBM/ColPret, MIT) and `regmix_*.csv`
(sail-sg/regmix, MIT). Larger runs are held out, a loss column is a task, and a table's figure is the mean over its tasks: of
OLMo's every third loss, of open_lm's C4 and every sixteenth of the others, which keeps it to minutes. Plain is
`scipy.optimize.curve_fit` on the loss, from one start, in billions. Each part writes its figures to
`benchmarks/results/scaling.json` when it is done, so that parts can be measured apart; `mean` is over what is recorded.
Breakpoints are also judged by piecewise-regression where it is installed: `uv pip install --target PLACE --no-deps
piecewise-regression statsmodels patsy`, and PLACE on PYTHONPATH.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, write_by_name
from benchmarks.scaling_laws.breakpoints import breakpoint_figures
from benchmarks.scaling_laws.mixtures import regmix_figures
from benchmarks.scaling_laws.simulated import simulated_figures
from benchmarks.scaling_laws.tables import TASKS, mean_figures, table_figures

PARTS: dict[str, Callable[[Path], list[Figure]]] = {
    **{table: partial(table_figures, table) for table in TASKS},
    "mean": lambda _: mean_figures(),
    "simulated": lambda _: simulated_figures(),
    "breakpoints": lambda _: breakpoint_figures(),
    "regmix": regmix_figures,
}


def main() -> None:
    """The parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    for part in given.part:
        write_by_name("scaling", PARTS[part](given.data))


if __name__ == "__main__":
    main()
