"""Publication of a calibration: a run below `OUTPUT/calibrations`, with a pointer of its own to the latest."""

from __future__ import annotations

from datetime import UTC, datetime

from mixval.config.fingerprint import fingerprint
from mixval.contracts.record import ArtifactRef
from mixval.contracts.schemas import versions_of
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.calibration_results import CalibrationFigures, CalibrationManifest, CalibrationResults
from mixval.evidence.writers.calibration import WRITERS
from mixval.evidence.writers.weights import WEIGHTS
from mixval.publish.publication import publish_run, run_name, whole_manifest
from mixval.publish.run_manifest import package_versions, resolved_config
from mixval.stages.gating import open_store
from mixval.storage.layout import Layout
from mixval.storage.pointer import Latest
from mixval.storage.root import Location, open_location

CALIBRATIONS = "calibrations"
"""Folder below the output root."""
VERSION = 1
"""Raised whenever a change means that what was published before is to be published again."""


def calibrations_root(config: CalibrationConfig) -> Location:
    """Where the runs of calibrations lie, and the pointer to the latest."""
    return open_location(config.output, config.source.storage).child(CALIBRATIONS)


def publish_calibration(
    config: CalibrationConfig,
    fit: ArtifactRef,
    figures: CalibrationFigures,
    valuation_run: str,
    started: datetime,
    expected: Latest | None,
) -> Location:
    """Publishes the committed fit and returns the folder; that of the latest run where it has published the same fit.

    Raises:
        ConflictError: another calibration was published since the pointer was read as `expected`.
    """
    root = calibrations_root(config)
    name = fingerprint("calibration-run", VERSION, fit=fit.fingerprint, published=versions_of("mixval calibrate"))
    if expected is not None and expected.fingerprint == name:
        folder = Layout(root).run(expected.run_id)
        if whole_manifest(folder, CalibrationManifest, "calibration-manifest") is not None:
            return folder
    manifest = CalibrationManifest(
        run_id=run_name(started, name),
        fingerprint=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
        config=resolved_config(config),
        valuation_run=valuation_run,
        figures=figures,
        artifact=fit,
    )
    return publish_run(root, _results(config, fit, manifest), WRITERS, expected)


def _results(config: CalibrationConfig, fit: ArtifactRef, manifest: CalibrationManifest) -> CalibrationResults:
    """The fit as it was committed, so that the same fit is published in the same bytes."""
    store = open_store(config.valuation)
    record = store.committed(fit)
    has_coalitions = record is not None and "coalitions.parquet" in record.files
    return CalibrationResults(
        manifest=manifest,
        weights=store.read_document(fit, WEIGHTS),
        truth=store.read_table(fit, "truth"),
        contributors=store.read_table(fit, "contributors"),
        coalitions=store.read_table(fit, "coalitions") if has_coalitions else None,
    )
