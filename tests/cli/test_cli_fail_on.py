"""`--fail-on` ends a run with its own exit code where a warning is of a chosen kind, or as severe as chosen."""

import pytest

from mixval.cli.fail_on import EXIT_CODE, exit_code_of, failing, refuse_unusable
from mixval.contracts.warnings import SEVERITIES, RunWarning, by_severity, counted_by_severity, warning
from mixval.errors import ConfigError

WARNINGS = [
    warning("one-origin-only", "no synthetic rows"),
    warning("few-contributors", "four only"),
    warning("near-target", "copies", ["a", "b"]),
]


def test_warnings_are_sorted_and_counted_worst_first() -> None:
    found = by_severity(WARNINGS)
    assert [one.severity for one in found] == list(SEVERITIES)
    assert counted_by_severity(found) == "1 serious, 1 caution, 1 note"
    assert counted_by_severity(found[1:]) == "1 caution, 1 note"


@pytest.mark.parametrize(
    ("fail_on", "kinds"),
    [
        (["serious"], ["near-target"]),
        (["caution"], ["near-target", "few-contributors"]),
        (["note"], ["near-target", "few-contributors", "one-origin-only"]),
        (["one-origin-only"], ["one-origin-only"]),
        (["serious", "one-origin-only"], ["near-target", "one-origin-only"]),
        (["wide-intervals"], []),
    ],
)
def test_a_severity_means_worse_ones_too(fail_on: list[str], kinds: list[str]) -> None:
    assert [one.kind for one in failing(WARNINGS, fail_on)] == kinds


def test_the_exit_code_is_its_own_and_standard_error_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(WARNINGS, ["serious"]) == EXIT_CODE == 9
    assert capsys.readouterr().err == "--fail-on: serious warning near-target: copies Concerns a and b.\n"
    assert exit_code_of(WARNINGS, ["wide-intervals"]) == exit_code_of(WARNINGS, []) == 0


def test_what_is_no_warning_and_a_flow_without_warnings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected a severity .* found 'bad'.*near-target"):
        refuse_unusable(["serious", "near-target", "bad"], "valuation", warns=True)
    with pytest.raises(ConfigError, match="`calibration` has none"):
        refuse_unusable(["serious"], "calibration", warns=False)


def test_a_warning_stored_before_severities_gets_that_of_its_kind() -> None:
    assert RunWarning.model_validate({"kind": "near-target", "words": "copies"}).severity == "serious"
    with pytest.raises(ValueError, match=r"expected one of .* found 'unheard-of'"):
        RunWarning.model_validate({"kind": "unheard-of", "words": "?"})
