"""Which parameters of a module enter the kernel: their kinds, the modules that own them, and which cannot be captured.

A parameter has an owner for each module that holds it: GPT-2's token table belongs to an Embedding and to the output Linear,
and counts as soon as one of them is of a selected kind. A parameter is known by its first name in `named_parameters()`.
"""

import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from torch import nn

from mixval.errors import ModelError

KINDS = ("linear", "conv", "embedding", "norm", "bias", "lora")
CHANNELS_FIRST = (nn.GroupNorm, nn.modules.batchnorm._BatchNorm)
"""Norms whose weight runs along dimension 1 of their output; that of the others runs along the last ones."""
LORA_MATRICES = ("lora_A", "lora_B")


@dataclass(frozen=True)
class Owner:
    """One module that holds a parameter."""

    path: str
    """The module's name; empty for the root."""
    module: nn.Module
    local: str
    """The parameter's name within it."""
    kind: str | None
    """None: the parameter is of no kind that can be chosen."""
    is_captured: bool
    """Whether per-example gradients of it can be taken."""


def select_parameters(module: nn.Module, kinds: Collection[str]) -> list[str]:
    """Names of the parameters of these kinds, in the order of `named_parameters()`.

    A kind that the module lacks selects nothing: linear and conv weights are the linear ones of a language model. Raises
    ModelError when all kinds together select nothing (naming the kinds that are there), or when a parameter of a kind belongs
    to a module whose per-example gradients cannot be taken (naming it), so that nothing is left out silently.
    """
    owners, wanted = parameter_owners(module), set(kinds)
    if unknown := sorted(wanted - set(KINDS)):
        raise ModelError(f"unknown kinds of parameters {unknown}; choose from {', '.join(KINDS)}.")
    present = {owner.kind for modules in owners.values() for owner in modules if owner.kind is not None}
    if not wanted & present:
        raise ModelError(
            f"`ntk.parameters`: the backbone has no parameter of kind {', '.join(sorted(wanted))}; it has "
            f"{', '.join(sorted(present)) or 'none that can count'}. Choose from those."
        )
    chosen = {name: modules for name, modules in owners.items() if wanted & {owner.kind for owner in modules}}
    for name, modules in chosen.items():
        for owner in modules:
            if not owner.is_captured:
                raise ModelError(
                    f"parameter '{name}' belongs to '{owner.path}' ({type(owner.module).__name__}), whose per-example "
                    f"gradients mixval cannot take. {_what_works(owners)}"
                )
    return list(chosen)


def _what_works(owners: Mapping[str, list[Owner]]) -> str:
    """Settings with which gradients can be taken, as a sentence: adapters, or kinds whose modules are all known."""
    all_kinds = {owner.kind for modules in owners.values() for owner in modules if owner.kind is not None}
    unknown = {kind for modules in owners.values() if not all(one.is_captured for one in modules) for kind in _kinds(modules)}
    known = [kind for kind in KINDS if kind in all_kinds - unknown]
    alone = f", or take only `ntk.parameters: [{', '.join(known)}]`" if known else ""
    if "lora" in known:
        return "Set `ntk.parameters: [lora]`, since the backbone has adapters."
    linear = [
        one for modules in owners.values() for one in modules if is_linear(one.module) or is_transposed_linear(one.module)
    ]
    if any(one.path.count(".") > 1 for one in linear):  # deeper than a head
        return f"Take adapters on the layers it can: `backbone.lora: {{rank: 8}}` and `ntk.parameters: [lora]`{alone}."
    return f"Take only `ntk.parameters: [{', '.join(known)}]`, or another backbone." if known else "Take another backbone."


def _kinds(modules: list[Owner]) -> set[str]:
    return {owner.kind for owner in modules if owner.kind is not None}


