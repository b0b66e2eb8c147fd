"""Findings: the result of a check as one message with what was expected, what was found, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mixval.contracts.outcomes import Finding
from mixval.gate.checks import Check
from mixval.gate.tally import CheckTally, SuiteTally
from mixval.gate.words import counted, listed, quoted

CONSEQUENCE = {"drop": "{rows} dropped.", "warn": "{rows} cut to fit.", "reject": ""}
FOUND_SHOWN = 3
"""Samples quoted in a message; the finding has more."""


def row_findings(
    suite: SuiteTally, where: str, shard_names: Sequence[str], consequence: Mapping[str, str] = CONSEQUENCE
) -> list[Finding]:
    """A finding for each check that rows broke; `where` names the contributor or the target.

    `consequence` is, by severity, what happens to the rows.
    """
    return [_uncomputed(tally, where) or _row_finding(tally, where, shard_names, consequence) for tally in suite.failures()]


def whole_findings(suite: SuiteTally, where: str, found: Mapping[str, tuple[str, int, int]]) -> list[Finding]:
    """A finding for each check that the row of figures broke.

    `found` is, by column: the value as text, how many rows (or values) break it, of how many.
    """
    findings = []
    for tally in suite.failures():
        words, count, n_checked = found[tally.check.column]
        message = f"{where}: {tally.check.expected}, found {words}. {tally.check.remedy}"
        findings.append(_uncomputed(tally, where) or _finding(tally, count, n_checked, [words], message))
    return findings


def expectation_name(check: Check) -> str:
    """Great Expectations' name of the expectation, e.g. `expect_column_values_to_not_be_null`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", check.expectation).lower()


def shard_words(shard_names: Sequence[str], index: int) -> str:
    """A shard by name, or by its place in the listing where the name is not known."""
    return f"shard {quoted(shard_names[index])}" if index < len(shard_names) else f"shard {index}"


def _row_finding(tally: CheckTally, where: str, shard_names: Sequence[str], consequences: Mapping[str, str]) -> Finding:
    check, (shard_index, row) = tally.check, tally.first or (0, 0)
    place = f"{where}, {shard_words(shard_names, shard_index)}, row {row:,}"
    if tally.n_failed > 1:
        place += f" and {counted(tally.n_failed - 1, 'more row')}"
    rows = f"{tally.n_failed:,} of {counted(tally.n_elements, 'row')} {'is' if tally.n_failed == 1 else 'are'}"
    consequence = consequences.get(check.severity, "").format(rows=rows)
    message = f"{place}: {_said(tally)}. {check.remedy} {consequence}".rstrip()
    return _finding(tally, tally.n_failed, tally.n_checked, tally.samples, message)


def _said(tally: CheckTally) -> str:
    """What was expected and found; where samples are reasons, the first of them."""
    if tally.check.says_why and tally.samples:
        return tally.samples[0]
    quotes = listed([_quote(sample, tally.check) for sample in dict.fromkeys(tally.samples[:FOUND_SHOWN])])
    return f"{tally.check.expected}, found {quotes}"


def _quote(sample: str, check: Check) -> str:
    """Text in quotes; null, numbers and values with a unit as they are."""
    is_plain = check.unit is not None or sample == "null" or sample.lstrip("-").isdigit()
    return sample if is_plain else f"'{sample}'"


def _uncomputed(tally: CheckTally, where: str) -> Finding | None:
    """A finding that rejects, for a check that could not be computed and whose result is not known."""
    if tally.error is None:
        return None
    message = (
        f"{where}: {tally.check.expected}, but Great Expectations could not compute this: {tally.error}. "
        "Check the column's values and the installed version of great-expectations."
    )
    finding = _finding(tally, tally.n_failed, tally.n_checked, tally.samples, message)
    return finding.model_copy(update={"severity": "reject"})


def _finding(tally: CheckTally, count: int, n_checked: int, samples: list[str], message: str) -> Finding:
    return Finding(
        expectation=expectation_name(tally.check),
        column=tally.column,
        severity=tally.check.severity,
        count=count,
        n_checked=n_checked,
        samples=list(samples),
        message=message,
    )
