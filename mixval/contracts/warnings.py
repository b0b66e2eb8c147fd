"""Warnings about a run's results: their kinds, and how severe each is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mixval.config.base import FrozenModel

Severity = Literal["serious", "caution", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "caution", "note")
"""serious: values, verdicts or order may be wrong, so do not act on them before it is mended. caution: some of them are less
sure, or mean something else than it seems. note: good to know.

A contributor that a serious warning names does not get the verdict take (`mixval/valuation/verdict.py`)."""

WARNING_KINDS: dict[str, Severity] = {
    "not-ranked": "serious",
    "no-intervals": "serious",
    "near-target": "serious",
    "answers-unread": "serious",
    "full-sketch-regression": "serious",
    "ntk-ill-conditioned": "serious",
    "no-better-than-guessing": "caution",
    "below-guessing": "caution",
    "unknown-spread": "caution",
    "least-damping": "caution",
    "value-jitter": "caution",
    "value-by-a-bound": "caution",
    "repeated-target": "caution",
    "wide-intervals": "caution",
    "few-contributors": "caution",
    "value-of-sampled-rows": "caution",
    "covered-by-another": "caution",
    "near-copies": "caution",
    "shared-rows": "caution",
    "other-output-names": "caution",
    "new-head": "caution",
    "rows-one-by-one": "note",
    "made-again": "note",
    "uninformative-term": "caution",
    "ntk-jitter": "caution",
    "full-sketch": "caution",
    "full-sketch-coalitions": "caution",
    "coalitions-failed": "caution",
    "mixtures-failed": "caution",
    "groups-failed": "caution",
    "groups-unknown": "caution",
    "corpus-failed": "caution",
    "truncation-failed": "caution",
    "writer-failed": "caution",
    "tables-behind": "caution",
    "unequal-gradient-rows": "caution",
    "origin-denied": "caution",
    "dropped-rows": "caution",
    "truncated-rows": "caution",
    "covered-by-several": "note",
    "shapley-neighbours": "note",
    "one-origin-only": "note",
    "composition-blind": "note",
    "class-names-unsaid": "note",
    "coalitions-left-out": "note",
}
"""Kind -> severity, in the order in which warnings are shown."""


class RunWarning(FrozenModel):
    """One reason to be careful with a run's results."""

    kind: str
    """One of `WARNING_KINDS`."""
    severity: Severity
    """That of its kind, where it is not given."""
    words: str
    """What was found and what it means, without names."""
    contributors: list[str] = Field(default_factory=list)
    """The contributors concerned; empty when the whole ranking is."""

    @model_validator(mode="before")
    @classmethod
    def _with_severity(cls, given: Any) -> Any:
        if isinstance(given, dict) and "severity" not in given:
            return given | {"severity": WARNING_KINDS.get(given.get("kind", ""), "caution")}
        return given

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in WARNING_KINDS:
            raise ValueError(f"expected one of {', '.join(WARNING_KINDS)}, found {kind!r}")
        return kind


def warning(kind: str, words: str, contributors: Iterable[str] = ()) -> RunWarning:
    """A warning of this kind, with the kind's severity."""
    return RunWarning(kind=kind, severity=WARNING_KINDS[kind], words=words, contributors=list(contributors))


def accusations(warnings: Iterable[RunWarning]) -> dict[str, str]:
    """Contributor -> kind of the first serious warning that names it."""
    named = [(name, one.kind) for one in by_severity(warnings) if one.severity == "serious" for name in one.contributors]
    return dict(reversed(named))


def by_severity(warnings: Iterable[RunWarning]) -> list[RunWarning]:
    """The warnings, worst first; of one severity in the order of `WARNING_KINDS`, then as they were given."""
    order = list(WARNING_KINDS)
    return sorted(warnings, key=lambda one: (SEVERITIES.index(one.severity), order.index(one.kind)))


def counted_by_severity(warnings: Iterable[RunWarning]) -> str:
    """`1 serious, 2 caution, 1 note`: how many there are of each severity, worst first."""
    found = [one.severity for one in warnings]
    return ", ".join(f"{found.count(severity)} {severity}" for severity in SEVERITIES if severity in found)
