"""The gradient step against one plain forward and backward pass over the same rows, in one process, on one thread, in turn.

    python -m benchmarks.pass_ratio WORKLOAD ROWS [exact] [--repeats 3]

Plain: f summed over a batch, gradients of all weights, thrown away batch by batch. Sketched: `sketch` with q features a row,
under a plan that a run makes once for all contributors, and without the four rows that a run verifies once. Exact: the kernel
of all rows by groups of layers, 2 GiB of gradients at a time. Prints JSON: CPU seconds of each repeat (other processes on the
machine do not count), ratios, their median, and the peak resident bytes that the step added.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.workloads import Workload, workload
from mixval.telemetry.peak import peak_bytes
from mixval.terms.ntk.groups import layer_groups
from mixval.terms.ntk.kernel import exact_kernel, weight_bytes
from mixval.terms.ntk.sketch import fast_products, plan_sketch, sketch

WIDTH = 2048
"""q: the default of a run."""
BUDGET_BYTES = 2 * 2**30
Step = Callable[[Workload, int], None]


def plain_pass(work: Workload, n: int) -> None:
    """Forward and backward over n rows."""
    for batch in work.batches(n):
        work.module.zero_grad(set_to_none=True)
        torch.autograd.backward(work.scalar(batch).sum())
    work.module.zero_grad(set_to_none=True)


def sketched_pass(work: Workload) -> Step:
    """Sketches of n rows, under one plan."""
    plan = plan_sketch(
        work.module, work.names, work.scalar, next(work.batches(4)), WIDTH, 0, fast_products(torch.device("cpu"))
    )

    def step(work: Workload, n: int) -> None:
        sketch(work.module, plan, work.scalar, work.batches(n), verify=False)

    return step


def exact_pass(work: Workload, n: int) -> None:
    """The exact kernel of n rows within the budget."""
    sizes = weight_bytes(work.module, work.names, work.scalar, next(work.batches(4)))
    groups = layer_groups(sizes, n, BUDGET_BYTES)
    exact_kernel(work.module, groups, work.scalar, lambda start: work.batches(n, start), n, BUDGET_BYTES, verify=False)


def seconds(step: Step, work: Workload, n: int) -> float:
    """CPU seconds of one step."""
    began = time.process_time()
    step(work, n)
    return time.process_time() - began


def main() -> None:
    """Measure one workload and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload")
    parser.add_argument("rows", type=int)
    parser.add_argument("form", nargs="?", choices=["sketched", "exact"], default="sketched")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = workload(given.workload, given.rows)
    step = exact_pass if given.form == "exact" else sketched_pass(work)
    plain_pass(work, work.batch_rows)  # warm: allocator, kernels
    step(work, work.batch_rows)
    plains, steps = [], []
    plains.append(seconds(plain_pass, work, given.rows))
    before = peak_bytes()
    for _ in range(given.repeats):
        steps.append(seconds(step, work, given.rows))
        plains.append(seconds(plain_pass, work, given.rows))
    # Each step between two plain passes: a drift of the machine's speed cancels.
    ratios = [one / ((a + b) / 2) for one, a, b in zip(steps, plains[:-1], plains[1:], strict=True)]
    print(
        json.dumps(
            {
                "workload": given.workload,
                "form": given.form,
                "rows": given.rows,
                "weights": work.n_weights,
                "plain_seconds": [round(s, 3) for s in plains],
                "step_seconds": [round(s, 3) for s in steps],
                "ratios": [round(r, 3) for r in ratios],
                "ratio": round(statistics.median(ratios), 3),
                "added_bytes": peak_bytes() - before,
            }
        )
    )


if __name__ == "__main__":
    main()
