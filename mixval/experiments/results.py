"""Results of an experiment: the curves, what is published of them, and the summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from mixval.config.base import FrozenModel
from mixval.contracts.schemas import table_schema
from mixval.experiments.curves import Curve, curve
from mixval.experiments.drawn_training import drawn_ref
from mixval.experiments.preparing import Experiment
from mixval.experiments.running import Summary
from mixval.publish.run_manifest import RunManifest
from mixval.scaling.phases import breakpoints

BALANCED, WEIGHTED = "class-balanced", "p-weighted"
BY_CLASS = table_schema(
    "experiment",
    [
        pa.field("n_rows", pa.int64(), nullable=False),
        pa.field("replicate", pa.int64(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("n_drawn", pa.int64(), nullable=False),
        pa.field("n_test", pa.int64(), nullable=False),
        pa.field("n_right", pa.int64(), nullable=False),
    ],
    rank="of the class in real data, 1 the most frequent; another order in each replicate",
    n_drawn="training rows of the class",
)


class Span(FrozenModel):
    """A number with its 90 % interval."""

    value: float
    low: float
    high: float


class Weighting(FrozenModel):
    """The curve under one weighting of the test's classes."""

    name: str
    errors: list[list[float]]
    """A list a replicate, a number a size. Shares."""
    exact: list[float]
    """The lemma's, for as many classes, at each size."""
    right: Span
    """Share of known classes' rows that are answered right."""
    needed: Span
    """Rows that a class takes to be known."""
    misfit: float
    """Root mean square of measured errors less those with the two numbers above."""
    places: tuple[float | None, float | None]
    """Rows at which the exact curve bends; None where it does not."""
    breakpoints: list[Span]
    """Of power laws in pieces, fitted to the means over replicates."""
    has_plateau: bool
    exact_breakpoints: list[float]
    """Of the same fit to the exact curve."""
    bend: float
    """Fall of the exact curve from k^beta to k^beta / pi."""
    noise: float
    """Two deviations of a measured difference."""

    @property
    def means(self) -> list[float]:
        """Over replicates, a number a size."""
        return [float(one) for one in np.mean(self.errors, axis=0)]

    @property
    def is_visible(self) -> bool:
        """Whether the bend stands out of the noise."""
        return self.bend > self.noise


class ExperimentFigures(FrozenModel):
    """What was measured, beside what the lemma says."""

    sizes: list[int]
    n_classes: int
    n_rows: int
    """Different rows that the samples are drawn from."""
    n_test: int
    beta: float
    cut: int
    real: float
    formula: tuple[float, float]
    """k^beta and k^beta / pi."""
    classes_drawn: list[float]
    """Classes with at least one row, a number a size: the mean over replicates."""
    weightings: list[Weighting]


class ExperimentSummary(Summary):
    """What a run did, and what it measured."""

    figures: ExperimentFigures


class ExperimentManifest(RunManifest):
    """Lies in the run's folder as `manifest.json`. Holds no secrets."""

    flow: Literal["experiment"] = "experiment"
    summary: ExperimentSummary


@dataclass(frozen=True)
class ExperimentResults:
    """All that the writers of an experiment's run are given."""

    manifest: ExperimentManifest
    by_class: pa.Table
    """Schema `BY_CLASS`."""


@dataclass(frozen=True)
class Measured:
    """What the trainings say."""

    figures: ExperimentFigures
    by_class: pa.Table
    """Schema `BY_CLASS`."""


def measured(experiment: Experiment) -> Measured:
    """From the committed trainings. Raises StorageError where one is not committed."""
    by_class = read_trainings(experiment)
    return Measured(figures(experiment, by_class), by_class)


def read_trainings(experiment: Experiment) -> pa.Table:
    """The committed trainings under `BY_CLASS`, sizes ascending. Raises StorageError where one is not committed."""
    config, tables = experiment.config, []
    for n in config.sizes:
        for replicate in range(1, config.replicates + 1):
            job = experiment.job(n, replicate)
            found = job.store.read_table(drawn_ref(job), "by_class")
            named = {"n_rows": [n] * len(found), "replicate": [replicate] * len(found)}
            tables.append(pa.table(named | {name: found[name] for name in found.column_names}).cast(BY_CLASS))
    return pa.concat_tables(tables)


def figures(experiment: Experiment, by_class: pa.Table) -> ExperimentFigures:
    """The curves under both weightings."""
    config, tail = experiment.config, experiment.config.tail
    shape = (len(config.sizes), config.replicates, experiment.n_classes)
    drawn, n_test, right = (
        by_class[name].to_numpy().reshape(shape).swapaxes(0, 1).astype(float) for name in ("n_drawn", "n_test", "n_right")
    )
    sizes, errors = np.array(config.sizes, dtype=float), 1 - right / n_test
    curves = {
        name: curve(sizes, errors, n_test[:, 0], experiment.mixture, is_balanced, config.seed)
        for name, is_balanced in ((BALANCED, True), (WEIGHTED, False))
    }
    return ExperimentFigures(
        sizes=config.sizes,
        n_classes=experiment.n_classes,
        n_rows=experiment.n_rows,
        n_test=experiment.n_test,
        beta=tail.beta,
        cut=tail.cut,
        real=tail.real,
        formula=breakpoints(experiment.mixture),
        classes_drawn=np.mean(np.sum(drawn > 0, axis=2), axis=0).tolist(),
        weightings=[_weighting(name, one) for name, one in curves.items()],
    )


def _weighting(name: str, found: Curve) -> Weighting:
    broken = zip(found.broken.best.breakpoints, found.broken.intervals, strict=True)
    return Weighting(
        name=name,
        errors=found.errors.tolist(),
        exact=found.exact.tolist(),
        right=_span(found.level.right),
        needed=_span(found.level.needed),
        misfit=found.level.misfit,
        places=found.places,
        breakpoints=[_span((place, *ends)) for place, ends in broken],
        has_plateau=found.broken.has_plateau,
        exact_breakpoints=list(found.broken_exact.best.breakpoints),
        bend=found.bend,
        noise=found.noise,
    )


def _span(found: tuple[float, float, float]) -> Span:
    return Span(value=found[0], low=found[1], high=found[2])
