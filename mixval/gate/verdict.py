"""From findings to a verdict, and whether any contributor of a run is admitted."""

from __future__ import annotations

from collections.abc import Sequence

from mixval.contracts.outcomes import Finding, GateOutcome, Verdict
from mixval.errors import NobodyAdmittedError
from mixval.gate.words import counted, quoted


def decide(findings: Sequence[Finding], n_dropped: int) -> tuple[Verdict, str | None]:
    """The verdict and, for a rejection, its reason: the first finding that rejects, and how many more do."""
    rejects = [finding for finding in findings if finding.severity == "reject"]
    if not rejects:
        return ("trimmed" if n_dropped else "admitted"), None
    more = f" (and {counted(len(rejects) - 1, 'more finding')})" if len(rejects) > 1 else ""
    return "rejected", rejects[0].message + more


def with_findings(outcome: GateOutcome, findings: Sequence[Finding]) -> GateOutcome:
    """The outcome with more findings and a new verdict. A rejected or failed outcome keeps its verdict and reason."""
    every = [*outcome.findings, *findings]
    if not outcome.is_in:
        return outcome.model_copy(update={"findings": every})
    verdict, reason = decide(every, outcome.n_dropped)
    return outcome.model_copy(update={"findings": every, "verdict": verdict, "reason": reason})


def ensure_somebody(outcomes: Sequence[GateOutcome]) -> None:
    """Raises NobodyAdmittedError, with every contributor and its reason, when no contributor passed the gate."""
    if any(outcome.is_in for outcome in outcomes):
        return
    if not outcomes:
        raise NobodyAdmittedError("the source contains no contributor. Check source.contributors.")
    lines = [f"  {quoted(o.contributor)} {o.verdict}: {o.reason or 'no reason was recorded'}" for o in outcomes]
    raise NobodyAdmittedError(
        f"at least one contributor must pass the gate, none of {len(outcomes):,} did. "
        "Correct the data or the limits under `gate`:\n" + "\n".join(lines)
    )
