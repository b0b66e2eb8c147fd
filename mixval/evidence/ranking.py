"""Every method on one world, each with its scores and cost, or with the reason why it has none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow.compute as pc
import torch

from mixval.config.fingerprint import fingerprint
from mixval.config.tasks import Task
from mixval.errors import MixvalError
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.method import Method, Scores
from mixval.evidence.baselines.registry import method_named, methods_for
from mixval.evidence.fitted import FITTED, SINGLES
from mixval.evidence.results import MethodResult, SkippedMethod, WorldResult, method_result
from mixval.evidence.truth import TruthJob, read_truth, truth_matrix
from mixval.publish.numerals import seconds
from mixval.storage.formats import format_of
from mixval.storage.root import Location, open_location

NUMERICAL = (ArithmeticError, np.linalg.LinAlgError, torch.linalg.LinAlgError)  # type: ignore[attr-defined]
"""What libraries raise where these rows give them a singular matrix or nothing to divide by."""
Truth = dict[str, list[float]]
"""Contributor -> metric of each seed."""
Score = Callable[[Method, Inputs], Scores]
"""How scores are come by: computed, or found where they were stored."""


def chosen_methods(task: Task, wanted: Collection[str] | None) -> list[Method]:
    """All methods that apply to the task, or the wanted ones of them. Raises ConfigError for a name that is none.

    `eq8-fitted` stands for the four single terms that it is made from (`fitted.py`).
    """
    if wanted is None:
        return methods_for(task)
    names = {method_named(name).name for name in {*wanted} - {FITTED}} | ({*SINGLES} if FITTED in wanted else set())
    return [method for method in methods_for(task) if method.name in names]


def rank(
    world: str,
    inputs: Inputs,
    truth: Truth,
    wanted: Collection[str] | None = None,
    score: Score = Method.rank,
) -> Iterator[MethodResult | SkippedMethod]:
    """The wanted methods that apply, one by one, as soon as each is done. One that cannot run is skipped with its reason."""
    names = [one.name for one in inputs.contributors]
    for method in chosen_methods(inputs.task, wanted):
        try:
            scores = score(method, inputs)
        except MixvalError as error:
            yield SkippedMethod(method=method.name, reason=str(error))
        except NUMERICAL as error:
            yield SkippedMethod(method=method.name, reason=_broken(method, error))
        else:
            yield method_result(world, method.name, scores, names, truth)


def _broken(method: Method, error: Exception) -> str:
    said = str(error).partition("\n")[0]
    return f"{method.name} could not be computed on these rows: {type(error).__name__}: {said} The others go on without it."


def world_result(
    world: str,
    jobs: Sequence[TruthJob],
    truth: tuple[Truth, float],
    ranked: Sequence[MethodResult | SkippedMethod],
    command: str,
    without_truth: Sequence[str] = (),
    without_value: Mapping[str, str] | None = None,
) -> WorldResult:
    """What `truth_of` and `rank` say of `jobs`, as it is stored."""
    return WorldResult(
        world=world,
        task=jobs[0].task,
        truth=truth[0],
        truth_seconds=truth[1],
        methods=[one for one in ranked if isinstance(one, MethodResult)],
        skipped=[one for one in ranked if isinstance(one, SkippedMethod)],
        without_truth=list(without_truth),
        without_value=dict(without_value or {}),
        rows=row_digests(jobs),
        command=command,
    )


def outcome_words(one: MethodResult | SkippedMethod) -> str:
    """How well a method has ranked and what it took, or why it has not."""
    if isinstance(one, SkippedMethod):
        return one.reason
    return f"Spearman {one.statistics['spearman'].value:.2f}, {seconds(one.seconds)}"


def truth_of(jobs: Sequence[TruthJob]) -> tuple[Truth, float]:
    """Committed truth, seeds ascending, and the thread seconds of all trainings."""
    table = read_truth(jobs)
    names, metrics = truth_matrix(table)
    truth = {name: [float(value) for value in metrics[:, at]] for at, name in enumerate(names)}
    return truth, float(pc.sum(table["seconds"]).as_py())


def row_digests(jobs: Sequence[TruthJob]) -> dict[str, str]:
    """Contributor -> name of the content that it was trained on, whatever seed, recipe or backbone."""
    return {job.contributor: rows_digest(open_location(url, job.storage) for url in job.rows) for job in jobs}


def rows_digest(folders: Iterable[Location]) -> str:
    """Name of the content of all data files below these folders."""
    files = (file for folder in folders for file in folder.files() if format_of(file.name) is not None)
    return fingerprint("rows", 1, files=sorted(file.content_digest() for file in files))
