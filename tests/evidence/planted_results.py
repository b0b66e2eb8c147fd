"""Two small worlds with made-up truth: ours has it in the first, and a rival is ahead in the second."""

from __future__ import annotations

from functools import cache

import numpy as np

from mixval.evidence.baselines.method import Scores
from mixval.evidence.results import SkippedMethod, WorldResult, method_result

K = 12


def planted_world(world: str, noise: dict[str, float], prefix: str = "c") -> WorldResult:
    """A world whose methods see the truth through noise of that strength; below 0: every score the same."""
    random = np.random.default_rng(len(world))
    names = [f"{prefix}{at:02d}" for at in range(K)]
    quality = random.permutation(np.linspace(0.2, 0.8, K))
    truth = {name: (value + 0.02 * random.normal(size=3)).tolist() for name, value in zip(names, quality, strict=True)}
    methods = []
    for method, strength in noise.items():
        values = quality + strength * random.normal(size=K) if strength >= 0 else np.zeros(K)
        scores = Scores(values, 0.5 * len(method), 1000 * len(method), frozenset({"gradients", "features"}))
        methods.append(method_result(world, method, scores, names, truth))
    missing = [SkippedMethod(method="logra", reason="found no 'dattri'. Install it.")]
    return WorldResult(
        world=world, task="image-classification", truth=truth, truth_seconds=90.0, methods=methods, skipped=missing
    )


@cache
def planted_worlds(prefix: str = "c") -> list[WorldResult]:
    """`pixels` and `words`; `trak` has scores in the first alone."""
    clear = {"ntk-regression": 0.0, "ntk-regression-accuracy": 0.02, "size": 3.0, "random": -1.0, "trak": 0.1}
    lost = {"ntk-regression": 0.3, "ntk-regression-accuracy": 0.3, "size": 0.0, "random": -1.0}
    return [planted_world("pixels", clear, prefix), planted_world("words", lost, prefix)]
