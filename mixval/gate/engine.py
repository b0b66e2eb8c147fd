"""Calls of Great Expectations. It is imported here and in `docs.py`, inside functions, since that takes seconds.

Great Expectations keeps a current project for the whole process, and a context shared between threads gave wrong
results. So each thread has its own ephemeral context (30 ms to make), and one thread validates at a time.
"""

from __future__ import annotations

import copy
import functools
import os
import threading
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import numpy as np
import pandas as pd

from mixval.errors import ShapeError
from mixval.gate.checks import GX_SEVERITY, Check
from mixval.gate.derived_once import MOST_KEPT, derived_once
from mixval.gate.known_values import DistinctValues, KnownVerdicts, distinct_values

# COMPLETE is the only format that names and counts failing rows, and costs half as much again: asked for where some row fails.
TOLD = {"result_format": "BOOLEAN_ONLY"}
NAMED = {"result_format": "COMPLETE", "partial_unexpected_count": 0, "return_unexpected_index_query": False}

LOCK = threading.RLock()
"""Locked while Great Expectations computes or renders."""

_OF_THREAD = threading.local()
_DESCRIBED: dict[str, dict[str, Any]] = {}
"""Great Expectations' descriptions of checks."""
KNOWN = KnownVerdicts()
"""What checks said of values before. For whoever has `LOCK`."""


@dataclass(frozen=True)
class Inspection:
    """What one check found in one frame."""

    check: Check
    n_elements: int
    """Rows of the frame."""
    n_checked: int
    """Values that the check looked at: those that are not null, or all when it is about nulls."""
    failed: np.ndarray
    """(F,) int64: positions of the rows that break the check, ascending."""
    config: dict[str, Any]
    """Great Expectations' own description of the expectation, JSON-able."""
    error: str | None
    """Why the check could not be computed. None when it could."""


@functools.cache
def great_expectations() -> ModuleType:
    """The imported package, without telemetry and without the deprecation warnings of its imports.

    It imports `sre_constants` and `sre_parse`, deprecated since Python 3.11; everything else still warns.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"module 'sre_\w+' is deprecated", category=DeprecationWarning)
        import great_expectations as gx
        import great_expectations.expectations
    return cast("ModuleType", gx)


def inspect(checks: Sequence[Check], frame: pd.DataFrame) -> list[Inspection]:
    """What each check finds in the frame, in the order of `checks`. Safe in threads; one runs at a time.

    A value that a check has judged before is looked up (`known_values.py`): Great Expectations computes what is said of the
    others, from the rows that have them. A check that cannot be computed comes back with `error`, never as passed.
    """
    with LOCK:
        values = {
            key: distinct_values(frame[key[0]], about_nulls=key[1])
            for key in dict.fromkeys((check.column, check.is_about_nulls) for check in checks)
            if key[0] in frame
        }
        questions = [_Question.of(check, frame, values.get((check.column, check.is_about_nulls))) for check in checks]
        if todo := [one for one in questions if one.is_open]:
            rows = np.unique(np.concatenate([one.new_rows for one in todo]))
            found = _computed([one.check for one in todo], frame.iloc[rows].reset_index(drop=True))
            for one in todo:
                one.answer(found[one.check.key], rows)
        return [one.inspection() for one in questions]


@dataclass
class _Question:
    """One check of one frame."""

    check: Check
    frame: pd.DataFrame
    values: DistinctValues | None
    """None where values cannot be looked up, or there is no such column: all rows are computed."""
    new_rows: np.ndarray
    """(F,) int64: rows that have to be computed, one for each value that is not known."""
    passes: dict[Hashable, bool]
    """Value -> whether it passes."""
    config: dict[str, Any] | None
    """As in `Inspection`; None: not known yet."""
    error: str | None = None
    failed: np.ndarray | None = None
    """(F,) where `passes` does not say."""

    @classmethod
    def of(cls, check: Check, frame: pd.DataFrame, values: DistinctValues | None) -> _Question:
        config = _DESCRIBED.get(repr(check))
        if values is None:
            return cls(check, frame, None, np.arange(len(frame)), {}, config)
        known = KNOWN.of(check, values.dtype)
        passes = {key: known[key] for key in values.keys if key in known}
        new = [first for key, first in zip(values.keys, values.firsts.tolist(), strict=True) if key not in passes]
        return cls(check, frame, values, np.array(new, dtype=np.int64), passes, config)

    @property
    def is_open(self) -> bool:
        """Whether Great Expectations is to be asked, for what it says or how it describes the check."""
        return self.values is None or len(self.new_rows) > 0 or self.config is None

    def answer(self, result: Any, rows: np.ndarray) -> None:
        """Take Great Expectations' result on these rows (R,) of the frame, the new ones among them."""
        self.config = self.config or _described(self.check, result)
        failed, self.error = _failed(result)
        if self.values is None or self.error is not None:
            self.failed = rows[failed]
            return
        said = np.ones(len(rows), dtype=bool)
        said[failed] = False
        keys = [self.values.keys[at] for at in self.values.places[rows].tolist()]
        found = {key: ok for key, ok in zip(keys, said.tolist(), strict=True) if key not in self.passes}
        self.passes |= found
        KNOWN.keep(self.check, self.values.dtype, found)

    def inspection(self) -> Inspection:
        """What was found."""
        n, n_missing, failed = len(self.frame), 0, self.failed
        if self.values is not None:
            n_missing = 0 if self.check.is_about_nulls else self.values.n_null
            if failed is None:
                breaks = np.array([not self.passes[key] for key in self.values.keys], dtype=bool)
                failed = np.flatnonzero(breaks[self.values.places])
        elif self.check.column in self.frame and not self.check.is_about_nulls:
            n_missing = int(self.frame[self.check.column].isna().sum())
        if failed is None or self.config is None:
            raise ShapeError(f"check {self.check.key}: expected what Great Expectations says of it, found nothing. Ask first.")
        return Inspection(self.check, n, n - n_missing, failed, copy.deepcopy(self.config), self.error)


