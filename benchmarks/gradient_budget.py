"""Memory of the exact kernel under a byte budget, and what the budget costs in passes: the Llama of 7M weights.

    python -m benchmarks.gradient_budget [--rows 256] [--budget-mib 1024]

One plain forward and backward pass first, so that what a batch takes is not counted as gradients. Prints JSON: the peak
resident bytes that the kernel added, its CPU seconds over those of one plain pass, and the groups of layers.
"""

from __future__ import annotations

import argparse
import json
import time

import torch

from benchmarks.pass_ratio import plain_pass
from benchmarks.workloads import workload
from mixval.telemetry.peak import peak_bytes
from mixval.terms.ntk.groups import layer_groups
from mixval.terms.ntk.kernel import exact_kernel, weight_bytes


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--budget-mib", type=int, default=1024)
    given = parser.parse_args()
    torch.set_num_threads(1)
    work, budget = workload("llama", given.rows), given.budget_mib * 2**20
    began = time.process_time()
    plain_pass(work, given.rows)
    plain, before = time.process_time() - began, peak_bytes()
    sizes = weight_bytes(work.module, work.names, work.scalar, next(work.batches(4)))
    groups = layer_groups(sizes, given.rows, budget)
    began = time.process_time()
    exact_kernel(work.module, groups, work.scalar, lambda start: work.batches(given.rows, start), given.rows, budget, False)
    line = {
        "rows": given.rows,
        "budget_bytes": budget,
        "added_bytes": peak_bytes() - before,
        "all_factors_bytes": given.rows * sum(sizes.values()),
        "groups": len(groups),
        "ratio": round((time.process_time() - began) / plain, 3),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
