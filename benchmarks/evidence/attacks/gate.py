"""The gate's outcome for contributors in memory: the checks of a run, each contributor's own and those between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mixval.config.backbone import BackboneConfig
from mixval.config.gate import GateConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.batches import RowBatch
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.plan import ShardRef
from mixval.gate.check import GateCheck, check_contributor
from mixval.gate.derive import TokenCounter
from mixval.gate.profile import TargetProfile, profile_target
from mixval.gate.shared import shared_rows
from mixval.gate.verdict import with_findings
from mixval.models.architecture import context_tokens
from mixval.models.tokenizers import token_counter


@dataclass(frozen=True)
class Gated:
    """A contributor past the gate."""

    outcome: GateOutcome
    """With what was found between contributors."""
    admitted: pa.Table
    """The rows that were not dropped; of a rejected contributor too."""
    digests: np.ndarray
    """(N, 16) uint8 of them."""

    @property
    def checks(self) -> dict[str, str]:
        """Column of each check that was not met -> what followed: warn, drop or reject."""
        return {str(one.column): one.severity for one in self.outcome.findings}


class Gate:
    """The gate of one world: its target, its limits, its backbone's tokens."""

    def __init__(self, task: Task, target: pa.Table, limits: GateConfig, backbone: BackboneConfig) -> None:
        """Profiles the target. Raises TargetError where it cannot serve."""
        self._task, self._limits, self._backbone = task, limits, backbone
        is_text = spec_of(task).is_text
        self._counter: TokenCounter | None = token_counter(backbone, task) if is_text else None
        self._max_length = context_tokens(backbone) if is_text else None
        self._target: TargetProfile = profile_target([RowBatch(target, 0, 0)], task, limits, count_tokens=self._counter)

    def check(self, name: str, table: pa.Table) -> Gated:
        """The contributor by itself."""
        shard = ShardRef(f"memory://{name}", f"{name}.parquet", table.nbytes, "", table.num_rows)
        found: GateCheck = check_contributor(
            name,
            [shard],
            [RowBatch(table, 0, 0)],
            self._task,
            self._limits,
            self._target,
            count_tokens=self._counter,
            max_length=self._max_length,
            overlong=self._backbone.overlong,
        )
        is_left = np.ones(table.num_rows, dtype=bool)
        is_left[found.bad_rows["row"].to_numpy()] = False
        return Gated(found.outcome, table.filter(pa.array(is_left)), found.digests)

    def among(self, one: Gated, others: Mapping[str, Gated]) -> Gated:
        """The contributor with what is found between it and the others that the gate let in."""
        if not one.outcome.is_in:
            return one
        name = one.outcome.contributor
        digests = {other: found.digests for other, found in others.items() if other != name and found.outcome.is_in}
        findings = shared_rows(digests | {name: one.digests}, self._limits)[name]
        return Gated(with_findings(one.outcome, findings), one.admitted, one.digests)
