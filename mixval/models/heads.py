"""The classification head: the checkpoint's own, or a new one whose weights are a function of the seed.

A checkpoint's head is used where it has as many outputs as T has classes, labelled 0, 1, ... as its outputs are. Otherwise, and
where there is none (a base model, a masked LM, a sentence encoder), the model gets a new one with an output for each class of T
in sorted order: linear weights are normal with standard deviation 0.02, as in BERT and GPT-2, biases zero, norms the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from mixval.config.backbone import BackboneConfig
from mixval.errors import ModelError
from mixval.models.tensors import HEADS, head_parts
from mixval.seeds import derive_seed

HEAD_STD = 0.02
"""Of a new head's weights."""


def wanted_outputs(config: BackboneConfig, n_outputs: int, labels: Sequence[int] | None) -> int | None:
    """Outputs that the model is made with; None for the `n_outputs` of the checkpoint's configuration.

    Raises ModelError where T has no two classes.
    """
    if labels is None or config.head == "checkpoint":
        return None
    if config.head == "auto" and n_outputs == len(labels):
        return None
    if len(labels) < 2:
        raise ModelError(f"a new head needs the labels of T, at least two; found {list(labels)}. Check the target set.")
    return len(labels)


def seed_head(module: nn.Module, names: Sequence[str], seed: int) -> None:
    """Give the modules with these names new weights, each from `seed` and its name."""
    for name in names:
        initialise(module.get_submodule(name), derive_seed("head", seed, name))


def initialise(part: nn.Module, seed: int) -> None:
    """New weights for one module: normal ones, zero biases, identity norms; torch's random state is left as it was."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.ndim > 1:
                drawn: Any = torch.randn(parameter.shape, generator=random) * HEAD_STD
                parameter.copy_(drawn)
            else:
                parameter.fill_(0.0 if "bias" in name else 1.0)
        for name, buffer in part.named_buffers(recurse=False):
            if name.startswith("running_"):
                buffer.fill_(1.0 if name.endswith("var") else 0.0)


def describe_head(module: nn.Module, names: Sequence[str], seed: int, why: str) -> str:
    """A sentence that names a new head: its layers with their shapes, the seed, and why it is there."""
    shapes = []
    for name in names:
        part = module.get_submodule(name)
        sizes = [tuple(parameter.shape) for parameter in part.parameters(recurse=False) if parameter.ndim > 1]
        shapes.append(f"{name} {' x '.join(map(str, sizes[0]))}" if sizes else name)
    n_classes = int(cast("Any", module).config.num_labels)
    return (
        f"{why}: {type(module).__name__} got a new, untrained one of {n_classes} classes ({', '.join(shapes)}; "
        f"`backbone.head_seed: {seed}`)."
    )


def classification_head(module: nn.Module) -> nn.Linear:
    """The last Linear of the model's head: the layer whose outputs are the logits. Raises ModelError without one."""
    for name in HEADS:
        head = getattr(module, name, None)
        linears = [] if head is None else [part for part in head.modules() if isinstance(part, nn.Linear)]
        if linears:
            return linears[-1]
    linears = [part for part in head_parts(module).values() if isinstance(part, nn.Linear)]
    if linears:
        return linears[-1]
    raise ModelError(
        f"{type(module).__name__} must have a classification head that ends in a Linear layer, found none. "
        "Choose another model."
    )
