"""Preparation of a loaded module: batch norms neutralised, all parameters frozen, one precision throughout."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mixval.errors import ModelError


def neutralise_batch_norms(module: nn.Module) -> int:
    """Set weight 1 and bias 0 in every batch norm (DAVINZ), leave its running statistics, and return how many there are."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    for norm in norms:
        if norm.affine:
            nn.init.ones_(norm.weight)
            nn.init.zeros_(norm.bias)
    return len(norms)


def freeze(module: nn.Module, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """The module in evaluation mode, cast and moved, no parameter of it taking a gradient.

    Raises ModelError when a batch norm keeps no running statistics: a row's result would depend on the rows beside it.
    """
    for name, part in module.named_modules():
        if isinstance(part, _BatchNorm) and part.running_mean is None:
            raise ModelError(
                f"batch norm {name!r} keeps no running statistics, so a row's result would depend on its batch. "
                "Choose a model with track_running_stats."
            )
    try:
        placed = module.to(device=device, dtype=dtype)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"the model cannot be moved to {device} as {dtype}: {error}. Check runtime.device.") from error
    return placed.eval().requires_grad_(False)
