"""The empirical tangent kernel of a contributor's gradient sample: in one task, or groups of layers side by side.

Theta_0 runs over both parts of S (Eq. 8, arXiv 2511.13640). The Gram matrix is committed with the outputs, so another
damping, residual or block form recomputes no gradient. Gradients never leave the task that took them: a task holds
`runtime.gradient_bytes` of them, and what does not fit is computed in another pass.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import torch

from mixval.contracts.record import ArtifactRef
from mixval.models.backbone import Backbone
from mixval.models.outputs import OutputKind
from mixval.stages.footprint import probe_footprint
from mixval.stages.jobs import MeasureJob
from mixval.stages.memory import peak_bytes
from mixval.stages.resident import resident_backbone
from mixval.stages.rows import in_batches, real_rows, sampled_rows
from mixval.storage.sample import part_counts
from mixval.terms.ntk.groups import layer_groups
from mixval.terms.ntk.kernel import exact_kernel

VERSION = 2
"""Raised whenever the numbers change."""
MOST_PARTS = 8
"""Tasks that the groups of one contributor are dealt out to, at most: each hands a whole Theta over."""
Groups = Sequence[tuple[str, ...]]


def gram_ref(job: MeasureJob) -> ArtifactRef:
    """Where the contributor's Gram matrix is, or will be, committed."""
    return job.store.ref("gram", VERSION, **_inputs(job))


def gram_parts(job: MeasureJob) -> list[Groups]:
    """Groups of layers whose gradients fit the budget for all rows, dealt out to tasks."""
    n = sum(part_counts(job.n_real, job.n_synthetic, job.ntk.sample.count, job.ntk.sample.fraction))
    groups = layer_groups(probe_footprint(job).weight_bytes, n, budget_bytes(job))
    # In turn, since groups near the output take a shorter backward pass.
    n_parts = min(len(groups), MOST_PARTS)
    return [groups[i::n_parts] for i in range(n_parts)]


def budget_bytes(job: MeasureJob) -> int:
    """Bytes of gradients and their factors that a task holds at a time."""
    return job.gradient_bytes or job.contributor.gradient_bytes


def whole_gram(job: MeasureJob) -> ArtifactRef:
    """Commit `theta` (N, N) float64, `outputs` (N,), `probabilities` (N,), `keys` (N,) and `is_real` (N,) in one go."""
    ref = gram_ref(job)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    tensors = _computed(job, [group for part in gram_parts(job) for group in part])
    return _commit_gram(job, ref, tensors, time.perf_counter() - started)


def partial_gram(job: MeasureJob, groups: Groups) -> ArtifactRef:
    """Commit what these groups of layers add to `theta`, with `outputs`, `probabilities`, `keys` and `is_real`."""
    ref = job.store.ref("gram-part", VERSION, **_inputs(job), groups=[list(group) for group in groups])
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    tensors = _computed(job, groups)
    inputs = _inputs(job) | {"groups": [list(group) for group in groups]}
    job.store.commit(ref, inputs=inputs, tensors=tensors, seconds=time.perf_counter() - started, peak_bytes=peak_bytes())
    return ref


def summed_gram(job: MeasureJob, parts: Sequence[ArtifactRef]) -> ArtifactRef:
    """Commit the whole Gram matrix from what all groups add, and clear the parts away."""
    ref = gram_ref(job)
    if job.store.committed(ref) is None:
        started = time.perf_counter()
        tensors = job.store.read_tensors(parts[0])
        for part in parts[1:]:
            tensors["theta"] += job.store.read_tensors(part, ["theta"])["theta"]
        _commit_gram(job, ref, tensors, time.perf_counter() - started)
    for part in parts:
        job.store.discard(part)
    return ref


def _inputs(job: MeasureJob) -> dict[str, object]:
    switches = {"output": job.ntk.output, "parameters": sorted(job.ntk.parameters), "sample": job.ntk.sample}
    return job.rows_key() | job.model_key() | switches


class Passes:
    """Batches of a table from any row on, the scalar output on them, and each row's probability: one pass gives both."""

    def __init__(self, backbone: Backbone, kind: OutputKind, rows: pa.Table, batch_rows: int) -> None:
        """`batch_rows` rows of the table go through the backbone at a time."""
        self._backbone, self._kind, self._rows, self._batch_rows = backbone, kind, rows, batch_rows
        self._batch: dict[str, torch.Tensor] = {}
        self._place = slice(0, 0)
        self.probabilities = np.full(rows.num_rows, np.nan)
        """(N,) float64, of the rows that a pass has seen."""

    def from_row(self, start: int) -> Iterator[dict[str, torch.Tensor]]:
        """Batches of row `start` and all later ones."""
        for piece in in_batches(self._rows.slice(start), self._batch_rows):
            self._place = slice(start, start + piece.num_rows)
            self._batch = self._backbone.encode(piece)
            yield self._batch
            start += piece.num_rows

    def scalar(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """f (B,)."""
        forward = self._backbone.forward(batch)
        # Capturing also runs one row by itself, to check its gradient: that is no batch of ours.
        if batch is self._batch:
            found = self._backbone.probability(forward, batch).detach()
            self.probabilities[self._place] = found.double().cpu().numpy()
        return self._backbone.output(forward, batch, self._kind)


def _computed(job: MeasureJob, groups: Groups) -> dict[str, np.ndarray]:
    """What these groups add to `theta`, and what `whole_gram` commits beside it."""
    rows = sampled_rows(job, job.ntk.sample)
    backbone = resident_backbone(job)
    passes = Passes(backbone, job.ntk.output, rows, job.batch_rows)
    kernel = exact_kernel(backbone.module, groups, passes.scalar, passes.from_row, rows.num_rows, budget_bytes(job))
    return {
        "theta": kernel.theta.cpu().numpy(),
        "keys": rows["key"].to_numpy(),
        "is_real": real_rows(rows),
        "outputs": kernel.outputs.cpu().numpy(),
        "probabilities": passes.probabilities,
    }


def _commit_gram(job: MeasureJob, ref: ArtifactRef, tensors: dict[str, np.ndarray], seconds: float) -> ArtifactRef:
    theta = tensors["theta"]
    numbers = {"n": len(theta), "mean_diagonal": float(np.mean(np.diag(theta)))}
    job.store.commit(ref, inputs=_inputs(job), tensors=tensors, numbers=numbers, seconds=seconds, peak_bytes=peak_bytes())
    return ref
