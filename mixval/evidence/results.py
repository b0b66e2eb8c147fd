"""Results of every method on one world, stored as JSON: all that tables and plots need, without a model or a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field, ValidationError, model_validator

from mixval.config.base import FrozenModel
from mixval.config.tasks import Task
from mixval.errors import ContractError
from mixval.evidence.agreement import seed_agreement
from mixval.evidence.baselines.method import Need, Scores
from mixval.evidence.bootstrap import N_RESAMPLES, Interval, Picks, interval, resampled, resamples
from mixval.evidence.comparison_statistics import STATISTICS, of_world
from mixval.storage.layout import safe_name
from mixval.storage.root import Location
from mixval.terms.arrays import Floats

FILE = "results.json"


class MethodResult(FrozenModel):
    """One method in one world."""

    world: str
    method: str
    scores: dict[str, float]
    """Contributor -> score, higher is better, in the method's own units."""
    statistics: dict[str, Interval]
    """`spearman`, `kendall`, `pearson` and `top_regret` between the scores and the mean truth over seeds."""
    seconds: float = Field(ge=0)
    """As `Scores.seconds`."""
    peak_bytes: int = Field(ge=0)
    needs: list[Need]
    note: str = ""
    """What scores depend on besides the world itself, where they do."""


class SkippedMethod(FrozenModel):
    """A method that gave no scores."""

    method: str
    reason: str


class WorldResult(FrozenModel):
    """One world: its truth, and every method that applies to it with its scores or the reason why it has none."""

    world: str
    task: Task
    truth: dict[str, list[float]]
    """Contributor -> metric of each seed, higher is better."""
    truth_seconds: float = Field(ge=0)
    """Thread seconds of all trainings."""
    methods: list[MethodResult]
    skipped: list[SkippedMethod] = []
    without_truth: list[str] = []
    """Contributors without truth."""
    without_value: dict[str, str] = {}
    """Contributors that have truth but no value, each with the reason: left out of all rankings."""
    rows: dict[str, str] = {}
    """Contributor -> digest of its files, so that worlds with a contributor in common are known. Empty: unknown."""
    command: str = ""
    """What measured it."""

    @model_validator(mode="after")
    def _same_contributors(self) -> WorldResult:
        if len(self.truth) < 2 or len({len(seeds) for seeds in self.truth.values()}) != 1 or not all(self.truth.values()):
            raise ValueError("`truth` must hold the same seeds for each of at least two contributors")
        for one in self.methods:
            if one.world != self.world or one.scores.keys() != self.truth.keys():
                raise ValueError(f"method {one.method!r} must score the contributors of {self.world!r}, no more and no fewer")
        named = [*(one.method for one in self.methods), *(one.method for one in self.skipped)]
        if len(set(named)) != len(named):
            raise ValueError("every method may stand once among `methods` and `skipped`")
        return self

    @property
    def names(self) -> list[str]:
        """(K,) contributors, sorted."""
        return sorted(self.truth)

    @property
    def mean_truth(self) -> Floats:
        """(K,) mean over seeds."""
        return np.array([np.mean(self.truth[name]) for name in self.names])

    @property
    def agreement(self) -> float | None:
        """Mean Spearman between two seeds of truth. None for one seed, or constant truth."""
        found = seed_agreement(np.array([self.truth[name] for name in self.names]).T).mean_pairwise
        return float(found) if np.isfinite(found) else None

    @property
    def ceiling(self) -> float | None:
        """Spearman that a ranking by the expected truth would reach (`agreement.py`). None for one seed, or flat truth."""
        found = seed_agreement(np.array([self.truth[name] for name in self.names]).T).ceiling
        return float(found) if np.isfinite(found) else None

    def scores_of(self, method: str) -> Floats:
        """(K,) scores in the order of `names`. Raises ContractError for a method without any."""
        for one in self.methods:
            if one.method == method:
                return np.array([one.scores[name] for name in self.names])
        raise ContractError(
            f"world {self.world!r}: expected scores of {method!r}, found {', '.join(one.method for one in self.methods)}. "
            "Rank the world with it too."
        )

    def picks(self, n: int = N_RESAMPLES, seed: int = 0) -> Picks:
        """(B, K) the resamples that all methods of this world share."""
        return resamples(self.world, len(self.truth), n, seed)


def method_result(
    world: str, method: str, scores: Scores, names: Sequence[str], truth: Mapping[str, Sequence[float]]
) -> MethodResult:
    """The scores of `names`, in that order, compared with the mean truth of each."""
    order = np.argsort(names, kind="stable")
    ours, mean = scores.values[order], np.array([np.mean(truth[names[at]]) for at in order])
    picks = resamples(world, len(names))
    statistics = {name: interval(of_world(name, ours, mean), resampled(name, ours, mean, picks)) for name in STATISTICS}
    return MethodResult(
        world=world,
        method=method,
        scores={name: float(value) for name, value in zip(names, scores.values, strict=True)},
        statistics=statistics,
        seconds=scores.seconds,
        peak_bytes=scores.peak_bytes,
        needs=sorted(scores.needs),
    )


def write_result(result: WorldResult, folder: Location) -> Location:
    """Store the world's results below `folder` and return the folder of the world."""
    world = folder.child(safe_name(result.world))
    world.child(FILE).write_bytes((result.model_dump_json(indent=1) + "\n").encode())
    return world


def read_result(world: Location) -> WorldResult:
    """What `write_result` has stored in a world's folder. Raises ContractError for a file that is none."""
    return _parse(world.child(FILE))


def read_results(folder: Location) -> list[WorldResult]:
    """All worlds with results below `folder`, by name. Raises ContractError for none, or for a file that is not one."""
    found = stored_results(folder)
    if not found:
        raise ContractError(f"{folder.url}: expected WORLD/{FILE}, found none. Measure a world into this folder first.")
    return found


def stored_results(folder: Location) -> list[WorldResult]:
    """The same, and an empty list for none."""
    worlds = [folder.child(name) for name in sorted(folder.folders())]
    return [read_result(world) for world in worlds if world.child(FILE).exists()]


def _parse(file: Location) -> WorldResult:
    try:
        return WorldResult.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ContractError(f"{file.url}: expected the results of a world: {error}. Measure the world again.") from error
