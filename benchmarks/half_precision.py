"""What a bfloat16 backbone does to the NTK term: relative difference from the float32 one, same rows, sketch and seed.

    python -m benchmarks.half_precision WORKLOAD [--rows 128]

Weights rounded to bfloat16, matrix products in bfloat16 with float32 sums, folding in float32, solve in float64. Prints JSON.
"""

from __future__ import annotations

import argparse
import json

import torch

from benchmarks.workloads import Workload, workload
from mixval.terms.ntk.sketch import fast_products, plan_sketch, sketch
from mixval.terms.ntk.sketched import sketched_form
from mixval.terms.ntk.statistics import GradientStatistics

WIDTH, DAMPING = 2048, 1e-2


def term(work: Workload, rows: int) -> float:
    """The NTK term without the sketch's bias."""
    batches = [{key: x.to(_dtype(work)) if x.is_floating_point() else x for key, x in b.items()} for b in work.batches(rows)]
    plan = plan_sketch(
        work.module,
        work.names,
        work.scalar,
        {key: x[:4] for key, x in batches[0].items()},
        WIDTH,
        0,
        fast_products(torch.device("cpu")),
    )
    made = sketch(work.module, plan, work.scalar, batches, verify=False)
    form = sketched_form(GradientStatistics.of(made.features.float(), 1 - made.outputs), DAMPING)
    return form.term if form.extrapolated is None else form.extrapolated


def _dtype(work: Workload) -> torch.dtype:
    return next(work.module.parameters()).dtype


def main() -> None:
    """Measure one workload and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload")
    parser.add_argument("--rows", type=int, default=128)
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = workload(given.workload, given.rows)
    whole = term(work, given.rows)
    work.module.to(torch.bfloat16)
    half = term(work, given.rows)
    print(json.dumps({"workload": given.workload, "rows": given.rows, "float32": whole, "difference": half / whole - 1}))


if __name__ == "__main__":
    main()
