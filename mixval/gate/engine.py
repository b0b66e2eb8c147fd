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
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import numpy as np
import pandas as pd

from mixval.gate.checks import GX_SEVERITY, Check
from mixval.gate.derived_once import MOST_KEPT, derived_once

# COMPLETE is the only format that names and counts failing rows, and costs half as much again: asked for where some row fails.
TOLD = {"result_format": "BOOLEAN_ONLY"}
NAMED = {"result_format": "COMPLETE", "partial_unexpected_count": 0, "return_unexpected_index_query": False}

LOCK = threading.RLock()
"""Locked while Great Expectations computes or renders."""

_OF_THREAD = threading.local()
_DESCRIBED: dict[str, dict[str, Any]] = {}
"""Great Expectations' descriptions of checks."""


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

    A check that cannot be computed comes back with `error`, never as passed.
    """
    gx = great_expectations()
    with LOCK:
        # Of each column that is checked, rows without a value are taken away once: only what is looked at goes along.
        looked_at = frame[[name for name in dict.fromkeys(check.column for check in checks) if name in frame]]
        validator = _validator(gx, looked_at)
        by_key = _results(gx, validator, checks, TOLD)
        if failing := [check for check in checks if not by_key[check.key].success]:
            by_key |= _results(gx, validator, failing, NAMED)
    return [_read(check, by_key[check.key], frame) for check in checks]


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


def _read(check: Check, result: Any, frame: pd.DataFrame) -> Inspection:
    config = _description(check, result)
    error = _error(result.exception_info)
    found = result.result or {}
    n_failed = int(found.get("unexpected_count") or 0)
    failed = np.sort(np.asarray(found.get("unexpected_index_list") or [], dtype=np.int64))
    if error is None and (bool(result.success), n_failed) != (len(failed) == 0, len(failed)):
        error = f"it returned success={result.success}, a count of {n_failed} failing rows and {len(failed)} of them"
    n_missing = int(frame[check.column].isna().sum()) if check.column in frame and not check.is_about_nulls else 0
    return Inspection(check, len(frame), len(frame) - n_missing, failed, config, error)


def _description(check: Check, result: Any) -> dict[str, Any]:
    """As JSON, made once for equal checks."""
    key = repr(check)
    if (found := _DESCRIBED.get(key)) is None:
        found = result.expectation_config.to_json_dict()
        found["kwargs"].pop("batch_id", None)
        if len(_DESCRIBED) >= MOST_KEPT:
            _DESCRIBED.clear()
        _DESCRIBED[key] = found
    return copy.deepcopy(found)


def _error(info: Any) -> str | None:
    """The first line of the exception, from either of the two forms that Great Expectations gives it."""
    entries = [info] if info and "raised_exception" in info else list((info or {}).values())
    for entry in entries:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            message = str(entry.get("exception_message") or "no message").strip()
            return message.splitlines()[0]
    return None
