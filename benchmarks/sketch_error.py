"""What the sketch does to the NTK term: relative error against the exact term over q, for the three kinds of backbone.

    python -m benchmarks.sketch_error WORKLOAD ROWS [--seeds 3]

Root mean square over seeds, of the term as sketched and with the sketch's bias removed (`sketched_form`), beside the root
mean square of what the sketch itself states. Residual 1 - f, relative damping 0.01. Prints one JSON line for each q.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.workloads import Workload, workload
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.terms.ntk.sketch import fast_products, plan_sketch, sketch
from mixval.terms.ntk.sketched import sketched_form
from mixval.terms.ntk.sketched_rows import WORTHWHILE_SHARE, sketched_form_of_rows
from mixval.terms.ntk.statistics import GradientStatistics

WIDTHS = (512, 1024, 2048, 4096, 8192)
DAMPING = 1e-2


def exact_term(work: Workload, n: int) -> float:
    """The NTK term from the exact kernel."""
    taken = capture(work.module, work.names, work.scalar, work.batches(n))
    return quadratic_form(gram_block(taken, taken), 1 - taken.outputs, DAMPING).term


def errors(work: Workload, n: int, width: int, seeds: Sequence[int], exact: float) -> dict[str, float | int | str | None]:
    """Root mean square relative errors at one q."""
    plain, unbiased, stated = [], [], []
    for seed in seeds:
        plan = plan_sketch(
            work.module, work.names, work.scalar, next(work.batches(min(n, 4))), width, seed, fast_products(torch.device("cpu"))
        )
        made = sketch(work.module, plan, work.scalar, work.batches(n))
        residual = 1 - made.outputs
        if n <= WORTHWHILE_SHARE * width:
            form = sketched_form_of_rows(made.features, residual, DAMPING)
        else:
            form = sketched_form(GradientStatistics.of(made.features, residual), DAMPING)
        plain.append(form.term / exact - 1)
        stated.append(form.error / exact)
        if form.extrapolated is not None:
            unbiased.append(form.extrapolated / exact - 1)
    return {
        "workload": work.name,
        "rows": n,
        "q": width,
        "term_error": _root_mean_square(plain),
        "unbiased_error": _root_mean_square(unbiased) if len(unbiased) == len(seeds) else None,
        "stated_error": _root_mean_square(stated),
    }


def _root_mean_square(values: Sequence[float]) -> float:
    return float(f"{np.sqrt(np.mean(np.square(values))):.3g}")


def main() -> None:
    """Print the table of one workload."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload")
    parser.add_argument("rows", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = workload(given.workload, given.rows)
    exact = exact_term(work, given.rows)
    for width in WIDTHS:
        print(json.dumps(errors(work, given.rows, width, range(given.seeds), exact)), flush=True)


if __name__ == "__main__":
    main()
