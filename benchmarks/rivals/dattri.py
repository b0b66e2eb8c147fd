"""TRAK and LoGra of `dattri`: self-influences of the rows, the smallest job that takes all of both methods."""

from __future__ import annotations

import tempfile
from contextlib import chdir
from functools import wraps
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.rivals.job import Job, Made
from benchmarks.rivals.shapes import Shape, losses

TRAK_WIDTH = 512
"""The default of its projector."""
LOGRA_WIDTH = 256
"""16 x 16 a layer. Its default of 4096 inverts a matrix of that side a layer, which takes minutes."""


def _prepare_trak(shape: Shape) -> Any:
    from dattri.algorithm.trak import TRAKAttributor
    from dattri.task import AttributionTask

    def loss(weights: Any, row: Any) -> torch.Tensor:
        inputs, labels = row
        inputs, labels = (inputs, labels) if len(labels.shape) > shape.labels.ndim - 1 else (inputs[None], labels[None])
        return losses(torch.func.functional_call(shape.module, weights, inputs), labels).mean()

    rows = DataLoader(TensorDataset(shape.inputs, shape.labels), batch_size=shape.batch_rows, shuffle=False)
    task = AttributionTask(loss_func=loss, model=shape.module, checkpoints=[shape.module.state_dict()])
    projector = {"proj_dim": TRAK_WIDTH, "device": "cpu", "proj_max_batch_size": 32}

    def work() -> Made:
        attributor = TRAKAttributor(
            task=task,
            correct_probability_func=lambda weights, row: torch.exp(-loss(weights, row)),
            projector_kwargs=projector,
            device="cpu",
            regularization=1e-3,
        )
        with torch.no_grad():
            return Made(len(attributor.self_attribute(rows)))

    return work


class _Sequences(Dataset[dict[str, torch.Tensor]]):
    """Rows as the Hugging Face model takes them: for tuples, 0.3.0 has its own cross-entropy wired in."""

    def __init__(self, ids: torch.Tensor) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self._ids[index], "labels": self._ids[index]}


def hand_over_lists() -> None:
    """Hand LoGra's set-up a list of one batch: 0.3.0 indexes the sample batch twice when batches are tuples."""
    from dattri.algorithm.block_projected_if import block_projected_if as wired

    setup = getattr(wired.setup_model_compressors, "__wrapped__", wired.setup_model_compressors)

    @wraps(setup)
    def of_list(*given: Any, **named: Any) -> Any:
        return setup(*given, **(named | {"sample_inputs": [named["sample_inputs"]]}))

    wired.setup_model_compressors = of_list


def _prepare_logra(shape: Shape) -> Any:
    from dattri.algorithm.logra import LoGraAttributor
    from dattri.task import AttributionTask

    module, rows = shape.module, TensorDataset(shape.inputs, shape.labels)
    if shape.is_language:
        module, rows = shape.module.lm, _Sequences(shape.inputs)
    else:
        hand_over_lists()

    def loss(model: Any, batch: Any, _device: str) -> torch.Tensor:
        if shape.is_language:
            return model(**batch).loss * len(batch["input_ids"])
        return losses(model(batch[0]), batch[1]).sum()

    loader = DataLoader(rows, batch_size=shape.batch_rows, shuffle=False)
    task = AttributionTask(loss_func=loss, model=module, checkpoints=[module.state_dict()])

    def work() -> Made:
        # It leaves metadata in the working directory, and would read it back.
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            switches = {"hessian": "eFIM", "damping": 1e-2, "proj_dim": LOGRA_WIDTH, "offload": "none"}
            attributor = LoGraAttributor(task=task, device="cpu", **switches)
            attributor.cache(loader)
            return Made(len(attributor.compute_self_attribution()))

    return work


JOBS = {
    "dattri-trak": Job(_prepare_trak, f"self-influences of the rows, {TRAK_WIDTH} features a row"),
    "dattri-logra": Job(
        _prepare_logra, f"self-influences of the rows, {LOGRA_WIDTH} features a row and linear layer", partial=("resnet",)
    ),
}
