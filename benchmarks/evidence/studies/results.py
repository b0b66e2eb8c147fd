"""What two studies of the ranking say, stored as JSON: what each switch does to it, and how few rows give the same one.

    ablation    rankings under configurations that differ from a base in one switch, against truth
    stability   rankings from subsets of rows, other seeds and other settings, against the ranking from all rows

Everything that a table or a plot shows is in the file. Letters: K contributors, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import Field, ValidationError, model_validator

from mixval.config.base import FrozenModel
from mixval.config.tasks import Task
from mixval.errors import ContractError
from mixval.evidence.agreement import seed_agreement
from mixval.evidence.bootstrap import N_RESAMPLES, Interval, holm, interval, resampled, resamples, two_sided_p
from mixval.evidence.comparison_statistics import of_world
from mixval.evidence.results import SkippedMethod
from mixval.storage.layout import safe_name
from mixval.storage.root import Location
from mixval.terms.arrays import Floats

ABLATION, STABILITY = "ablation.json", "stability.json"
STATISTIC = "spearman"
Study = TypeVar("Study", bound=FrozenModel)


class Variant(FrozenModel):
    """A ranking under a configuration, compared with the base's."""

    name: str
    """The switch as configuration writes it, `ntk.output: margin`; or in words, where it is none."""
    group: str
    """What it is a switch of."""
    settings: dict[str, Any]
    """Laid over the base's."""
    scores: dict[str, float]
    """Contributor -> score, higher is better."""
    spearman: Interval
    """With the mean truth over seeds."""
    gain: Interval
    """This less the base's, in the same resamples."""
    p: float
    """Two-sided, of no difference."""
    p_holm: float
    """The same for all variants of the base together."""


class Ablation(FrozenModel):
    """One method and what its switches do in one world."""

    method: str
    settings: dict[str, Any]
    """Of the base, where they are not the default's."""
    scores: dict[str, float]
    """Of the base."""
    spearman: Interval
    """Of the base."""
    variants: list[Variant]
    skipped: list[SkippedMethod] = []
    """Variants that could not be measured, with the reason."""
    command: str = ""
    """What measured it."""


class AblationResult(FrozenModel):
    """One world: its truth, and every method that was taken apart."""

    world: str
    task: Task
    truth: dict[str, list[float]]
    """Contributor -> metric of each seed, higher is better."""
    ablations: list[Ablation]

    @property
    def ceiling(self) -> float | None:
        """Spearman that a ranking by the expected truth would reach (`agreement.py`). None for one seed, or flat truth."""
        found = seed_agreement(np.array([self.truth[name] for name in sorted(self.truth)]).T).ceiling
        return float(found) if np.isfinite(found) else None


class SubsetAgreement(FrozenModel):
    """A ranking from at most `n_rows` rows a contributor against others of the same method. Kendall's tau-b."""

    method: str
    form: str
    """Rows that the scores are estimates for: of NTK regression all rows, by their features, or those measured alone."""
    n_rows: int
    against_all: list[float]
    """Of each subset seed, with the ranking from all rows."""
    against_next: list[float]
    """Of each subset seed, with the ranking from the next larger subset; from the largest, with all rows. The larger one
    holds the smaller one's rows."""
    spearman: list[float] = []
    """Of each subset seed, with the mean truth. Empty where truth is unknown."""


class SwitchAgreement(FrozenModel):
    """A ranking under another setting against the base's, from the same rows."""

    switch: str
    """What is varied: a seed, lambda, q."""
    setting: str
    kendall: float
    """Tau-b with the base's ranking. Of a seed, the mean over several others."""


class StabilityResult(FrozenModel):
    """One world: how the ranking holds with fewer rows, other seeds and other settings."""

    world: str
    task: Task
    n_rows: dict[str, int]
    """Contributor -> all its rows."""
    target_rows: int
    subsets: list[SubsetAgreement] = Field(min_length=1)
    switches: list[SwitchAgreement] = []
    command: str = ""
    """What measured it."""

    @model_validator(mode="after")
    def _once_each(self) -> StabilityResult:
        keys = [(one.method, one.form, one.n_rows) for one in self.subsets]
        if len(set(keys)) != len(keys):
            raise ValueError("`subsets` must hold each method, form and number of rows once")
        return self


