"""A mixture for a training of so many rows or tokens, from a stored run's statistics: neither rows nor model are read."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mixval.config.base import FrozenModel
from mixval.errors import ConfigError
from mixval.publish.stored_run import StoredRun
from mixval.publish.value_kind import GAIN
from mixval.stages.coalition_value import discarding_others, require_statistics, stored_job
from mixval.stages.coalitions import CoalitionJob
from mixval.stages.jobs import MeasureJob
from mixval.stages.regression_coalitions import looked_at_each, regression_target
from mixval.stages.statistics import PartStatistics, read_statistics, rows_represented, statistics_ref
from mixval.stages.weighed import mixed_parts
from mixval.terms.loss.sums import COLUMNS
from mixval.valuation.mixtures import MixedPart, Mixtures, Worth
from mixval.valuation.recipes import greedy_recipe, proportional

Unit = Literal["rows", "tokens"]
MOST_REPEATS = 4.0
"""Times that a row is drawn at most: as far as weights are looked at."""
MOST_CONTRIBUTORS = 50
"""The contributors with the highest values that are considered: of each part a Gram matrix is in memory."""


class Ingredient(FrozenModel):
    """Rows of one part of a contributor that are to be taken."""

    contributor: str
    part: str
    repeat: float
    """Times that each of its rows is drawn, on average: 0.5 is every second row."""
    proportion: float
    """Share of its rows among all that are drawn: what samplers call a weight or probability."""
    rows: int
    """That are drawn."""
    tokens: int | None
    """Answer tokens of these rows; None for rows without answer tokens."""
    paths: list[str]
    """Its shards, as the run read them."""
    where: dict[str, str]
    """Column -> value of the rows of the part in these shards; empty where all rows are."""


class RecipeValue(FrozenModel):
    """A predicted value with its interval."""

    value: float
    low: float | None
    """None where it is unknown."""
    high: float | None


class RecipeDocument(FrozenModel):
    """A mixture file."""

    mixval_recipe: int = 1
    """Version of this document."""
    run_id: str
    unit: Unit
    budget: float
    spent: float
    """Of the budget; less than it where all rows are drawn as often as they may be."""
    most_repeats: float
    value_kind: str
    predicted: RecipeValue
    of_all_alike: RecipeValue
    """Where the same budget goes to all rows alike."""
    gain: RecipeValue
    """Of the recipe over that."""
    ingredients: list[Ingredient]
    """By the order in which the search took them."""


def recipe_of(run: StoredRun, unit: Unit, budget: float, most_repeats: float = MOST_REPEATS) -> RecipeDocument:
    """The greedy recipe over the ranked contributors' parts. A gain has the interval of both values' replicates.

    Raises ConfigError for a run without sufficient statistics by regression, a budget that is not above 0, or tokens of rows
    that have none; StorageError where the statistics are lost; NumericalError where no part has a value.
    """
    if not (budget > 0 and most_repeats > 0):
        raise ConfigError(f"recipe: expected a budget and repeats above 0, found {budget:g} and {most_repeats:g}.")
    with stored_job(run) as work:
        _refuse(run, work, unit)
        require_statistics(work.jobs[:MOST_CONTRIBUTORS], work.target)
        with discarding_others(work):
            mixtures, sizes, tokens = _parts(work, unit)
        found = greedy_recipe(mixtures, sizes, budget, most_repeats)
        alike, level = proportional(mixtures, sizes, budget, most_repeats), work.target.value.confidence
    drawn = {name: weight * mixtures.parts[name].admitted for name, weight in found.weights.items()}
    jobs = {job.contributor.name: job for job in work.jobs}
    ingredients = []
    for name, n in drawn.items():
        part, contributor = name.split("/", 1)
        paths, where = _located(run, jobs[contributor], part)
        ingredients.append(
            Ingredient(
                contributor=contributor,
                part=part,
                repeat=found.weights[name],
                proportion=n / sum(drawn.values()),
                rows=round(n),
                tokens=None if tokens is None else round(n * tokens[name]),
                paths=paths,
                where=where,
            )
        )
    kinds = set(run.ranking["value_kind"].to_pylist())
    kind = GAIN if work.target.classes is None else kinds.pop()
    return RecipeDocument(
        run_id=run.manifest.run_id,
        unit=unit,
        budget=budget,
        spent=found.spent,
        most_repeats=most_repeats,
        value_kind=kind,
        predicted=_told(found.worth, level),
        of_all_alike=_told(alike, level),
        gain=_told(Worth(found.worth.value.less(alike.value), alike.displacement), level),
        ingredients=ingredients,
    )


def _refuse(run: StoredRun, work: CoalitionJob, unit: Unit) -> None:
    if not work.target.is_ntk_regression:
        raise ConfigError(
            f"{run.folder.url}: recipes need values by regression, found `value.method: {work.target.value.method}`. Leave "
            "`value.method` out, and run `mixval value CONFIG` again."
        )
    if unit == "tokens" and work.target.classes is not None:
        raise ConfigError("recipe: rows with labels have no answer tokens. Give a budget in rows: `--rows N`.")


def _parts(work: CoalitionJob, unit: Unit) -> tuple[Mixtures, dict[str, float], dict[str, float] | None]:
    """The parts by `PART/CONTRIBUTOR`, sizes of their rows in the unit, and their answer tokens a row, where they have some."""
    side, jobs = regression_target(work.target), work.jobs[:MOST_CONTRIBUTORS]
    most, parts, tokens = looked_at_each(work.target, len(jobs)), dict[str, MixedPart](), dict[str, float]()
    for job in jobs:
        by_part = read_statistics(job, statistics_ref(job, work.target))
        found = mixed_parts(job, by_part, rows_represented(job, by_part), side.objective, most, precision=np.float32)
        parts |= {f"{part}/{job.contributor.name}": one for part, one in found.items()}
        tokens |= {f"{part}/{job.contributor.name}": _tokens(by_part, part) for part in by_part}
    has_tokens = work.target.classes is None
    sizes = tokens if unit == "tokens" else dict.fromkeys(parts, 1.0)
    return Mixtures(parts, side), sizes, tokens if has_tokens else None


def _tokens(by_part: PartStatistics, part: str) -> float:
    """Answer tokens a row."""
    losses = by_part[part].losses
    return float(losses.groups[:, COLUMNS.index("count")].sum()) / losses.n


def _located(run: StoredRun, job: MeasureJob, part: str) -> tuple[list[str], dict[str, str]]:
    """Where a part's rows are."""
    source, paths, where = job.source, [shard.url for shard in run.manifest.inputs[job.contributor.name]], dict[str, str]()
    if source.layout == "column":
        where[source.contributor_column] = job.contributor.name
    if source.origin == "folder":
        paths = [path for path in paths if f"/origin={part}/" in path]
    elif source.origin == "column":
        column = source.columns.get("origin", "origin")
        where[column if isinstance(column, str) else column[0]] = part
    return paths, where


def _told(found: Worth, level: float) -> RecipeValue:
    low, high = found.value.ends(level)
    return RecipeValue(value=found.value.value, low=low, high=high)