def _computed(checks: Sequence[Check], frame: pd.DataFrame) -> dict[str, Any]:
    """Great Expectations' results on these checks of a frame, by the checks' keys."""
    gx = great_expectations()
    # Of each column that is checked, rows without a value are taken away once: only what is looked at goes along.
    looked_at = frame[[name for name in dict.fromkeys(check.column for check in checks) if name in frame]]
    validator = _validator(gx, looked_at)
    by_key = _results(gx, validator, checks, TOLD)
    if failing := [check for check in checks if not by_key[check.key].success]:
        by_key |= _results(gx, validator, failing, NAMED)
    return by_key


def _validator(gx: ModuleType, frame: pd.DataFrame) -> Any:
    """What validates suites on this frame. `Batch.validate` makes one for each suite, and with it another batch."""
    from great_expectations.validator.v1_validator import Validator

    return Validator(_own_definition(gx), batch_parameters={"dataframe": frame})


def _results(gx: ModuleType, validator: Any, checks: Sequence[Check], result_format: dict[str, Any]) -> dict[str, Any]:
    """Great Expectations' result on each check, by the check's key."""
    suite = gx.ExpectationSuite(name="gate", expectations=[_expectation(gx, check) for check in checks])
    validator.result_format = result_format
    with derived_once(gx):
        validation = validator.validate_expectation_suite(suite)
    return {result.expectation_config.meta["check"]: result for result in validation.results}


def _own_definition(gx: ModuleType) -> Any:
    """This thread's batch definition, its context made the current one."""
    if not hasattr(_OF_THREAD, "definition"):
        _OF_THREAD.context = gx.get_context(mode="ephemeral")
        _OF_THREAD.context.variables.progress_bars = {"globally": False}
        asset = _OF_THREAD.context.data_sources.add_pandas("gate").add_dataframe_asset("frame")
        _OF_THREAD.definition = asset.add_batch_definition_whole_dataframe("whole")
    gx.data_context.set_context(_OF_THREAD.context)
    return _OF_THREAD.definition


def _expectation(gx: ModuleType, check: Check) -> Any:
    return getattr(gx.expectations, check.expectation)(
        column=check.column,
        severity=GX_SEVERITY[check.severity],
        description=f"{check.expected} ({check.severity})",
        meta={"check": check.key, "consequence": check.severity, "remedy": check.remedy},
        **check.arguments,
    )


def _failed(result: Any) -> tuple[np.ndarray, str | None]:
    """(F,) int64 the rows that a result says break its check, ascending; and why it could not be computed."""
    error, found = _error(result.exception_info), result.result or {}
    n_failed = int(found.get("unexpected_count") or 0)
    failed = np.sort(np.asarray(found.get("unexpected_index_list") or [], dtype=np.int64))
    if error is None and (bool(result.success), n_failed) != (len(failed) == 0, len(failed)):
        error = f"it returned success={result.success}, a count of {n_failed} failing rows and {len(failed)} of them"
    return failed, error


def _described(check: Check, result: Any) -> dict[str, Any]:
    """As JSON, kept for equal checks."""
    found: dict[str, Any] = result.expectation_config.to_json_dict()
    found["kwargs"].pop("batch_id", None)
    if len(_DESCRIBED) >= MOST_KEPT:
        _DESCRIBED.clear()
    _DESCRIBED[repr(check)] = found
    return found


def _error(info: Any) -> str | None:
    """The first line of the exception, from either of the two forms that Great Expectations gives it."""
    entries = [info] if info and "raised_exception" in info else list((info or {}).values())
    for entry in entries:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            message = str(entry.get("exception_message") or "no message").strip()
            return message.splitlines()[0]
    return None
