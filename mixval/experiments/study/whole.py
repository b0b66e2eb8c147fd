"""The study of mixtures as a run of trainings."""

from __future__ import annotations

from mixval.experiments.running import Kind
from mixval.experiments.study.config import StudyConfig
from mixval.experiments.study.preparing import Study, prepare, train
from mixval.experiments.study.results import Found, StudyManifest, StudyResults, StudySummary, conclude
from mixval.experiments.study.words import headline
from mixval.experiments.study.writers import WRITERS

STUDY: Kind[StudyConfig, Study, Found, StudySummary] = Kind(
    flow="study",
    version=1,
    prepare=prepare,
    train=train,
    conclude=conclude,
    summary=StudySummary,
    manifest=StudyManifest,
    results=StudyResults,
    writers=WRITERS,
    headline=lambda summary: headline(summary.figures),
)
"""Says what it says from the committed trainings alone."""
