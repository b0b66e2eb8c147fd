"""Results of made-up worlds of the distribution, in which it is known who wins."""

from __future__ import annotations

import numpy as np

from benchmarks.evidence.distribution.catalogue import Role
from benchmarks.evidence.distribution.results import HEADLINE, DistributionResult
from mixval.config.tasks import Task

K = 6
NAMES = [f"c{k}" for k in range(K)]
TRUTH = [float(k) for k in range(K)]


def planted(
    world: str,
    scores: dict[str, list[float]],
    *,
    cluster: str = "",
    design: str = "noise",
    role: Role = "judged",
    task: Task = "text-classification",
    forms: tuple[str, ...] = (HEADLINE,),
) -> DistributionResult:
    """A world whose truth is in the order of the contributors, by two seeds."""
    noisy = [value + 0.25 * (-1) ** at for at, value in enumerate(TRUTH)]
    return DistributionResult(
        world=world,
        dataset="d",
        backbone="ngrams",
        design=design,
        role=role,
        seed=1,
        is_pretrained=False,
        task=task,
        cluster=cluster or world,
        names=NAMES,
        rows=NAMES,
        training="t",
        truth={form: [TRUTH, noisy] for form in forms},
        truth_seconds=1.0,
        facts={"n_rows": [10.0 + k for k in range(K)]},
        scores=scores,
        revisions=dict.fromkeys(scores, 0),
        seconds=dict.fromkeys(scores, 1.0),
    )


def ordered(rho: float) -> list[float]:
    """Scores with about this Spearman correlation with truth: 1, -1, or some pairs exchanged."""
    scores = np.array(TRUTH)
    if rho == 1:
        return scores.tolist()
    if rho == -1:
        return (-scores).tolist()
    scores[[0, 2]] = scores[[2, 0]]
    return scores.tolist()
