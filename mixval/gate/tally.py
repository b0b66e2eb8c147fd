"""Counts of one suite over many batches: Great Expectations' results added up, with a few samples.

Only counts, samples and the first failing row are stored, so the size does not grow with the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixval.gate.checks import Check
from mixval.gate.derive import shown
from mixval.gate.engine import Inspection
from mixval.gate.words import REASON_CHARS, SAMPLE_CHARS


@dataclass
class CheckTally:
    """One check's counts so far."""

    check: Check
    config: dict[str, Any]
    """Great Expectations' description of the expectation."""
    n_elements: int = 0
    n_checked: int = 0
    n_failed: int = 0
    samples: list[str] = field(default_factory=list)
    first: tuple[int, int] | None = None
    """Shard index and row of the first failure."""
    error: str | None = None
    """Why it could not be computed, the first time that it could not."""

    @property
    def column(self) -> str:
        """The column that samples are taken from."""
        return self.check.about or self.check.column

    def result(self) -> dict[str, Any]:
        """The counts in the form of Great Expectations' validation result of one expectation, JSON-able."""
        n_missing = self.n_elements - self.n_checked
        return {
            "success": self.n_failed == 0 and self.error is None,
            "expectation_config": self.config,
            "result": {
                "element_count": self.n_elements,
                "unexpected_count": self.n_failed,
                "unexpected_percent": _percent(self.n_failed, self.n_checked),
                "missing_count": n_missing,
                "missing_percent": _percent(n_missing, self.n_elements),
                "unexpected_percent_total": _percent(self.n_failed, self.n_elements),
                "unexpected_percent_nonmissing": _percent(self.n_failed, self.n_checked),
                "partial_unexpected_list": list(self.samples),
            },
            "exception_info": {
                "raised_exception": self.error is not None,
                "exception_message": self.error,
                "exception_traceback": None,
            },
        }


@dataclass
class SuiteTally:
    """The counts of a suite's checks, in the suite's order."""

    name: str
    samples_kept: int
    checks: dict[str, CheckTally] = field(default_factory=dict)

    def add(
        self,
        inspections: Sequence[Inspection],
        frame: pd.DataFrame,
        rows: np.ndarray,  # (N,) int64, row numbers of the frame within its shard
        shard_index: int = 0,
    ) -> None:
        """Adds what was found in one frame of N rows."""
        for found in inspections:
            tally = self.checks.setdefault(found.check.key, CheckTally(found.check, found.config))
            tally.n_elements += found.n_elements
            tally.n_checked += found.n_checked
            tally.n_failed += len(found.failed)
            tally.error = tally.error or found.error
            if len(found.failed) and tally.first is None:
                tally.first = (shard_index, int(rows[found.failed[0]]))
            missing = self.samples_kept - len(tally.samples)
            tally.samples += [_sample(found.check, frame, int(at)) for at in found.failed[: max(0, missing)]]

    def failures(self) -> list[CheckTally]:
        """The checks that rows broke, or that could not be computed."""
        return [tally for tally in self.checks.values() if tally.n_failed or tally.error is not None]

    def validation(self, who: str) -> dict[str, Any]:
        """The suite's result in Great Expectations' form, JSON-able; `who` is the contributor's name."""
        results = [tally.result() for tally in self.checks.values()]
        n_passed = sum(result["success"] for result in results)
        return {
            "success": n_passed == len(results),
            "suite_name": self.name,
            "results": results,
            "statistics": {
                "evaluated_expectations": len(results),
                "successful_expectations": n_passed,
                "unsuccessful_expectations": len(results) - n_passed,
                "success_percent": _percent(n_passed, len(results)),
            },
            "meta": {"contributor": who},
        }


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0


def _sample(check: Check, frame: pd.DataFrame, at: int) -> str:
    sample = shown(frame[check.about or check.column].iloc[at], REASON_CHARS if check.says_why else SAMPLE_CHARS)
    return sample if check.unit is None else f"{frame[check.column].iloc[at]:,g} {check.unit}: {sample}"
