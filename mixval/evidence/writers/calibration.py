"""The files of a calibration's run, in the order in which they are written; the manifest follows them."""

from mixval.evidence.calibration_results import CalibrationResults
from mixval.evidence.writers.tables import write_tables
from mixval.evidence.writers.weights import write_weights
from mixval.publish.publication import Writer

WRITERS: tuple[Writer[CalibrationResults], ...] = (write_weights, write_tables)
