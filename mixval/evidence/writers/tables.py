"""`truth.parquet`, `contributors.parquet` and, where there are some, `coalitions.parquet`."""

from __future__ import annotations

from mixval.evidence.calibration_results import CalibrationResults, contributors_schema
from mixval.evidence.truth import TRUTH
from mixval.storage.root import Location
from mixval.storage.tables import write_table


def write_tables(folder: Location, results: CalibrationResults) -> None:
    """Each table under its schema. Raises `SchemaError` for one that does not fit."""
    for name, schema in (("truth", TRUTH), ("contributors", contributors_schema()), ("coalitions", TRUTH)):
        table = getattr(results, name)
        if table is not None:
            write_table(folder.child(f"{name}.parquet"), table, schema)
