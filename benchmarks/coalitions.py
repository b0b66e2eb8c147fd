"""Values of 1,000 coalitions of 50 contributors from their statistics alone, q = 2,048.

    python -m benchmarks.coalitions [--contributors 50] [--features 2048] [--coalitions 1000]

Features are seeded noise with a power-law spectrum, rotated by contributor; prefixes of random orders, as Shapley sampling
asks for them. Prints JSON: wall seconds, and the largest relative error of the term against a float64 solve on a few.
"""

from __future__ import annotations

import argparse
import json
import math
import time

import numpy as np
from scipy import linalg

from mixval.seeds import generator
from mixval.valuation.coalitions import NtkCoalitions

DAMPING, ROWS, CHECKED = 1e-2, 200, 5


def statistics(n_contributors: int, q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K, q, q) float32 Phi'Phi, (K, q) Phi'r and (K,) r'r."""
    gram = np.empty((n_contributors, q, q), dtype=np.float32)
    cross, square = np.empty((n_contributors, q)), np.empty(n_contributors)
    spectrum = np.arange(1, q + 1) ** -0.5
    for k in range(n_contributors):
        draw = generator(0, "coalitions", k)
        features = draw.standard_normal((ROWS, q)) * spectrum[draw.permutation(q)]
        residual = 1 + 0.1 * draw.standard_normal(ROWS)
        gram[k], cross[k], square[k] = features.T @ features, features.T @ residual, residual @ residual
    return gram, cross, square


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--contributors", type=int, default=50)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--coalitions", type=int, default=1000)
    given = parser.parse_args()
    gram, cross, square = statistics(given.contributors, given.features)
    held = NtkCoalitions(np.full(given.contributors, ROWS), gram, cross, square, DAMPING)
    draw, terms, orders = generator(0, "orders"), list[float](), list[np.ndarray]()
    began = time.perf_counter()
    while len(terms) < given.coalitions:
        orders.append(draw.permutation(given.contributors))
        terms += [union.term for union in held.prefixes(orders[-1][:-1])]  # all together are the same in every order
    seconds = time.perf_counter() - began
    worst = 0.0
    for size in range(1, given.contributors, max(1, given.contributors // CHECKED)):
        members = orders[0][:size]
        total, c = gram[members].sum(0, dtype=np.float64), cross[members].sum(0)
        shift = DAMPING * np.trace(total) / (ROWS * size)
        x = linalg.solve(total + shift * np.eye(given.features), c, assume_a="pos")
        exact = math.sqrt((square[members].sum() - c @ x) / shift / (ROWS * size))
        worst = max(worst, abs(terms[size - 1] / exact - 1))
    print(json.dumps({"coalitions": len(terms), "seconds": round(seconds, 2), "worst_relative_error": worst}))


if __name__ == "__main__":
    main()