class Candidate(FrozenModel):
    """A variant before it is held against truth."""

    name: str
    group: str
    settings: dict[str, Any] = Field(default_factory=dict)
    scores: dict[str, float]


def ablate(
    world: str,
    method: str,
    base: Mapping[str, float],  # contributor -> score
    candidates: Sequence[Candidate],
    truth: Mapping[str, Sequence[float]],
    settings: Mapping[str, Any] | None = None,
    skipped: Sequence[SkippedMethod] = (),
    command: str = "",
    n_resamples: int = N_RESAMPLES,
) -> Ablation:
    """Every candidate against the mean truth and, resample by resample, against the base.

    Raises ContractError where a ranking lacks a contributor of the truth or has one more.
    """
    names = sorted(truth)
    mean = np.array([np.mean(truth[name]) for name in names])
    picks = resamples(world, len(names), n_resamples)

    def rated(name: str, scores: Mapping[str, float]) -> tuple[float, Floats]:
        if scores.keys() != truth.keys():
            raise ContractError(
                f"world {world!r}, {name!r}: expected scores of the {len(names)} contributors that have truth, found "
                f"{len(scores)} others or fewer. Measure the same contributors."
            )
        values = np.array([scores[one] for one in names])
        return of_world(STATISTIC, values, mean), resampled(STATISTIC, values, mean, picks)

    value, draws = rated(method, base)
    variants: list[Variant] = []
    for one in candidates:
        own, own_draws = rated(one.name, one.scores)
        gain, p = interval(own - value, own_draws - draws), two_sided_p(own_draws - draws)
        variants.append(Variant(**one.model_dump(), spearman=interval(own, own_draws), gain=gain, p=p, p_holm=1.0))
    adjusted = holm(np.array([one.p for one in variants], dtype=np.float64))
    variants = [one.model_copy(update={"p_holm": float(p)}) for one, p in zip(variants, adjusted, strict=True)]
    return Ablation(
        method=method,
        settings=dict(settings or {}),
        scores=dict(base),
        spearman=interval(value, draws),
        variants=variants,
        skipped=list(skipped),
        command=command,
    )


def agreements(
    method: str,
    form: str,
    rankings: Mapping[int, Floats],  # rows a contributor -> (S, K) scores of S subset seeds
    whole: Floats,  # (K,) scores from all rows
    truth: Floats | None = None,  # (K,)
) -> list[SubsetAgreement]:
    """How rankings from subsets agree with the next larger one, which holds their rows, and with that from all rows."""
    sizes, found = sorted(rankings), []
    for at, size in enumerate(sizes):
        own = rankings[size]
        further = rankings[sizes[at + 1]] if at + 1 < len(sizes) else np.broadcast_to(whole, own.shape)
        rated = [] if truth is None else [of_world(STATISTIC, scores, truth) for scores in own]
        against_all = [of_world("kendall", scores, whole) for scores in own]
        against_next = [of_world("kendall", scores, larger) for scores, larger in zip(own, further, strict=True)]
        found.append(
            SubsetAgreement(
                method=method, form=form, n_rows=size, against_all=against_all, against_next=against_next, spearman=rated
            )
        )
    return found


def write_study(result: AblationResult | StabilityResult, folder: Location) -> Location:
    """Store the study below `folder`, with the world's other results, and return the file."""
    file = folder.child(safe_name(result.world), ABLATION if isinstance(result, AblationResult) else STABILITY)
    file.write_bytes((result.model_dump_json(indent=1) + "\n").encode())
    return file


def read_ablations(folder: Location) -> list[AblationResult]:
    """All ablations below `folder`, by world; none where none was measured. Raises ContractError for a file that is none."""
    return _read(folder, ABLATION, AblationResult)


def read_stabilities(folder: Location) -> list[StabilityResult]:
    """All studies of stability below `folder`, by world. Raises as `read_ablations`."""
    return _read(folder, STABILITY, StabilityResult)


def _read(folder: Location, name: str, model: type[Study]) -> list[Study]:
    files = [folder.child(world, name) for world in sorted(folder.folders())]
    return [_parse(file, model) for file in files if file.exists()]


def _parse(file: Location, model: type[Study]) -> Study:
    try:
        return model.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ContractError(f"{file.url}: expected a {model.__name__}: {error}. Measure the study again.") from error
