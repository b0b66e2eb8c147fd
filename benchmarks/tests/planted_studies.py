"""Studies and attacks with known results: a switch that knows the truth, subsets that near all rows, attacks that work."""

from __future__ import annotations

import numpy as np

from benchmarks.evidence.attacks.results import AttackResult, Change, WorldAttacks
from benchmarks.evidence.studies.results import (
    AblationResult,
    Candidate,
    StabilityResult,
    SwitchAgreement,
    ablate,
    agreements,
)
from benchmarks.evidence.studies.stability import COUNTS_OF_ALL
from benchmarks.evidence.studies.subsets import READ
from mixval.evidence.results import SkippedMethod

K = 16
NAMES = [f"c{at:02d}" for at in range(K)]
QUALITY = np.random.default_rng(1).permutation(np.linspace(0.2, 0.8, K))
TRUTH = {name: [value, value + 0.01] for name, value in zip(NAMES, QUALITY, strict=True)}
HOSTILE = "<script>alert(1)</script>\"'&$x^2$ \u202e\U0001f4a3 "


def scored(noise: float, seed: int = 0) -> dict[str, float]:
    values = QUALITY + noise * np.random.default_rng(seed).normal(size=K)
    return dict(zip(NAMES, values.tolist(), strict=True))


def planted_ablation(world: str = "pixels", name: str = "knows the truth") -> AblationResult:
    candidates = [
        Candidate(name=name, group="terms", scores=scored(0.0)),
        Candidate(name="as it was", group="ntk", settings={"ntk": {"damping": 0.01}}, scores=scored(0.4)),
        Candidate(name="backwards", group="ntk", scores={one: -value for one, value in scored(0.0).items()}),
    ]
    skipped = [SkippedMethod(method="exact", reason="does not fit")]
    found = ablate(world, "eq8-equal-z", scored(0.4), candidates, TRUTH, {}, skipped, "measure it", n_resamples=500)
    return AblationResult(world=world, task="image-classification", truth=TRUTH, ablations=[found])


def planted_stability(world: str = "pixels", method: str = "ntk-regression") -> StabilityResult:
    rankings = {
        n: np.stack([QUALITY + 5 / n * np.random.default_rng(seed).normal(size=K) for seed in range(3)]) for n in (100, 400)
    }
    subsets = agreements(method, READ, rankings, QUALITY, QUALITY)
    subsets += agreements("eq8-equal-z", COUNTS_OF_ALL, {n: -own for n, own in rankings.items()}, QUALITY)
    return StabilityResult(
        world=world,
        task="image-classification",
        n_rows=dict.fromkeys(NAMES, 900),
        target_rows=1000,
        subsets=subsets,
        switches=[SwitchAgreement(switch="lambda", setting="0.1", kendall=0.87)],
        command="measure it too",
    )


def planted_attacks(world: str = "pixels", n_seeds: int = 2) -> WorldAttacks:
    """Copies of the target, which the gate rejects; disguised ones, which nothing notices; and padding, which gains nothing."""
    attacks = [
        _attack("copy-target", 5, {"target_overlap_share": "reject"}, n_seeds),
        _attack("copy-target-altered", 4, {}, n_seeds),
        _attack("pad-altered", 0, {}, n_seeds),
    ]
    return WorldAttacks(
        world=world,
        task="image-classification",
        n_contributors=K,
        n_seeds=n_seeds,
        ours="ntk-regression",
        methods=["ntk-regression", "loss"],
        strengths={one.attack: 0.5 for one in attacks},
        honest_near={"target": 0.0, "others": 0.0},
        attacks=attacks,
        command="measure the attacks",
    )


def _attack(name: str, gain: int, checks: dict[str, str], n_seeds: int) -> AttackResult:
    own = Change(before=-2.0, after=-2.0 + 0.1 * gain, rank_before=8, rank_after=8 - gain)
    still = Change(before=0.5, after=0.5, rank_before=8, rank_after=8)
    return AttackResult(
        attack=name,
        contributor="c03",
        n_before=100,
        n_after=150,
        scores={"ntk-regression": own, "loss": still},
        truth=still if n_seeds else None,
        beside=(0.5, 0.5) if n_seeds and name == "copy-target" else None,
        verdict="rejected" if checks else "admitted",
        checks=checks,
        after_gate={} if checks else {"ntk-regression": own, "loss": still},
        coalitions={},
        near={"target": 0.33 if name == "copy-target" else 0.0, "others": 0.33 if name == "copy-target-altered" else 0.0},
        near_before={"target": 0.0, "others": 0.0},
        after_near={"ntk-regression": still, "loss": still},
    )
