"""What a published valuation tells those who watch runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from mixval.contracts.outcomes import Finding, GateOutcome
from mixval.contracts.parts import PARTS
from mixval.contracts.warnings import SEVERITIES
from mixval.publish.manifest import InputShard, Manifest
from mixval.publish.verdict_words import headline
from mixval.storage.root import Location
from mixval.telemetry.facts import Check, DataUsed, Facts, Role, Sample, Valued, totals
from mixval.telemetry.metrics import MOST_NAMES

ROW_STATES = (*PARTS, "dropped", "truncated")
"""What became of rows: admitted, by part, left out, or cut."""


def valuation_facts(manifest: Manifest, ranking: pa.Table, folder: Location, is_new: bool) -> Facts:
    """Inputs with their digests and checks, the run as output, and what is counted. `is_new`: this run published it."""
    checks = {one.contributor: _checks(one) for one in manifest.outcomes}
    files = [*_files(manifest.target, "target", "", ())]
    for name, shards in manifest.inputs.items():
        files += _files(shards, "contributors", name, checks.get(name, ()))
    valued = [_valued(row) for row in ranking.to_pylist()]
    valued += [Valued(one.contributor, one.verdict) for one in manifest.outcomes if not one.is_in]
    return Facts(
        run_id=manifest.run_id,
        is_new=is_new,
        headline=headline(ranking).plain(),
        inputs=files,
        outputs=[DataUsed(folder.url, manifest.fingerprint, "results")],
        samples=totals(files) | _gate_samples(manifest.outcomes) | _made(manifest, is_new) | value_samples(valued),
        valued=valued,
    )


def value_samples(valued: Sequence[Valued]) -> dict[str, list[Sample]]:
    """Value and interval of each contributor; of nobody where there are too many to be labels."""
    known = [one for one in valued if one.value is not None]
    if len(known) > MOST_NAMES:
        return {}
    ends: Mapping[str, list[tuple[str, float | None]]] = {
        "mixval_contributor_value": [(one.name, one.value) for one in known],
        "mixval_contributor_value_low": [(one.name, one.low) for one in known],
        "mixval_contributor_value_high": [(one.name, one.high) for one in known],
    }
    return {
        name: [({"contributor": whose}, number) for whose, number in found if number is not None]
        for name, found in ends.items()
    }


def _files(shards: Sequence[InputShard], role: Role, contributor: str, checks: tuple[Check, ...]) -> list[DataUsed]:
    return [DataUsed(one.url, one.digest, role, contributor, one.n_rows, one.size_bytes, 1, checks) for one in shards]


def _checks(outcome: GateOutcome) -> tuple[Check, ...]:
    """The expectations that were not met, and whether the contributor is in."""
    found = [Check(one.expectation, False, one.column, one.severity != "warn") for one in outcome.findings]
    return (*found, Check("mixval_gate_admits", outcome.is_in))


def _valued(row: Mapping[str, object]) -> Valued:
    numbers = {name: row.get(column) for name, column in (("value", "value"), ("low", "value_low"), ("high", "value_high"))}
    return Valued(name=str(row["contributor"]), outcome=str(row["verdict"]), rank=row.get("rank"), **numbers)  # type: ignore[arg-type]


def _gate_samples(outcomes: Sequence[GateOutcome]) -> dict[str, list[Sample]]:
    verdicts = Counter(one.verdict for one in outcomes)
    counted = [(one.n_real, one.n_synthetic, one.n_dropped, one.n_truncated) for one in outcomes]
    rows = {state: sum(of_state) for state, of_state in zip(ROW_STATES, zip(*counted, strict=True), strict=False)}
    return {
        "mixval_contributors": [
            ({"verdict": verdict}, float(verdicts[verdict])) for verdict in ("admitted", "trimmed", "rejected", "failed")
        ],
        "mixval_rows": [({"state": state}, float(n)) for state, n in rows.items()],
        "mixval_rejected_rows": rejected_rows([one for outcome in outcomes for one in outcome.findings]),
    }


def rejected_rows(findings: Sequence[Finding]) -> list[Sample]:
    """Rows by the check that keeps them, or their contributor, out."""
    counted = Counter[str]()
    for one in findings:
        if one.severity != "warn":
            counted[one.expectation] += one.count
    return [({"check": check}, float(n)) for check, n in sorted(counted.items())]


def _made(manifest: Manifest, is_new: bool) -> dict[str, list[Sample]]:
    """Artifacts by origin, and warnings; an up-to-date run has made none."""
    counts = {"made": manifest.recomputed, "reused": manifest.reused} if is_new else {}
    warned = Counter(one.severity for one in manifest.warnings)
    return {
        "mixval_artifacts": [
            ({"kind": kind, "origin": origin}, float(n)) for origin, kinds in counts.items() for kind, n in kinds.items()
        ],
        "mixval_warnings": [({"severity": severity}, float(warned[severity])) for severity in SEVERITIES],
    }
