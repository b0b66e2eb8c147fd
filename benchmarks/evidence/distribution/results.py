"""What is stored of a world of the distribution, small enough for the repository: truth, scores and planted facts.

One file a world, WORLD.json: lists in the order of `names`, numbers to seven digits. Every statistic is made from these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError, model_validator

from benchmarks.evidence.distribution.catalogue import ListedWorld, Role
from mixval.config.base import FrozenModel
from mixval.config.tasks import Task
from mixval.errors import ContractError
from mixval.evidence.agreement import seed_agreement
from mixval.terms.arrays import Floats

HEADLINE = "log-likelihood/early-stopping"
"""The form of truth that values in nats are judged by first, fixed before any was measured."""
FORMS = (HEADLINE, "log-likelihood/planned-steps", "accuracy/early-stopping", "accuracy/planned-steps")
"""What is measured on the test set, and whether training stops by held-out rows. Causal models have no accuracy."""
DIGITS = 7
FACTS = ("n_rows", "real_share", "n_noisy", "n_shared", "n_near_copy", "n_copy")


class DistributionResult(FrozenModel):
    """One world."""

    world: str
    dataset: str
    backbone: str
    design: str
    role: Role
    seed: int
    is_pretrained: bool
    task: Task
    cluster: str
    """Worlds of one are resampled together."""
    names: list[str]
    """(K,) contributors."""
    rows: list[str]
    """(K,) digests of their rows."""
    training: str
    """Fingerprint of what was trained and tested, but for contributors' rows."""
    truth: dict[str, list[list[float]]]
    """Form -> seed -> (K,)."""
    truth_seconds: float
    facts: dict[str, list[float]]
    """Planted amounts and counts, (K,) each."""
    scores: dict[str, list[float]]
    """Method -> (K,)."""
    revisions: dict[str, int]
    """Of the methods with scores: those of another one are out of date."""
    seconds: dict[str, float]
    """Processor seconds of each method."""
    skipped: dict[str, str] = {}
    """Method -> why it has no scores."""

    @model_validator(mode="after")
    def _of_all(self) -> DistributionResult:
        of_seeds = [own for seeds in self.truth.values() for own in seeds]
        lengths = {len(self.rows), *map(len, (*self.scores.values(), *self.facts.values(), *of_seeds))}
        if lengths != {len(self.names)} or len(self.names) < 2 or not self.truth:
            raise ValueError("`truth`, `scores`, `facts` and `rows` must hold a number for each of at least two contributors")
        return self

    def mean_truth(self, form: str) -> Floats:
        """(K,) mean over seeds."""
        mean: Floats = np.array(self.truth[form], dtype=np.float64).mean(0)
        return mean

    def agreement(self, form: str) -> float:
        """Spearman between two trainings, mean over pairs of seeds."""
        return float(seed_agreement(np.array(self.truth[form])).mean_pairwise)


def facts_of(facts: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """What was counted in each contributor's rows, and how strongly it is shifted; what nobody has is left out."""
    found = {name: [float(one[name]) for one in facts] for name in FACTS}
    found["shift"] = [float(one["planting"]["shift"]) for one in facts]
    found["n_groups"] = [float(one["planting"]["n_synthetic_groups"] or 0) for one in facts]
    return {name: values for name, values in found.items() if any(values)}


def result_file(folder: Path, world: ListedWorld) -> Path:
    """Where the world's result is stored."""
    return folder / f"{world.name}.json"


def write(result: DistributionResult, file: Path) -> None:
    """Store a result, one entry a line."""
    held = _rounded(result.model_dump(mode="json"))
    lines = [f" {json.dumps(name)}: {_entry(value)}" for name, value in held.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read(file: Path) -> DistributionResult:
    """A stored result. Raises ContractError for a file that is none."""
    try:
        return DistributionResult.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ContractError(f"{file}: expected the result of a world: {error}. Measure the world again.") from error


def read_all(folder: Path) -> list[DistributionResult]:
    """All results below `folder`, by name. Raises ContractError for none."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise ContractError(f"{folder}: expected results of worlds, WORLD.json, found none. Measure a world into it first.")
    return [read(file) for file in files]


def _entry(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value)
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(own)}" for name, own in value.items()) + "\n }"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(own) for name, own in value.items()}
    return [_rounded(own) for own in value] if isinstance(value, list) else value
