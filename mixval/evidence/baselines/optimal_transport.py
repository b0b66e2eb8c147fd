"""Class-wise optimal transport between a contributor and T, as LAVA values data sets (Just et al., ICLR 2023).

Letters: N rows of a contributor; M of T; y classes. Rows are points (x, y); the cost of moving one into another is

    |x - x'|^2 + W(y, y'),    W(y, y') the squared 2-Wasserstein distance between the contributor's features of class y
                              and T's of class y' (Alvarez-Melis and Fusi, OTDD, NeurIPS 2020)

Classes are compared by their features alone, so permuted labels do not change the distance. The distance is exact
(network simplex), not entropic; features are the frozen backbone's, in units of their root mean square over T. Where a side
has more than `Budget.transport_rows` rows, that many are drawn, nested for one seed.
"""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.inputs import Inputs, Labels
from mixval.seeds import generator
from mixval.terms.arrays import Floats

MOST_ITERATIONS = 10_000_000


def optimal_transport(inputs: Inputs, seed: int) -> Floats:
    """(K,) minus the distances to T, squared feature units."""
    passes, labels, limit = inputs.passes(), inputs.labels(), inputs.budget.transport_rows
    scale = float(np.sqrt((passes.target.features**2).sum(axis=1).mean())) or 1.0

    def sample(features: Floats, own: Labels, name: str) -> tuple[Floats, Labels]:
        chosen = generator("baselines", "transport", seed, name).permutation(len(own))[:limit]
        return features[chosen] / scale, own[chosen]

    target = sample(passes.target.features, labels.target, "T")
    pairs = zip(inputs.contributors, passes.contributors, labels.contributors, strict=True)
    return -np.array([class_wise_distance(*sample(own.features, y, one.name), *target) for one, own, y in pairs])


def class_wise_distance(
    x: Floats,  # (N, D)
    y: Labels,  # (N,)
    of_target: Floats,  # (M, D)
    target_labels: Labels,  # (M,)
) -> float:
    """The class-wise distance, rows of a side weighing the same. Raises ConfigError without POT."""
    points = _squared_distances(x, of_target)
    seen, places = np.unique(y, return_inverse=True)
    known, target_places = np.unique(target_labels, return_inverse=True)
    between = np.array([[_transport(points[np.ix_(y == a, target_labels == b)]) for b in known] for a in seen])
    return _transport(points + between[places][:, target_places])


def _transport(costs: Floats) -> float:
    """The least mean cost of moving one uniform measure into the other."""
    if min(costs.shape) == 1:
        return float(costs.mean())
    ot = optional("ot")
    n, m = costs.shape
    return float(ot.emd2(np.full(n, 1 / n), np.full(m, 1 / m), np.ascontiguousarray(costs), numItermax=MOST_ITERATIONS))


def _squared_distances(x: Floats, y: Floats) -> Floats:
    centre = y.mean(axis=0)
    a, b = x - centre, y - centre
    squared: Floats = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0)
    return squared
