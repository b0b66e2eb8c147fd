"""What a run of the gate publishes: its manifest, its decisions, and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mixval.contracts.gate_run import GateRunSummary
from mixval.contracts.schemas import SCHEMAS
from mixval.publish import results
from mixval.publish.run_manifest import RunManifest


class GateManifest(RunManifest):
    """Lies in the run's folder as `manifest.json`. Holds no secrets."""

    flow: Literal["ingestion"] = "ingestion"
    schema_version: int = SCHEMAS["gate-manifest"].version
    policy: str
    """Digest of the policy."""
    summary: GateRunSummary


@dataclass(frozen=True)
class GateResults:
    """All that the writers of a gate's run are given."""

    manifest: GateManifest
    checks: results.GateResults | None = None
    """What the row gate found in the deliveries that were decided now; None where none was looked at."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Digest of a delivery -> its name in the checks."""

    @property
    def summary(self) -> GateRunSummary:
        """What the run did."""
        return self.manifest.summary
