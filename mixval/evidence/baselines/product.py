"""Values that a run publishes of contributors, measured by the stages of the run in this process.

The ranking `ntk-regression` is this `value` column and no computation of its own; two further rankings come from the rows of
the terms table next to the value. Artifacts below the run's output are reused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mixval.config.valuation import ValuationConfig
from mixval.contracts.results import NTK_REGRESSION
from mixval.errors import ConfigError
from mixval.evidence.baselines.metering import Ledger
from mixval.progress import current
from mixval.stages.gating import found_whole, gate_ref
from mixval.stages.in_process import gate_prepared, prepare_here, value_gated
from mixval.stages.resident import resident_backbone
from mixval.stages.routes.base import PROCESS_BYTES
from mixval.stages.runs import GatedRun, ValuedRun
from mixval.terms.arrays import Floats


@dataclass(frozen=True)
class ProductValues:
    """Values of a run's contributors, and the cost of measuring them."""

    values: dict[str, float]
    """The `value` column, by contributor."""
    regressions: dict[str, dict[str, Any]]
    """By contributor, diagnostics of the regression, and its `estimate`, which for causal LMs is the gain to first order."""
    without: dict[str, str]
    """Contributor -> why it has no value: it was not admitted, or could not be measured."""
    fingerprint: str
    """Of the run: names configuration and inputs."""
    seconds: float
    """Of artifacts made here as `metering.py` counts; of reused ones, by their records."""
    peak_bytes: int
    """The largest of both, above what the process had before; of reused artifacts, above a worker without rows."""

    def of(self, names: Sequence[str]) -> Floats:
        """(K,) values in the order of `names`. Raises ConfigError where one has none."""
        self._require(names)
        return np.array([self.values[name] for name in names])

    def regression(self, names: Sequence[str], entry: str) -> Floats:
        """(K,) one entry of `regressions`. Raises ConfigError where a contributor has no value."""
        self._require(names)
        return np.array([float(self.regressions[name][entry]) for name in names])

    def _require(self, names: Sequence[str]) -> None:
        if lacking := [name for name in names if name not in self.values]:
            reasons = "".join(f"\n  {name}: {self.without.get(name, 'not among the listed contributors')}" for name in lacking)
            raise ConfigError(
                f"expected a value of every contributor that is ranked, {len(lacking)} of {len(names)} have none. Leave them "
                f"out, or change the gate's limits.{reasons}"
            )


def product_values(config: ValuationConfig) -> ProductValues:
    """The values that a run of this configuration publishes. Raises as a run does."""
    gated = _gated(config)
    ledger = Ledger(resident_backbone(gated.prepared.target_job).device)
    began = datetime.now(UTC).isoformat(timespec="microseconds")
    current().begin("measure", len(gated.jobs))
    run, charge = ledger.charged(lambda: value_gated(gated))
    current().end("measure", f"{len(run.values)} of {len(gated.outcomes)} valued")
    store = run.prepared.target_job.store
    records = [record for ref in run.artifacts() if (record := store.committed(ref)) is not None]
    found = [record for record in records if record.created < began]
    return ProductValues(
        values=run.values,
        regressions=_regressions(run),
        without={name: one.reason or one.verdict for name, one in run.outcomes.items() if name not in run.values},
        fingerprint=run.prepared.fingerprint,
        seconds=charge.seconds + sum(record.seconds for record in found),
        peak_bytes=max([charge.peak_bytes, *(record.peak_bytes - PROCESS_BYTES for record in found)]),
    )


def _gated(config: ValuationConfig) -> GatedRun:
    prepared = prepare_here(config)
    current().begin("gate", len(prepared.plan.contributors))
    for one in prepared.plan.to_check:
        found_whole(config, gate_ref(config, one, prepared.target))  # a damaged one is made again
    gated = gate_prepared(config, prepared)
    current().end("gate", f"{len(gated.jobs)} of {len(gated.outcomes)} admitted")
    return gated


def _regressions(run: ValuedRun) -> dict[str, dict[str, Any]]:
    rows = [row for row in run.reduced.terms.to_pylist() if row["term"] == NTK_REGRESSION and row["part"] == "all"]
    return {row["contributor"]: json.loads(row["diagnostics"]) | {"estimate": row["estimate"]} for row in rows}
