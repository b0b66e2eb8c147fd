"""One check of the gate: a standard Great Expectations expectation, its severity, and its texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["warn", "drop", "reject"]

GX_SEVERITY: dict[Severity, str] = {"warn": "info", "drop": "warning", "reject": "critical"}
"""Our consequence -> Great Expectations' severity, so that Data Docs show the same order."""

NOT_NULL = "ExpectColumnValuesToNotBeNull"
"""The one expectation that looks at rows without a value, too."""


@dataclass(frozen=True)
class Check:
    """An expectation on one column of a frame that `mixval.gate` derives from the rows."""

    expectation: str
    """Class name in `great_expectations.expectations`."""
    column: str
    """Derived column that is validated."""
    severity: Severity
    """Consequence for rows (or the contributor) that break it."""
    expected: str
    """The requirement, as a clause: "column 'label' must not be null"."""
    remedy: str
    """What to do, as a sentence."""
    about: str | None = None
    """Contract column it is about; samples are taken from it. None: the derived column itself."""
    unit: str | None = None
    """Unit of the derived value, shown with each sample. None: no unit needed."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the expectation."""
    says_why: bool = False
    """Whether samples are reasons in words, and no data."""

    @property
    def key(self) -> str:
        """Names the check within its suite."""
        return f"{self.expectation}:{self.column}"

    @property
    def is_about_nulls(self) -> bool:
        """Whether rows without a value are checked, too."""
        return self.expectation == NOT_NULL


def must_be_there(column: str, severity: Severity, expected: str, remedy: str) -> Check:
    """A check that a column contains no null."""
    return Check(NOT_NULL, column, severity, expected, remedy, about=column)


def must_be_true(column: str, severity: Severity, expected: str, remedy: str, about: str | None = None) -> Check:
    """A check that a derived column of True, False and null (unknown) contains no False."""
    arguments = {"value_set": [True]}
    return Check("ExpectColumnValuesToBeInSet", column, severity, expected, remedy, about, arguments=arguments)


def must_be_in(column: str, values: list[Any], severity: Severity, expected: str, remedy: str) -> Check:
    """A check that the values of a column that are not null are in a set."""
    arguments = {"value_set": values}
    return Check("ExpectColumnValuesToBeInSet", column, severity, expected, remedy, column, arguments=arguments)


def must_lie(
    column: str,
    severity: Severity,
    expected: str,
    remedy: str,
    low: float | None = None,
    high: float | None = None,
    about: str | None = None,
    unit: str | None = None,
) -> Check:
    """A check that the values of a column that are not null lie in [low, high]; None is open."""
    arguments = {name: bound for name, bound in (("min_value", low), ("max_value", high)) if bound is not None}
    return Check("ExpectColumnValuesToBeBetween", column, severity, expected, remedy, about, unit, arguments)
