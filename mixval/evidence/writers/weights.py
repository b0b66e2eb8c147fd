"""`weights.json`: what `value.fitted_weights` reads."""

from __future__ import annotations

from mixval.evidence.calibration_results import CalibrationResults
from mixval.storage.root import Location

WEIGHTS = "weights.json"


def write_weights(folder: Location, results: CalibrationResults) -> None:
    """The document as it was committed."""
    folder.child(WEIGHTS).write_bytes(results.weights)
