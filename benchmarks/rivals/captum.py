"""TracInCP of `captum` with one checkpoint: self-influences of the rows, over all layers or over the last one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks.rivals.job import Job, Made
from benchmarks.rivals.shapes import Shape, losses


def _load(module: nn.Module, path: str) -> float:
    module.load_state_dict(torch.load(path, weights_only=True))
    return 1.0


def _prepare_all(shape: Shape) -> Any:
    from captum.influence import TracInCP

    switches: dict[str, Any] = {"sample_wise_grads_per_batch": True, "loss_fn": nn.CrossEntropyLoss(reduction="sum")}
    if shape.is_language:
        # Its per-example gradients of a layer take one vector an example: sequences go row by row, as it documents.
        switches = {"sample_wise_grads_per_batch": False, "loss_fn": _rows_losses}
    elif shape.name == "resnet":
        switches["layers"] = [name for name, part in shape.module.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)]

    def work() -> Made:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "weights.pt")
            torch.save(shape.module.state_dict(), path)
            rows = TensorDataset(shape.inputs, shape.labels)
            found = TracInCP(shape.module, rows, [path], _load, batch_size=shape.batch_rows, **switches)
            return Made(len(found.self_influence(show_progress=False)))

    return work


def _rows_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return losses(logits, labels)


_rows_losses.reduction = "none"  # type: ignore[attr-defined]  # captum asks its loss for this


def _prepare_last(shape: Shape) -> Any:
    from captum.influence import TracInCPFast

    def work() -> Made:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "weights.pt")
            torch.save(shape.module.state_dict(), path)
            rows, last = TensorDataset(shape.inputs, shape.labels), list(shape.module.children())[-1]
            loss = nn.CrossEntropyLoss(reduction="sum")
            found = TracInCPFast(shape.module, last, rows, [path], _load, loss_fn=loss, batch_size=shape.batch_rows)
            return Made(len(found.self_influence(show_progress=False)))

    return work


JOBS = {
    "captum-tracin": Job(_prepare_all, "gradient norms of the rows"),
    "captum-tracin-fast": Job(
        _prepare_last,
        "gradient norms of the rows in the last layer",
        {"llama": "its last layer has to take one vector an example"},
        partial=("mlp", "resnet"),
    ),
}
