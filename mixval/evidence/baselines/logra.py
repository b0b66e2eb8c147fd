"""LoGra: influence with gradients of Linear layers projected from both sides (Choe et al., arXiv 2405.13954).

By dattri (extra `attribution`), at the end of one training on all contributors' rows: 16 by 16 numbers a layer, curvature from
the empirical Fisher of these rows with damping 0.01. A contributor has the sum over its rows of their influence on T's rows.
Convolutions have no such gradients in dattri: of a ResNet only the head counts.
"""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch import Tensor, nn

from mixval.errors import ConfigError
from mixval.evidence.baselines.attribution import last_checkpoint, linear_layers, loader, row_sets, row_sums
from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.grouping import by_contributor
from mixval.evidence.baselines.inputs import Inputs
from mixval.models.backbone import Batch
from mixval.terms.arrays import Floats

PROJECTED = 16**2
DAMPING = 0.01


def logra(inputs: Inputs, seed: int) -> Floats:
    """(K,) sums of influences. Raises ConfigError without dattri, or for a backbone without Linear layers."""
    attributor = optional("dattri.algorithm.logra").LoGraAttributor
    task = optional("dattri.task").AttributionTask
    module = last_checkpoint(inputs, seed)
    rows, targets = (loader(own, inputs.budget.batch_rows) for own in row_sets(inputs))
    layers = _reached(module, linear_layers(module), next(iter(rows)), inputs.backbone.device)
    if not layers:
        raise ConfigError("LoGra needs Linear layers that the loss reaches, found none in the backbone. Leave the method out.")
    with tempfile.TemporaryDirectory() as folder, torch.enable_grad():  # without a folder it writes where it was started
        work = attributor(
            task(loss_func=_loss, model=module, checkpoints=module.state_dict()),
            layer_names=layers,
            hessian="eFIM",
            damping=DAMPING,
            device=str(inputs.backbone.device),
            proj_dim=PROJECTED,
            offload="none",
            cache_dir=folder,
        )
        work.cache(rows)
        scores = row_sums(work.attribute(rows, targets)).numpy()
    return by_contributor(scores, [one.n_rows for one in inputs.contributors])


def _reached(module: nn.Module, layers: list[str], batch: Batch, device: Any) -> list[str]:
    """Those whose weights move the loss: a pooler that the head does not read has curvature zero, which no damping inverts."""
    with torch.enable_grad():
        weights = [module.get_parameter(f"{name}.weight").requires_grad_(True) for name in layers]
        found = torch.autograd.grad(_loss(module, batch, device), weights, allow_unused=True)
    return [name for name, gradient in zip(layers, found, strict=True) if gradient is not None and gradient.any()]


def _loss(module: nn.Module, batch: Batch, device: Any) -> Tensor:
    loss: Tensor = module(**{name: value.to(device) for name, value in batch.items()}).loss
    return loss
