"""The experiment on three phases as a run of trainings."""

from __future__ import annotations

from mixval.experiments.config import ExperimentConfig
from mixval.experiments.grid import train_all
from mixval.experiments.preparing import Experiment, prepare
from mixval.experiments.results import (
    ExperimentManifest,
    ExperimentResults,
    ExperimentSummary,
    Measured,
    measured,
)
from mixval.experiments.running import Kind
from mixval.experiments.words import headline
from mixval.experiments.writers import WRITERS


def _results(manifest: ExperimentManifest, found: Measured) -> ExperimentResults:
    return ExperimentResults(manifest, found.by_class)


PHASES: Kind[ExperimentConfig, Experiment, Measured, ExperimentSummary] = Kind(
    flow="experiment",
    version=1,
    prepare=prepare,
    train=lambda experiment, maker: train_all(experiment.steps, maker),
    conclude=measured,
    summary=ExperimentSummary,
    manifest=ExperimentManifest,
    results=_results,
    writers=WRITERS,
    headline=lambda summary: headline(summary.figures),
)
"""Draws the curves from the committed trainings alone."""
