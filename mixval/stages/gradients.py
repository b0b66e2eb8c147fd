"""The empirical NTK of a contributor's gradient sample: in one task, or groups of layers side by side.

Where the value is by NTK regression, T's gradient sample is appended to the contributor's, so that Theta(T, S) is computed with
Theta(S, S).

Theta_0 runs over both parts of S (Eq. 8, arXiv 2511.13640). The Gram matrix is committed with the outputs, so another
damping, residual or block form recomputes no gradient. Gradients never leave the task that took them: a task has at most
`runtime.gradient_bytes` of them in memory, and repeats the pass for the rest.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import torch

from mixval.contracts.record import ArtifactRef
from mixval.errors import ConfigError
from mixval.models.backbone import Backbone
from mixval.models.outputs import OutputKind
from mixval.stages.footprint import probe_footprint
from mixval.stages.jobs import MeasureJob
from mixval.stages.preconditioning import preconditioner_key, read_preconditioner
from mixval.stages.resident import resident_backbone
from mixval.stages.rows import class_indices, counted, in_batches, real_rows, sampled_rows
from mixval.stages.steps import Work
from mixval.storage.sample import part_counts
from mixval.telemetry.peak import peak_bytes
from mixval.terms.ntk.groups import layer_groups
from mixval.terms.ntk.kernel import exact_kernel
from mixval.terms.ntk.objective import squared_lengths

VERSION = 3
"""Raised whenever the numbers change."""
MOST_PARTS = 8
"""Tasks that the groups of one contributor are distributed over, at most: each commits a whole Theta."""
Groups = Sequence[tuple[str, ...]]
BLOCKS = ("theta", "theta_ts", "target_squares")
"""Tensors that are sums over groups of layers."""


def gram_ref(job: MeasureJob, target: MeasureJob | None = None) -> ArtifactRef:
    """Where the contributor's Gram matrix is, or will be, committed. The target is needed where the value is by NTK
    regression."""
    return job.store.ref("gram", VERSION, **_inputs(job, target))


def gram_parts(job: MeasureJob, target: MeasureJob | None = None) -> list[Groups]:
    """Groups of layers whose gradients fit the budget for all rows, distributed over tasks."""
    sides = [job] if (appended := _required_target(job, target)) is None else [job, appended]
    chosen = job.ntk.sample
    n = sum(sum(part_counts(one.n_real, one.n_synthetic, chosen.count, chosen.fraction)) for one in sides)
    groups = layer_groups(probe_footprint(job).weight_bytes, n, budget_bytes(job))
    # In turn, since groups near the output take a shorter backward pass.
    n_parts = min(len(groups), MOST_PARTS)
    return [groups[i::n_parts] for i in range(n_parts)]


def budget_bytes(job: MeasureJob) -> int:
    """Bytes of gradients and their factors that a task has in memory at a time."""
    return job.gradient_bytes or job.contributor.gradient_bytes


def whole_gram(job: MeasureJob, target: MeasureJob | None = None) -> ArtifactRef:
    """Commit `theta` (N, N) float64, `outputs` (N,), `probabilities` (N,), `keys` (N,) and `is_real` (N,) from one task.

    For NTK regression also `theta_ts` (M, N), `target_squares` (M,), l^2 of `objective.py`, `target_keys` (M,), and `labels`
    (N,) with `target_labels` (M,) as class indices, or `tokens` (N,) with `target_tokens` (M,). Raises ConfigError for the
    regression value without a target.
    """
    ref = gram_ref(job, target)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    tensors = _computed(job, target, [group for part in gram_parts(job, target) for group in part])
    return _commit_gram(job, ref, _inputs(job, target), tensors, time.perf_counter() - started)


def gram_work(job: MeasureJob, target: MeasureJob) -> Work:
    """What commits the Gram matrix: one call, or parts side by side and their sum where the gradients exceed the budget."""
    parts = gram_parts(job, target)
    if len(parts) == 1:
        return Work(whole_gram, (job, target))
    made = [_part_ref(job, part, target) for part in parts]
    return Work(summed_gram, (job, made, target), partial_gram, [(job, part, target) for part in parts])


def partial_gram(job: MeasureJob, groups: Groups, target: MeasureJob | None = None) -> ArtifactRef:
    """Commit the share of these groups of layers in `BLOCKS`, with all else that `whole_gram` commits."""
    ref = _part_ref(job, groups, target)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    tensors = _computed(job, target, groups)
    inputs = _part_inputs(job, groups, target)
    job.store.commit(ref, inputs=inputs, tensors=tensors, seconds=time.perf_counter() - started, peak_bytes=peak_bytes())
    return ref


def summed_gram(job: MeasureJob, parts: Sequence[ArtifactRef], target: MeasureJob | None = None) -> ArtifactRef:
    """Commit the whole Gram matrix as the sum over all groups, and delete the parts."""
    ref = gram_ref(job, target)
    if job.store.committed(ref) is None:
        started = time.perf_counter()
        tensors = job.store.read_tensors(parts[0])
        blocks = [name for name in BLOCKS if name in tensors]
        for part in parts[1:]:
            added = job.store.read_tensors(part, blocks)
            for name in blocks:
                tensors[name] += added[name]
        _commit_gram(job, ref, _inputs(job, target), tensors, time.perf_counter() - started)
    for part in parts:
        job.store.discard(part)
    return ref


def _part_ref(job: MeasureJob, groups: Groups, target: MeasureJob | None) -> ArtifactRef:
    return job.store.ref("gram-part", VERSION, **_part_inputs(job, groups, target))


def _part_inputs(job: MeasureJob, groups: Groups, target: MeasureJob | None) -> dict[str, object]:
    return _inputs(job, target) | {"groups": [list(group) for group in groups]}


def _preconditioned(job: MeasureJob, target: MeasureJob | None) -> MeasureJob | None:
    """The target where gradients are preconditioned by its own, else None."""
    if job.ntk.preconditioner == "none":
        return None
    if target is None:
        raise ConfigError(
            f"contributor {job.contributor.name!r}: `ntk.preconditioner: target` needs the target's gradients, found no "
            "target. Give its job."
        )
    return target


def _required_target(job: MeasureJob, target: MeasureJob | None) -> MeasureJob | None:
    """The target where the value is by NTK regression, else None."""
    if not job.is_ntk_regression:
        return None
    if target is None:
        raise ConfigError(
            f"contributor {job.contributor.name!r}: `value.method: ntk-regression` needs Theta(T, S), found no target. Give "
            f"its job."
        )
    return target


def _inputs(job: MeasureJob, target: MeasureJob | None) -> dict[str, object]:
    switches = {"output": job.ntk.output, "parameters": sorted(job.ntk.parameters), "sample": job.ntk.sample}
    appended = _required_target(job, target)
    made = job.rows_key() | job.model_key() | switches | ({} if appended is None else {"target": appended.rows_key()})
    return made | preconditioner_key(_preconditioned(job, target))


class KernelBatches:
    """Batches of tables from any row on, and the scalar output on them; probability and token count of each row are
    recorded.
    """

    def __init__(
        self,
        backbone: Backbone,
        kind: OutputKind,
        rows: pa.Table,
        batch_rows: int,
        mix_seed: int = 0,
        below: pa.Table | None = None,
    ) -> None:
        """`batch_rows` rows go through the backbone at a time. Rows of `below` follow, in separate batches."""
        self._backbone, self._kind, self._mix_seed = backbone, kind, mix_seed
        self._batch_rows = backbone.rows_a_pass(batch_rows)
        self._tables = [rows] if below is None else [rows, below]
        self._batch: dict[str, torch.Tensor] = {}
        self._place = slice(0, 0)
        self.n_rows = sum(table.num_rows for table in self._tables)
        """N."""
        self.probabilities = np.full(self.n_rows, np.nan)
        """(N,) float64; NaN for rows that no pass has reached."""
        self.counts = np.full(self.n_rows, np.nan)
        """(N,) float64, 1 or answer tokens; NaN likewise."""

    def from_row(self, start: int) -> Iterator[dict[str, torch.Tensor]]:
        """Batches of row `start` and all later ones."""
        at = 0
        for table in self._tables:
            skipped = min(max(start - at, 0), table.num_rows)
            at += skipped
            for piece in in_batches(table.slice(skipped), self._batch_rows):
                self._place = slice(at, at + piece.num_rows)
                self._batch = self._backbone.encode(piece)
                yield self._batch
                at += piece.num_rows

    def scalar(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """f (B,)."""
        forward = self._backbone.forward(batch)
        # Capturing also runs one row by itself, to check its gradient: that one is not recorded.
        if batch is self._batch:
            found = self._backbone.probability(forward, batch).detach()
            self.probabilities[self._place] = found.double().cpu().numpy()
            self.counts[self._place] = self._backbone.losses(forward, batch)[1].detach().cpu().numpy()
        return self._backbone.output(forward, batch, self._kind, self._mix_seed)


def _computed(job: MeasureJob, target: MeasureJob | None, groups: Groups) -> dict[str, np.ndarray]:
    """The share of these groups in `BLOCKS`, and the other tensors of `whole_gram`."""
    rows, appended = sampled_rows(job, job.ntk.sample), _required_target(job, target)
    below = None if appended is None else sampled_rows(appended, job.ntk.sample)
    backbone, n = resident_backbone(job), rows.num_rows
    batches = KernelBatches(backbone, job.ntk.output, rows, job.batch_rows, job.seed, below)
    from_row = lambda start: counted(job.contributor.name, batches.from_row(start))  # noqa: E731
    scaled = read_preconditioner(_preconditioned(job, target))
    kernel = exact_kernel(
        backbone.module, groups, batches.scalar, from_row, batches.n_rows, budget_bytes(job), preconditioner=scaled
    )
    theta = kernel.theta.cpu().numpy()
    tensors = {
        "theta": np.ascontiguousarray(theta[:n, :n]),
        "keys": rows["key"].to_numpy(),
        "is_real": real_rows(rows),
        "outputs": kernel.outputs[:n].cpu().numpy(),
        "probabilities": batches.probabilities[:n],
    }
    if below is None:
        return tensors
    tensors |= {"theta_ts": np.ascontiguousarray(theta[n:, :n]), "target_squares": squared_lengths(theta[n:, n:])}
    tensors |= {"target_keys": below["key"].to_numpy()}
    if job.classes is None:
        return tensors | {"tokens": batches.counts[:n], "target_tokens": batches.counts[n:]}
    own, target_labels = (class_indices(job, table["label"].to_numpy()) for table in (rows, below))
    return tensors | {"labels": own, "target_labels": target_labels}


def _commit_gram(
    job: MeasureJob, ref: ArtifactRef, inputs: dict[str, object], tensors: dict[str, np.ndarray], seconds: float
) -> ArtifactRef:
    theta = tensors["theta"]
    numbers = {"n": len(theta), "mean_diagonal": float(np.mean(np.diag(theta)))}
    job.store.commit(ref, inputs=inputs, tensors=tensors, numbers=numbers, seconds=seconds, peak_bytes=peak_bytes())
    return ref
