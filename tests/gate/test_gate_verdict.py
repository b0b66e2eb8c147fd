"""From findings to verdicts, and the run that has nobody left."""

import pytest

from mixval.contracts.outcomes import Finding, GateOutcome
from mixval.errors import NobodyAdmittedError
from mixval.gate.verdict import decide, ensure_somebody, with_findings


def finding(severity, message="m"):
    return Finding(expectation="e", column=None, severity=severity, count=1, n_checked=1, message=message)


def outcome(name="a", verdict="admitted", reason=None, n_dropped=0):
    return GateOutcome(contributor=name, verdict=verdict, n_rows=9, n_real=9, n_synthetic=0, n_dropped=n_dropped, reason=reason)


def test_decide():
    assert decide([], 0) == ("admitted", None)
    assert decide([finding("warn")], 0) == ("admitted", None)
    assert decide([finding("drop")], 3) == ("trimmed", None)
    assert decide([finding("drop"), finding("reject", "why")], 3) == ("rejected", "why")
    more = [finding("reject", "why"), finding("reject", "too"), finding("reject")]
    assert decide(more, 0) == ("rejected", "why (and 2 more findings)")


def test_later_findings_are_judged_with_the_earlier():
    assert with_findings(outcome(), [finding("warn")]).verdict == "admitted"
    refused = with_findings(outcome(n_dropped=2, verdict="trimmed"), [finding("reject", "copied")])
    assert (refused.verdict, refused.reason, len(refused.findings)) == ("rejected", "copied", 1)
    out = with_findings(outcome(verdict="failed", reason="no memory"), [finding("reject", "copied")])
    assert (out.verdict, out.reason, len(out.findings)) == ("failed", "no memory", 1)


def test_nobody_lists_everybody_with_the_reason():
    gone = [outcome("a", "rejected", "contributor 'a': no rows"), outcome("b\n", "failed", "no memory")]
    with pytest.raises(NobodyAdmittedError) as caught:
        ensure_somebody(gone)
    lines = str(caught.value).splitlines()
    assert "none of 2 did" in lines[0]
    assert lines[1:] == ["  'a' rejected: contributor 'a': no rows", "  'b\\n' failed: no memory"]
    with pytest.raises(NobodyAdmittedError, match=r"Check source\.contributors"):
        ensure_somebody([])
    ensure_somebody([*gone, outcome("c", "trimmed")])  # one is enough
