"""Scores as artifacts of kind `scores`, one a method: what was scored before is found, and a run that was stopped goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from mixval.contracts.record import ArtifactRef
from mixval.evidence.baselines.inputs import Budget, Inputs
from mixval.evidence.baselines.method import Method, Scores
from mixval.storage.commit import ArtifactStore

VERSION = 1
"""Raised whenever the scores of all methods change; of one method, its `revision` is."""
SCORES = pa.schema([pa.field("contributor", pa.string(), nullable=False), pa.field("score", pa.float64(), nullable=False)])


def scores_key(rows: Mapping[str, str], target: str, backbone: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
    """What scores depend on, but for the method: digests of contributors' rows and T's, the backbone's identity, the budget."""
    return {
        "rows": dict(rows),
        "target": target,
        "backbone": dict(backbone),
        "budget": budget.model_dump(mode="json"),
        "libraries": {"torch": torch.__version__.partition("+")[0]},
    }


@dataclass(frozen=True)
class StoredScores:
    """The scores of one world's methods."""

    store: ArtifactStore
    key: Mapping[str, Any]
    """As `scores_key`."""
    valuation: str = ""
    """Fingerprint of the run that methods of the product are told from: another configuration gives other scores."""

    def ref(self, method: Method) -> ArtifactRef:
        """Where the method's scores are, or will be, committed."""
        of_run = {"valuation": self.valuation} if method.is_product else {}
        return self.store.ref("scores", VERSION + method.revision, method=method.name, **self.key, **of_run)

    def found_or_scored(self, method: Method, inputs: Inputs) -> Scores:
        """The method's scores with what they took when they were made; those that are not here are made and committed.

        Raises as `Method.rank`; nothing is committed then.
        """
        names, ref = [one.name for one in inputs.contributors], self.ref(method)
        record = self.store.committed(ref)
        if record is not None:
            held = self.store.read_table(ref, "scores", SCORES)
            values = dict(zip(held["contributor"].to_pylist(), held["score"].to_pylist(), strict=True))
            return Scores(np.array([values[name] for name in names]), record.seconds, record.peak_bytes, method.needs)
        scores = method.rank(inputs)
        self.store.commit(
            ref,
            inputs={"method": method.name, **self.key},
            tables={"scores": pa.table({"contributor": names, "score": scores.values}, schema=SCORES)},
            seconds=scores.seconds,
            peak_bytes=scores.peak_bytes,
        )
        return scores
