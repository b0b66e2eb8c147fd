"""Results of a study: what is published of its trainings, and the summary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa

from mixval.config.base import FrozenModel
from mixval.experiments.results import Span
from mixval.experiments.running import Summary
from mixval.experiments.study.evaluated import Cell, Evaluated, losses_table, read_evaluated, span_of
from mixval.experiments.study.laws import Laws, fit_laws
from mixval.experiments.study.preparing import Study, most_epochs, token_counts
from mixval.experiments.study.ratios import good_ratio, slope
from mixval.experiments.study.trained import mixture_name
from mixval.publish.run_manifest import RunManifest
from mixval.scaling.laws import Floats


class Size(FrozenModel):
    """A model's size, counted in both ways."""

    name: str
    params: int
    params_with_embedding: int


class Place(FrozenModel):
    """One mixture at one size and budget."""

    synthetic: str
    """Empty for real text alone."""
    per_cent: float
    size: str
    tokens: int
    loss: Span
    """Mean over replicates; nats a token, the mean over domains."""
    by_replicate: list[float]
    by_domain: list[float]
    """Mean over replicates, in the order of the domains."""
    gap: Span
    """Loss less that of real text alone at the same place."""

    @property
    def mixture(self) -> str:
        """`real`, or `33 % rephrased`."""
        return mixture_name(self.synthetic, self.per_cent)


class GoodRatio(FrozenModel):
    """The ratio of least loss of one kind of synthetic text at one size and budget."""

    synthetic: str
    size: str
    tokens: int
    per_cent: Span
    """Of the least mean loss, and between which the least lies in nine of ten draws."""
    shares: list[float]
    """Of the draws in which each ratio has the least loss."""
    reason: str
    """Why no ratio is said to be good; empty where one is."""


class Versus(FrozenModel):
    """Two kinds of synthetic text at the same ratio."""

    one: str
    other: str
    per_cent: float
    size: str
    tokens: int
    gap: Span
    """Loss of the one less that of the other."""


class Trend(FrozenModel):
    """How a mixture's gap to real text changes with data."""

    synthetic: str
    per_cent: float
    size: str
    a_doubling: Span
    """Change of the gap a doubling of tokens."""


class LawNumbers(FrozenModel):
    """One mixture's fitted law."""

    mixture: str
    fitted: dict[str, Span]
    warnings: list[str]


class StudyFigures(FrozenModel):
    """What was measured."""

    sizes: list[Size]
    budgets: list[int]
    ratios: list[float]
    synthetic: list[str]
    made_by: dict[str, str]
    replicates: int
    domains: dict[str, int]
    """Name -> tokens."""
    tokens: dict[str, int]
    """Of each training text."""
    most_epochs: dict[str, float]
    """Most passes of a training over each text."""
    places: list[Place]
    good: list[GoodRatio]
    versus: list[Versus]
    trends: list[Trend]
    formula: str
    """Of the laws; empty where none is fitted."""
    rolled: dict[str, float]
    """Mean relative error of fits to smaller runs on larger ones, along each input."""
    laws: list[LawNumbers]
    no_law: str
    """Why none is fitted; empty where one is."""
    left_out: dict[str, str]
    """Mixture -> why no law is fitted to it."""

    @cached_property
    def at(self) -> dict[tuple[str, float, str, int], Place]:
        """By synthetic text, per cent, size and tokens."""
        return {(one.synthetic, one.per_cent, one.size, one.tokens): one for one in self.places}


class StudySummary(Summary):
    """What a run did, and what it measured."""

    figures: StudyFigures


class StudyManifest(RunManifest):
    """Lies in the run's folder as `manifest.json`. Holds no secrets."""

    flow: Literal["study"] = "study"
    summary: StudySummary


@dataclass(frozen=True)
class Found:
    """What the trainings say."""

    figures: StudyFigures
    losses: pa.Table
    """Schema `LOSSES`."""
    laws: Laws


@dataclass(frozen=True)
class StudyResults:
    """All that the writers of a study's run are given."""

    manifest: StudyManifest
    found: Found


def conclude(study: Study) -> Found:
    """From the committed trainings. Raises StorageError where one is not committed."""
    evaluated = read_evaluated(study)
    laws = fit_laws(evaluated)
    return Found(_figures(evaluated, laws), losses_table(evaluated), laws)


