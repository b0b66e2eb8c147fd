"""The ways to the NTK term from one Gram matrix: how far off, what they state, and what they cost.

    python -m benchmarks.ntk_methods WORKLOAD ROWS

`exact` is a Cholesky factor of all rows. `iterative` and `nystroem` (a quarter of the rows as landmarks, and all but a tenth)
take the same matrix, and state bounds. `extrapolated` sees a quarter of the rows, 256 at least, in seeded order, and is carried
on to all; `term_of` is the term of those rows. Residual 1 - f, relative damping 0.01. Prints one JSON line a method: relative
error of the term, the error that it states, CPU seconds of the solve, beside those of the gradients and their Gram matrix.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.workloads import workload
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.extrapolate import extrapolated, nested_terms
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.iterative import iterated_quadratic_form
from mixval.terms.ntk.nystroem import nystroem_quadratic_form
from mixval.terms.ntk.quadratic import quadratic_form

DAMPING = 1e-2
FEWEST = 256
"""Rows that five nested sizes need."""
Solved = tuple[float, float]
"""The term, and the error that is stated for it."""


def methods(theta: np.ndarray, residual: np.ndarray) -> dict[str, Callable[[], Solved]]:
    """By name, what gives the term of all n rows."""
    n = len(residual)
    rounding = float(np.finfo(np.float32).eps) * float(np.mean(np.diag(theta)))
    quarter, seen = n // 4, max(FEWEST, n // 4)

    def iterative() -> Solved:
        form = iterated_quadratic_form(theta, residual, DAMPING, rounding=rounding)
        return form.term, form.term_error

    def nystroem(landmarks: int) -> Solved:
        form = nystroem_quadratic_form(theta, residual, DAMPING, n_landmarks=landmarks, rounding=rounding)
        return form.term, form.term - form.term_lower

    def carried_on() -> Solved:
        nested = nested_terms(theta[:seen, :seen], residual[:seen], DAMPING)
        form = extrapolated(nested.sizes, nested.terms, n)
        return form.term, form.standard_error

    return {
        "exact": lambda: (quadratic_form(theta, residual, DAMPING).term, 0.0),
        "iterative": iterative,
        f"nystroem_{quarter}": lambda: nystroem(quarter),
        f"nystroem_{n * 9 // 10}": lambda: nystroem(n * 9 // 10),
        f"extrapolated_from_{seen}": carried_on,
        f"term_of_{seen}": lambda: (quadratic_form(theta[:seen, :seen], residual[:seen], DAMPING).term, 0.0),
    }


def main() -> None:
    """Measure one workload and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload")
    parser.add_argument("rows", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = workload(given.workload, given.rows)
    began = time.process_time()
    taken = capture(work.module, work.names, work.scalar, work.batches(given.rows))
    theta = gram_block(taken, taken).numpy()
    gram_seconds = time.process_time() - began
    order = np.random.default_rng(0).permutation(given.rows)  # files are sorted by contributor
    theta, residual = theta[np.ix_(order, order)], (1 - taken.outputs).numpy()[order]
    exact = quadratic_form(theta, residual, DAMPING).term
    for name, solve in methods(theta, residual).items():
        began = time.process_time()
        term, stated = solve()
        told: dict[str, Any] = {"workload": given.workload, "rows": given.rows, "method": name}
        told |= {"term_error": _short(term / exact - 1), "stated_error": _short(stated / exact)}
        told |= {"seconds": _short(time.process_time() - began), "gram_seconds": _short(gram_seconds)}
        print(json.dumps(told), flush=True)


def _short(value: float) -> float:
    return float(f"{value:.3g}")


if __name__ == "__main__":
    main()
