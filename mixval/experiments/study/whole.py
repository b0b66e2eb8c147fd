"""The study of mixtures as a run of trainings."""

from __future__ import annotations

from mixval.experiments.grid import Trainings
from mixval.experiments.running import Kind
from mixval.experiments.study.config import StudyConfig
from mixval.experiments.study.preparing import Study, prepare, train
from mixval.experiments.study.results import Found, StudyManifest, StudyResults, StudySummary, conclude
from mixval.experiments.study.words import headline
from mixval.experiments.study.writers import WRITERS


def _summary(found: Found, run_id: str, url: str, trainings: Trainings) -> StudySummary:
    return StudySummary(run_id=run_id, url=url, n_trained=trainings.n_trained, n_found=trainings.n_found, figures=found.figures)


STUDY: Kind[StudyConfig, Study, Found, StudySummary] = Kind(
    flow="study",
    version=1,
    prepare=prepare,
    train=train,
    conclude=conclude,
    summarise=_summary,
    manifest=StudyManifest,
    results=StudyResults,
    writers=WRITERS,
    headline=lambda summary: headline(summary.figures),
)
"""Says what it says from the committed trainings alone."""