def _figures(found: Evaluated, laws: Laws) -> StudyFigures:
    config, counts = found.study.config, token_counts(found.study)
    tokens = np.bincount(found.domain, found.n_tokens).astype(int).tolist()
    vocabulary = found.study.jobs[0].vocabulary
    return StudyFigures(
        sizes=[
            Size(name=one.name, params=one.params, params_with_embedding=one.params_with(vocabulary)) for one in config.shapes
        ],
        budgets=config.budgets,
        ratios=config.ratios,
        synthetic=list(config.synthetic),
        made_by=dict(config.made_by),
        replicates=config.replicates,
        domains=dict(zip(config.held_out, tokens, strict=True)),
        tokens={name: counts[name] for name in ("real", *config.synthetic)},
        most_epochs=most_epochs(found.study, counts),
        places=[place for at in found.cells for place in _places(found, at)],
        good=[_good(found, name, at) for name in config.synthetic for at in found.cells],
        versus=[one for at in found.cells for one in _versus(found, at)],
        trends=[one for shape in config.shapes for one in _trends(found, shape.name)] if len(config.budgets) > 1 else [],
        formula="" if laws.fits is None else laws.fits.candidates[0].law.formula,
        rolled={} if laws.fits is None else laws.fits.candidates[0].errors,
        laws=_law_numbers(laws),
        no_law=laws.reason,
        left_out=laws.left_out,
    )


def _places(found: Evaluated, at: tuple[str, int]) -> list[Place]:
    cell, places = found.cells[at], []
    for column, (name, per_cent) in enumerate(found.mixtures):
        jobs = [job for job in found.study.jobs if (job.shape.name, job.tokens) == at and job.per_cent == per_cent]
        own = [job for job in jobs if name == ("" if job.synthetic is None else job.synthetic.name)]
        means = np.mean([found.by_domain(job) for job in own], axis=0)
        places.append(
            Place(
                synthetic=name,
                per_cent=per_cent,
                size=at[0],
                tokens=at[1],
                loss=_span(cell.losses[:, column].mean(), cell.draws[:, column]),
                by_replicate=cell.losses[:, column].tolist(),
                by_domain=means.tolist(),
                gap=_difference(cell, column, 0),
            )
        )
    return places


def _good(found: Evaluated, name: str, at: tuple[str, int]) -> GoodRatio:
    cell, ratios = found.cells[at], found.study.config.ratios
    own = [0, *(column for column, (synthetic, _) in enumerate(found.mixtures) if synthetic == name)]
    good = good_ratio(cell.losses[:, own].mean(axis=0), cell.draws[:, own], len(cell.losses))
    return GoodRatio(
        synthetic=name,
        size=at[0],
        tokens=at[1],
        per_cent=Span(value=ratios[good.at], low=ratios[good.low], high=ratios[good.high]),
        shares=good.shares,
        reason=good.reason,
    )


def _versus(found: Evaluated, at: tuple[str, int]) -> list[Versus]:
    """Each kind of synthetic text beside the first, at each ratio."""
    first, *others = found.study.config.synthetic
    columns = {mixture: column for column, mixture in enumerate(found.mixtures)}
    return [
        Versus(
            one=first,
            other=other,
            per_cent=ratio,
            size=at[0],
            tokens=at[1],
            gap=_difference(found.cells[at], columns[first, ratio], columns[other, ratio]),
        )
        for other in others
        for ratio in found.study.config.ratios
        if ratio > 0
    ]


def _trends(found: Evaluated, size: str) -> list[Trend]:
    budgets = found.study.config.budgets
    tokens, cells, trends = np.array(budgets, dtype=float), [found.cells[size, one] for one in budgets], []
    for column, (name, per_cent) in enumerate(found.mixtures):
        if not name:
            continue
        gaps = np.stack([cell.draws[:, column] - cell.draws[:, 0] for cell in cells], axis=1)
        means = np.array([[(cell.losses[:, column] - cell.losses[:, 0]).mean() for cell in cells]])
        value = float(slope(tokens, means)[0])
        trends.append(Trend(synthetic=name, per_cent=per_cent, size=size, a_doubling=_span(value, slope(tokens, gaps))))
    return trends


def _law_numbers(laws: Laws) -> list[LawNumbers]:
    found = []
    for one in () if laws.fits is None else laws.fits.mixtures:
        drawn = one.draws.named
        fitted = {name: _span(value, drawn[name]) for name, value in one.fit.named.items()}
        found.append(LawNumbers(mixture=one.runs.mixture, fitted=fitted, warnings=list(one.warnings)))
    return found


def _difference(cell: Cell, column: int, other: int) -> Span:
    means = cell.losses.mean(axis=0)
    return _span(means[column] - means[other], cell.draws[:, column] - cell.draws[:, other])


def _span(value: float, draws: Floats) -> Span:
    low, high = span_of(draws)
    return Span(value=float(value), low=low, high=high)
