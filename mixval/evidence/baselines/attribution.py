"""A trained backbone and a world's rows as attribution libraries want them: a module that gives a loss, data sets of rows."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mixval.evidence.baselines.inputs import Inputs
from mixval.models.backbone import Backbone, Batch


class LossModule(nn.Module):
    """Calls a backbone; its parameters are the backbone's."""

    def __init__(self, backbone: Backbone) -> None:
        """Over a copy of the backbone whose parameters take gradients, in evaluation mode."""
        super().__init__()
        own = copy.deepcopy(backbone)  # as a whole: the family holds a layer of the module
        self.module = own.module.requires_grad_(True)
        self.backbone = own

    def forward(self, **batch: Tensor) -> SimpleNamespace:
        """`loss`, summed over rows, each row's a mean over what counts in it."""
        forward = self.backbone.forward(batch)
        losses, counts = self.backbone.losses(forward, batch)
        return SimpleNamespace(loss=(losses / counts).sum())


class RowSet(Dataset[Batch]):
    """Encoded rows one by one, texts padded to the longest."""

    def __init__(self, batch: Batch) -> None:
        """Of one batch that holds all rows."""
        self._batch = batch

    def __len__(self) -> int:
        """Rows."""
        return len(self._batch["targets"])

    def __getitem__(self, at: int) -> Batch:
        """One row's tensors, without the dimension of rows."""
        return {name: value[at] for name, value in self._batch.items()}


def last_checkpoint(inputs: Inputs, seed: int) -> LossModule:
    """The backbone at the end of the training that all such methods share."""
    return LossModule(inputs.checkpoints(seed)[-1])


def row_sets(inputs: Inputs) -> tuple[RowSet, RowSet]:
    """All contributors' rows, by contributor, and T's."""
    pooled = pa.concat_tables([one.table for one in inputs.contributors], promote_options="default")
    return RowSet(inputs.backbone.encode(pooled)), RowSet(inputs.backbone.encode(inputs.target))


def loader(rows: RowSet, batch_rows: int) -> DataLoader[Batch]:
    """Batches of them in order."""
    return DataLoader(rows, batch_size=batch_rows, shuffle=False)


def linear_layers(module: nn.Module) -> list[str]:
    """Names of its plain Linear layers."""
    return [name for name, part in module.named_modules() if type(part) is nn.Linear]


def row_sums(scores: Any) -> Tensor:  # (N, M)
    """(N,) sums over targets, float64."""
    return torch.as_tensor(scores).detach().double().cpu().sum(dim=1)