def parameter_owners(module: nn.Module) -> dict[str, list[Owner]]:
    """Every parameter's name with the modules that hold it, tied ones under their first name."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    owners: dict[str, list[Owner]] = defaultdict(list)
    for path, part in module.named_modules():
        for local, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            kind, is_captured = _classify(path, part, local)
            owners[names[id(parameter)]].append(Owner(path, part, local, kind, is_captured))
    return {name: owners[name] for name in names.values()}


def is_linear(module: nn.Module) -> bool:
    """Whether it is an nn.Linear, or a class of its own that is called one (Falcon's) and has no other parameters.

    What such a class computes is held against autograd's gradient when gradients are captured.
    """
    if not isinstance(module, nn.Linear):
        return False
    is_called_so = type(module).__name__.endswith("Linear") and set(module._parameters) <= {"weight", "bias"}
    return is_called_so or type(module).forward is nn.Linear.forward


def is_transposed_linear(module: nn.Module) -> bool:
    """Whether it is the Conv1D of transformers (GPT-2): a Linear with weight (in, out)."""
    known = sys.modules.get(
        "transformers.pytorch_utils"
    )  # a model with a Conv1D has imported it already; importing it here would take seconds
    return known is not None and isinstance(module, known.Conv1D) and type(module).forward is known.Conv1D.forward


def is_conv(module: nn.Module) -> TypeGuard[nn.Conv1d | nn.Conv2d]:
    """Whether it is a plain nn.Conv1d or nn.Conv2d."""
    return any(isinstance(module, base) and type(module).forward is base.forward for base in (nn.Conv1d, nn.Conv2d))


def is_embedding(module: nn.Module) -> TypeGuard[nn.Embedding]:
    """Whether it is an nn.Embedding, plain or times a number (Gemma's), whose gradient of a row depends on that row alone."""
    is_scaled = hasattr(module, "embed_scale")
    if not isinstance(module, nn.Embedding) or not (is_scaled or type(module).forward is nn.Embedding.forward):
        return False
    return module.max_norm is None and not module.scale_grad_by_freq


def is_norm(module: nn.Module) -> bool:
    """Whether it is a normalisation that is affine in its weight and bias: LayerNorm, RMSNorms, GroupNorm, BatchNorm."""
    weight = module._parameters.get("weight")
    named_so = type(module).__name__.endswith("Norm") and weight is not None and weight.ndim == 1
    return named_so or isinstance(module, (nn.LayerNorm, nn.RMSNorm, *CHANNELS_FIRST))


def _classify(path: str, module: nn.Module, local: str) -> tuple[str | None, bool]:
    """The kind of a module's parameter, and whether it can be captured."""
    parts = path.split(".")
    is_matrix = is_linear(module) or is_transposed_linear(module) or is_conv(module)
    if any(part in LORA_MATRICES for part in parts):
        return ("bias" if local == "bias" else "lora"), is_matrix
    if any(part.startswith(("lora_embedding_", "lora_magnitude_")) for part in parts):
        return "lora", False
    if is_matrix:
        return ("bias" if local == "bias" else "conv" if is_conv(module) else "linear"), True
    if is_embedding(module):
        return "embedding", True
    if is_norm(module):
        return "norm", local in ("weight", "bias")
    return _kind_by_shape(module, local), False


def _kind_by_shape(module: nn.Module, local: str) -> str | None:
    """The kind that a parameter of an unknown module would count in.

    Matrices with a leading 1 are tables that are added to every example (class tokens, positions) and count in none.
    """
    parameter, name = module._parameters[local], type(module).__name__
    if parameter is None or sum(side > 1 for side in parameter.shape) <= 1 < parameter.ndim:
        return None  # a scale by channel
    if "bias" in local:  # Swin's table of biases by position, too
        return "bias"
    if parameter.ndim >= 2:
        if parameter.shape[0] == 1:
            return None
        return "conv" if "Conv" in name else "embedding" if "Embedding" in name else "linear"
    return "norm" if "Norm" in name else None
