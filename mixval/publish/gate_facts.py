"""What a run of the gate in front of a table tells those who watch runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from mixval.contracts.gate_run import DeliveryOutcome, GateRunSummary
from mixval.telemetry.facts import Check, DataUsed, Facts, Sample, Valued, totals


def gate_facts(summary: GateRunSummary, inbox: str, changed: Mapping[str, float], now: datetime) -> Facts:
    """Deliveries as inputs, with their digests; the table as output, at its version. `inbox` is its URL, `changed` when each
    file of it was last changed, in seconds since 1970."""
    new = [one for one in summary.deliveries if one.is_new]
    inputs = [_delivery(one, inbox) for one in new]
    outputs = [DataUsed(summary.table, str(summary.version), "table")] if summary.n_appended else []
    decided = Counter((one.action, one.decision.rule) for one in new)
    return Facts(
        run_id=summary.run_id or "",
        is_new=bool(new or summary.n_appended),
        headline=summary.headline,
        inputs=inputs,
        outputs=outputs,
        samples=totals(inputs)
        | {
            "mixval_decisions": [({"outcome": action, "rule": rule}, float(n)) for (action, rule), n in decided.items()],
            "mixval_deliveries": _standing(summary),
            "mixval_rows_appended": [({}, float(summary.n_appended))],
            "mixval_table_version": [({}, float(summary.version))] if summary.version is not None else [],
            "mixval_inbox_oldest_seconds": [({}, _oldest(summary, changed, now))],
            "mixval_findings": [({}, float(len(summary.findings)))],
        },
        valued=[_valued(one) for one in new],
    )


def _delivery(one: DeliveryOutcome, inbox: str) -> DataUsed:
    decision = one.decision
    return DataUsed(
        url=f"{inbox}/{decision.name}",
        version=decision.digest,
        role="deliveries",
        contributor=decision.contributor,
        n_rows=decision.measured.n_rows + decision.measured.n_dropped,
        checks=(Check("mixval_policy_accepts", one.action == "accept"),),
    )


def _standing(summary: GateRunSummary) -> list[Sample]:
    states: dict[str, int] = {action: summary.count(action) for action in ("accept", "quarantine", "reject")}
    states |= {"failed": len(summary.failed), "ignored": len(summary.ignored)}
    return [({"state": state}, float(n)) for state, n in states.items()]


def _oldest(summary: GateRunSummary, changed: Mapping[str, float], now: datetime) -> float:
    """Seconds since the oldest delivery came that waits, failed or is not complete."""
    waiting = {one.decision.name: one.decision for one in summary.deliveries if one.action == "quarantine"}
    came = [at for name, at in changed.items() if name in waiting or name in summary.failed or name in summary.ignored]
    came += [datetime.fromisoformat(one.decided).timestamp() for name, one in waiting.items() if name not in changed]
    return max((now.timestamp() - at for at in came), default=0.0)


def _valued(one: DeliveryOutcome) -> Valued:
    found = one.decision.measured.quantities.get("marginal-value")
    if found is None:
        return Valued(one.decision.name, one.action, rule=one.decision.rule)
    return Valued(one.decision.name, one.action, found.value, found.low, found.high, rule=one.decision.rule)
