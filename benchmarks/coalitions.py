"""Values of 1,000 coalitions of 50 contributors from their statistics alone, q = 2,048.

    python -m benchmarks.coalitions [--contributors 50] [--features 2048] [--coalitions 1000] [--classes C]

Features are seeded noise with a power-law spectrum, rotated by contributor; prefixes of random orders, as Shapley sampling
asks for them. By the NTK term of Eq. 8 or, with `--classes`, by NTK regression over so many. Prints JSON: wall seconds, and the
largest relative error of the term, or of the value, against a float64 solve on a few.
"""

from __future__ import annotations

import argparse
import json
import math
import time

import numpy as np
from scipy import linalg

from mixval.config.tasks import LABEL_DAMPING
from mixval.seeds import generator
from mixval.terms.ntk.objective import TargetObjective, lengths
from mixval.valuation.ntk_coalitions import NtkCoalitions
from mixval.valuation.regression_coalitions import RegressionGame, RegressionSums

DAMPING, ROWS, CHECKED = 1e-2, 200, 5
TARGET_ROWS = 500


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


def by_regression(n_contributors: int, q: int, n_coalitions: int, n_classes: int) -> dict[str, float]:
    """Values of coalitions by NTK regression, timed and held against solves in float64."""
    spectrum, draw = np.arange(1, q + 1) ** -0.5, generator(0, "coalitions", "classes")
    centres = 0.3 * draw.standard_normal((n_classes, q)) * spectrum
    gram, cross = np.empty((n_contributors, q, q), dtype=np.float32), np.empty((n_contributors, q, n_classes))
    for k in range(n_contributors):
        labels = draw.integers(0, n_classes, ROWS)
        features = centres[labels] + draw.standard_normal((ROWS, q)) * spectrum
        gram[k], cross[k] = features.T @ features, features.T @ np.eye(n_classes)[labels]
    of_target = draw.integers(0, n_classes, TARGET_ROWS)
    phi_t = centres[of_target] + draw.standard_normal((TARGET_ROWS, q)) * spectrum
    objective = TargetObjective(labels=of_target, n_classes=n_classes, norms=lengths(phi_t))
    rows = np.full(n_contributors, ROWS)
    game = RegressionGame(RegressionSums(rows, rows, gram, cross), phi_t, objective, LABEL_DAMPING)
    orders, values = list[np.ndarray](), list[float]()
    began = time.perf_counter()
    while len(values) < n_coalitions:
        orders.append(draw.permutation(n_contributors))
        values += list(game.prefixes(orders[-1][:-1]))
    seconds, worst = time.perf_counter() - began, 0.0
    for size in range(1, n_contributors, max(1, n_contributors // CHECKED)):
        members = orders[0][:size]
        total, c = gram[members].sum(0, dtype=np.float64), cross[members].sum(0)
        mean = c.sum(1) / (ROWS * size)
        shift = LABEL_DAMPING * (np.trace(total) / (ROWS * size) - mean @ mean)
        exact = objective.value(phi_t @ linalg.solve(total + shift * np.eye(q), c, assume_a="pos"))
        worst = max(worst, abs(values[size - 1] / exact - 1))
    return {"coalitions": len(values), "seconds": round(seconds, 2), "worst_relative_error": worst}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--contributors", type=int, default=50)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--coalitions", type=int, default=1000)
    parser.add_argument("--classes", type=int, help="of NTK regression; Eq. 8 without")
    given = parser.parse_args()
    if given.classes is not None:
        print(json.dumps(by_regression(given.contributors, given.features, given.coalitions, given.classes)))
        return
    gram, cross, square = statistics(given.contributors, given.features)
    held = NtkCoalitions(np.full(given.contributors, ROWS), gram, cross, square, DAMPING)
    draw, terms, orders = generator(0, "orders"), list[float](), list[np.ndarray]()
    began = time.perf_counter()
    while len(terms) < given.coalitions:
        orders.append(draw.permutation(given.contributors))
        terms += [coalition.term for coalition in held.prefixes(orders[-1][:-1])]  # all together are the same in every order
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
