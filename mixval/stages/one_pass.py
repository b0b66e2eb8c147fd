"""One forward and backward pass for all terms: loss, features, f(x) and gradient sketch of each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import torch

from mixval.config.fingerprint import fingerprint
from mixval.models.backbone import Backbone, Batch, Forward
from mixval.stages.forward import pass_with_features
from mixval.stages.jobs import MeasureJob
from mixval.stages.preconditioning import preconditioner_key, read_preconditioner
from mixval.stages.resident import resident_backbone
from mixval.stages.rows import counted, in_batches
from mixval.terms.ntk.residual import residual
from mixval.terms.ntk.sketch import SketchPlan, sketch
from mixval.terms.sufficient_statistics import MeasuredRows

_VERIFIED: set[str] = set()
"""Sketches that this process has compared with exact gradients. Once is enough: a run has one plan and one backbone."""


def measured_rows(job: MeasureJob, target: MeasureJob, rows: pa.Table, plan: SketchPlan) -> MeasuredRows:
    """All quantities of these rows, N >= 1, in the sketch that the target shares. Memory: N sketches and N features, and one
    batch.
    """
    backbone = resident_backbone(job)
    pieces = counted(job.contributor.name, in_batches(rows, backbone.rows_a_pass(job.batch_rows)))
    recorded = _RecordedBatches(job, backbone, pieces)
    scaled = preconditioner_key(target)
    planned = [plan.width, plan.seed, dict(plan.routes)]
    name = fingerprint("verified", 1, **job.model_key(), output=job.ntk.output, plan=planned, **scaled)
    is_new = name not in _VERIFIED
    taken = sketch(backbone.module, plan, recorded.scalar, recorded, is_new, read_preconditioner(target))
    _VERIFIED.add(name)
    probabilities, counts = np.concatenate(recorded.probabilities), np.concatenate(recorded.counts)
    residuals = residual(taken.outputs.cpu(), probabilities, job.ntk.residual)
    return MeasuredRows(
        keys=rows["key"].to_numpy(),
        losses=np.concatenate(recorded.losses),
        counts=counts,
        features=np.concatenate(recorded.features),
        gradients=taken.features.cpu().numpy(),
        residual=residuals,
        responses=(residuals * counts)[:, None] if job.classes is None else _one_hot(job.classes, rows),
    )


def _one_hot(classes: Sequence[int], rows: pa.Table) -> np.ndarray:
    """(N, C) Y in the order of T's classes."""
    return np.asarray(rows["label"].to_numpy()[:, None] == np.array(classes)[None, :], dtype=np.float64)


class _RecordedBatches:
    """Batches of rows and the scalar output on them; losses, probabilities and features of the same pass are recorded."""

    def __init__(self, job: MeasureJob, backbone: Backbone, pieces: Iterable[pa.Table]) -> None:
        self._job, self._backbone, self._pieces = job, backbone, pieces
        self._batch: dict[str, torch.Tensor] = {}
        self._rows: pa.Table | None = None
        self.losses: list[np.ndarray] = []
        self.counts: list[np.ndarray] = []
        self.probabilities: list[np.ndarray] = []
        self.features: list[np.ndarray] = []

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for piece in self._pieces:
            self._rows, self._batch = piece, self._backbone.encode(piece)
            yield self._batch

    def scalar(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        # A sketch also runs a few rows by themselves, to check their gradients: those are not recorded.
        if batch is not self._batch or self._rows is None:
            return self._output(self._backbone.forward(batch), batch)
        forward, compared = pass_with_features(self._backbone, self._rows, batch, self._job.discrepancy.features)
        with torch.no_grad():
            loss, count = self._backbone.losses(forward, batch)
            probability = self._backbone.probability(forward, batch)
        # float64 backbones have float64 features; bfloat16 has no NumPy type.
        features = compared if compared.dtype == torch.float64 else compared.float()
        self.losses.append(loss.double().cpu().numpy())
        self.counts.append(count.double().cpu().numpy())
        self.probabilities.append(probability.double().cpu().numpy())
        self.features.append(features.detach().cpu().numpy())
        return self._output(forward, batch)

    def _output(self, forward: Forward, batch: Batch) -> torch.Tensor:
        return self._backbone.output(forward, batch, self._job.ntk.output, self._job.seed)
