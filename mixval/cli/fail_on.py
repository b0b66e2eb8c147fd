"""`--fail-on`: which warnings of a run end the command with an exit code of their own, for continuous integration."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from mixval.contracts.warnings import SEVERITIES, WARNING_KINDS, RunWarning, by_severity
from mixval.errors import ConfigError
from mixval.publish.warning_words import warning_words

EXIT_CODE = 9
"""Of a run that was published and has a warning of `--fail-on`."""


def refuse_unusable(fail_on: Sequence[str], flow: str, warns: bool) -> None:
    """Raises ConfigError for what is neither a severity nor a kind of warning, and for a flow whose runs have no warnings."""
    if fail_on and not warns:
        raise ConfigError(
            f"--fail-on: expected a flow whose runs have warnings, as `valuation`; `{flow}` has none. Leave it out."
        )
    for name in fail_on:
        if name not in SEVERITIES and name not in WARNING_KINDS:
            raise ConfigError(
                f"--fail-on: expected a severity ({', '.join(SEVERITIES)}) or a kind of warning, found {name!r}. The kinds are "
                f"{', '.join(WARNING_KINDS)}; docs/reports.md describes them."
            )


def failing(warnings: Sequence[RunWarning], fail_on: Sequence[str]) -> list[RunWarning]:
    """The warnings of these kinds, or of these severities or worse ones; worst first."""
    named = [SEVERITIES.index(name) for name in SEVERITIES if name in fail_on]
    reach = max(named, default=-1)
    return by_severity(one for one in warnings if one.kind in fail_on or SEVERITIES.index(one.severity) <= reach)


def exit_code_of(warnings: Sequence[RunWarning], fail_on: Sequence[str]) -> int:
    """`EXIT_CODE` where one of a run's warnings is of `fail_on`, which standard error then says, else 0."""
    found = failing(warnings, fail_on)
    for one in found:
        typer.echo(f"--fail-on: {one.severity} warning {one.kind}: {warning_words(one)}", err=True)
    return EXIT_CODE if found else 0
