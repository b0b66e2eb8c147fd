"""The empirical tangent kernel of a contributor's gradient sample: one piece, or slices whose blocks fan out.

Theta_0 runs over both parts of S (Eq. 8, arXiv 2511.13640). The Gram matrix is committed with the outputs, so another
damping, residual or block form recomputes no gradient.
"""

import time
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import torch

from mixval.contracts.record import ArtifactRef
from mixval.models.backbone import Backbone
from mixval.models.outputs import OutputKind
from mixval.stages.jobs import MeasureJob
from mixval.stages.memory import peak_bytes
from mixval.stages.resident import resident_backbone
from mixval.stages.rows import in_batches, real_rows, sampled_rows
from mixval.storage.sample import part_counts
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.slice import GradientSlice

VERSION = 1
"""Raised whenever the numbers change."""


def gram_ref(job: MeasureJob) -> ArtifactRef:
    """Where the contributor's Gram matrix is, or will be, committed."""
    return job.store.ref("gram", VERSION, **_inputs(job))


def slice_bounds(job: MeasureJob) -> list[tuple[int, int]]:
    """Row ranges of the gradient slices, equal but for the last."""
    n = sum(part_counts(job.n_real, job.n_synthetic, job.ntk.sample.count, job.ntk.sample.fraction))
    size = job.ntk.slice_rows
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def whole_gram(job: MeasureJob) -> ArtifactRef:
    """Commit `theta` (N, N) float64, `outputs` (N,), `probabilities` (N,), `keys` (N,) and `is_real` (N,) in one go."""
    ref = gram_ref(job)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    rows = sampled_rows(job, job.ntk.sample)
    gradients, described = _captured(job, rows)
    theta = gram_block(gradients, gradients).numpy()
    return _commit_gram(job, ref, theta, described, time.perf_counter() - started)


def gradient_slice(job: MeasureJob, bounds: tuple[int, int]) -> ArtifactRef:
    """Commit the per-example gradients (or their factors) of rows `bounds` of the gradient sample."""
    ref = job.store.ref("gradient-slice", VERSION, **_inputs(job), bounds=bounds)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    rows = sampled_rows(job, job.ntk.sample).slice(bounds[0], bounds[1] - bounds[0])
    gradients, described = _captured(job, rows)
    tensors = described | {f"slice/{name}": array for name, array in gradients.to_arrays().items()}
    seconds = time.perf_counter() - started
    job.store.commit(ref, inputs=_inputs(job) | {"bounds": bounds}, tensors=tensors, seconds=seconds)
    return ref


def block(job: MeasureJob, rows: ArtifactRef, cols: ArtifactRef) -> ArtifactRef:
    """Commit one Gram block (N, M) between two gradient slices."""
    ref = job.store.ref("gram-block", VERSION, rows=rows.fingerprint, cols=cols.fingerprint)
    if job.store.committed(ref) is not None:
        return ref
    left = _read_slice(job, rows)
    right = left if rows == cols else _read_slice(job, cols)
    theta = gram_block(left, right).numpy()
    inputs = {"rows": rows.fingerprint, "cols": cols.fingerprint}
    job.store.commit(ref, inputs=inputs, tensors={"theta": theta})
    return ref


def assembled_gram(job: MeasureJob, slices: list[ArtifactRef], blocks: dict[tuple[int, int], ArtifactRef]) -> ArtifactRef:
    """Commit the whole Gram matrix from its upper blocks, and clear the slices and blocks away."""
    ref = gram_ref(job)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    parts = [job.store.read_tensors(piece) for piece in slices]
    described = {name: np.concatenate([part[name] for part in parts]) for name in DESCRIBED}
    edges = np.cumsum([0, *(len(part["keys"]) for part in parts)])
    theta = np.empty((edges[-1], edges[-1]))
    for (i, j), piece in blocks.items():
        values = job.store.read_tensors(piece)["theta"]
        theta[edges[i] : edges[i + 1], edges[j] : edges[j + 1]] = values
        theta[edges[j] : edges[j + 1], edges[i] : edges[i + 1]] = values.T
    done = _commit_gram(job, ref, theta, described, time.perf_counter() - started)
    for piece in (*slices, *blocks.values()):
        job.store.discard(piece)
    return done


DESCRIBED = ("keys", "is_real", "outputs", "probabilities")


def _inputs(job: MeasureJob) -> dict[str, object]:
    switches = {"output": job.ntk.output, "parameters": sorted(job.ntk.parameters), "sample": job.ntk.sample}
    return job.rows_key() | job.model_key() | switches


def capture_rows(job: MeasureJob, rows: pa.Table) -> tuple[GradientSlice, np.ndarray]:
    """Gradients of these rows with f, and (N,) float64 probabilities."""
    backbone = resident_backbone(job)
    names = select_parameters(backbone.module, job.ntk.parameters)
    passes = _Passes(backbone, job.ntk.output, in_batches(rows, job.batch_rows))
    gradients = capture(backbone.module, names, passes.scalar, passes)
    return gradients, torch.cat(passes.probabilities).double().cpu().numpy()


class _Passes:
    """Batches of rows and the scalar output on them; each row's probability is noted, since the same pass gives both."""

    def __init__(self, backbone: Backbone, kind: OutputKind, pieces: Iterable[pa.Table]) -> None:
        self._backbone, self._kind, self._pieces = backbone, kind, pieces
        self._batch: dict[str, torch.Tensor] = {}
        self.probabilities: list[torch.Tensor] = []

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for piece in self._pieces:
            self._batch = self._backbone.encode(piece)
            yield self._batch

    def scalar(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        forward = self._backbone.forward(batch)
        # `capture` also runs one row by itself, to check its gradient: that is no batch of ours.
        if batch is self._batch:
            self.probabilities.append(self._backbone.probability(forward, batch).detach())
        return self._backbone.output(forward, batch, self._kind)


def _captured(job: MeasureJob, rows: pa.Table) -> tuple[GradientSlice, dict[str, np.ndarray]]:
    """Gradients of sampled rows, and the arrays of `DESCRIBED`."""
    gradients, probabilities = capture_rows(job, rows)
    return gradients, {
        "keys": rows["key"].to_numpy(),
        "is_real": real_rows(rows),
        "outputs": gradients.outputs.double().cpu().numpy(),
        "probabilities": probabilities,
    }


def _read_slice(job: MeasureJob, ref: ArtifactRef) -> GradientSlice:
    arrays = job.store.read_tensors(ref)
    return GradientSlice.from_arrays(
        {name.removeprefix("slice/"): array for name, array in arrays.items() if name.startswith("slice/")}
    )


def _commit_gram(
    job: MeasureJob, ref: ArtifactRef, theta: np.ndarray, described: dict[str, np.ndarray], seconds: float
) -> ArtifactRef:
    tensors = {"theta": theta} | described
    numbers = {"n": len(theta), "mean_diagonal": float(np.mean(np.diag(theta)))}
    job.store.commit(ref, inputs=_inputs(job), tensors=tensors, numbers=numbers, seconds=seconds, peak_bytes=peak_bytes())
    return ref
