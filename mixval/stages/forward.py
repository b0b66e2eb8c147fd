"""The forward pass: each sampled row's loss and features at the initial checkpoint (Eq. 8, terms one and two)."""

import time

import numpy as np
import pyarrow as pa
import torch

from mixval.contracts.record import ArtifactRef
from mixval.models.backbone import Backbone, Batch, Forward, n_truncated
from mixval.models.hidden import caught, masked_mean
from mixval.models.outputs import IGNORED
from mixval.stages.jobs import MeasureJob
from mixval.stages.resident import resident_backbone
from mixval.stages.rows import counted, in_batches, real_rows, sampled_rows
from mixval.telemetry.peak import peak_bytes

VERSION = 2
"""Raised whenever the numbers change."""


def forward_ref(job: MeasureJob) -> ArtifactRef:
    """Where the pass is, or will be, committed."""
    return job.store.ref("forward", VERSION, **_inputs(job))


def forward_pass(job: MeasureJob) -> ArtifactRef:
    """Commit `keys` (N,), `is_real` (N,), `losses` (N,), `counts` (N,), `features` (N, D), `labels` (N,) if any."""
    ref = forward_ref(job)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    rows = sampled_rows(job, job.sample)
    backbone = resident_backbone(job)
    tensors = {"keys": rows["key"].to_numpy(), "is_real": real_rows(rows)} | _passes(backbone, rows, job)
    if "label" in rows.column_names:
        tensors["labels"] = np.array(rows["label"].to_pylist(), dtype=np.int64)
    numbers = {
        "n_sampled": rows.num_rows,
        "n_truncated": int(tensors.pop("n_truncated")[0]),
        "n_dimensions": int(tensors["features"].shape[1]),
    }
    seconds = time.perf_counter() - started
    job.store.commit(ref, inputs=_inputs(job), tensors=tensors, numbers=numbers, seconds=seconds, peak_bytes=peak_bytes())
    return ref


def _inputs(job: MeasureJob) -> dict[str, object]:
    return job.rows_key() | job.model_key() | {"sample": job.sample, "features": job.discrepancy.features}


@torch.inference_mode()
def _passes(backbone: Backbone, rows: pa.Table, job: MeasureJob) -> dict[str, np.ndarray]:
    losses: list[np.ndarray] = []
    counts: list[np.ndarray] = []
    features: list[np.ndarray] = []
    truncated = 0
    for piece in counted(job.contributor.name, in_batches(rows, backbone.rows_a_pass(job.batch_rows))):
        batch = backbone.encode(piece)
        forward, compared = pass_with_features(backbone, piece, batch, job.discrepancy.features)
        loss, count = backbone.losses(forward, batch)
        losses.append(loss.double().cpu().numpy())
        counts.append(count.double().cpu().numpy())
        # float64 backbones have float64 features; bfloat16 has no NumPy type.
        features.append((compared if compared.dtype == torch.float64 else compared.float()).cpu().numpy())
        truncated += n_truncated(batch)
    return {
        "losses": np.concatenate(losses),
        "counts": np.concatenate(counts),
        "features": np.concatenate(features),
        "n_truncated": np.array([truncated]),
    }


def pass_with_features(backbone: Backbone, rows: pa.Table, batch: Batch, chosen: str) -> tuple[Forward, torch.Tensor]:
    """One forward pass, and the (B, D) features of `discrepancy.features` that it gives."""
    if chosen == "pixels":
        return backbone.forward(batch), backbone.pixels(rows)
    if chosen == "backbone":
        forward = backbone.forward(batch)
        return forward, forward.features
    with caught(backbone.module) as hidden:
        forward = backbone.forward(batch)
        answer = masked_mean(hidden.state, (batch["targets"] != IGNORED).long())
    return forward, torch.cat([forward.features, answer], dim=1)
