"""LoRA adapters (Hu et al., arXiv 2106.09685) in a loaded model: W x + (alpha / rank) B A x, A Gaussian, B zero.

With B zero the adapted model computes what the model computed, and of the adapters' gradients only B's is not zero.
"""

import warnings
from typing import Any, cast

import torch
from torch import nn

from mixval.errors import ModelError
from mixval.models.tensors import head_parts

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


def add_adapters(
    module: nn.Module, rank: int, alpha: float, target_modules: list[str] | str, seed: int, is_classifier: bool
) -> list[str]:
    """Put adapters into `module` in place and return the names of their parameters.

    `target_modules` are ends of module names, or `all-linear`: every Linear but the head and those of single experts. A has
    entries of standard deviation 1 / rank from `seed`; torch's own random state is left as it was. Raises ModelError when a
    target is not found, or is one that gradients by row cannot be taken of.
    """
    from peft import LoraConfig, inject_adapter_in_model

    names = _all_linear(module, is_classifier) if isinstance(target_modules, str) else _named(module, target_modules)
    # Inside another module peft does not know the architecture. It would put names of shared experts on fused weights.
    holder = nn.Module()
    holder.held = module
    adapters = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=[f"held.{name}" for name in names],
        init_lora_weights="gaussian",
        lora_dropout=0.0,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")  # peft sets it right for GPT-2's Conv1D
        torch.manual_seed(seed)
        try:
            inject_adapter_in_model(adapters, holder)
        except Exception as error:  # peft and architectures refuse layers in their own ways
            raise ModelError(
                f"LoRA adapters cannot be put on {target_modules} of {type(module).__name__}: {error}. Name other layers under "
                f"`backbone.lora.target_modules`; it has: {', '.join(_ends(module))}."
            ) from error
    return [name for name, _ in module.named_parameters() if ".lora_" in name]


def _all_linear(module: nn.Module, is_classifier: bool) -> list[str]:
    """Full names of the Linear layers that every row runs through, the head left out.

    An expert sees only the tokens that are sent to it, so that its gradients are of no row. Raises ModelError where no layer
    is left, naming convolutions.
    """
    head: set[nn.Module | None] = set(head_parts(module).values()) if is_classifier else {_output_layer(module)}
    names = [
        name
        for name, part in module.named_modules()
        if _is_linear(part) and part not in head and "experts" not in name.split(".")
    ]
    if not names:
        convolutions = {name.rpartition(".")[2] for name, part in module.named_modules() if isinstance(part, _CONVOLUTIONS)}
        raise ModelError(
            f"backbone.lora.target_modules is `all-linear`, and {type(module).__name__} has no Linear layer outside its head. "
            + (
                f"Name its convolutions ({', '.join(sorted(convolutions))}), or take its weights: leave `backbone.lora` out "
                "and set `ntk.parameters: [linear, conv]`."
                if convolutions
                else "Leave `backbone.lora` out and see which `ntk.parameters` it has, or choose another architecture."
            )
        )
    return names


def _output_layer(module: nn.Module) -> nn.Module | None:
    try:
        return cast("nn.Module | None", cast("Any", module).get_output_embeddings())
    except (AttributeError, NotImplementedError):
        return None


def _is_linear(part: nn.Module) -> bool:
    """Whether it is a Linear by class and name (a router may be one by class, and give several tensors), or GPT-2's Conv1D.

    The output projection of torch's own attention is left out: it is read without being called.
    """
    if isinstance(part, nn.modules.linear.NonDynamicallyQuantizableLinear):
        return False
    return type(part).__name__ == "Conv1D" or (isinstance(part, nn.Linear) and type(part).__name__.endswith("Linear"))


def _ends(module: nn.Module) -> list[str]:
    """Last parts of the names of layers that can have an adapter, sorted."""
    layers = [name for name, part in module.named_modules() if _is_linear(part) or isinstance(part, _CONVOLUTIONS)]
    return sorted({name.rpartition(".")[2] for name in layers})


def _named(module: nn.Module, targets: list[str]) -> list[str]:
    """Full names of the layers whose names end as asked. Raises ModelError for an end without one, or one of experts."""
    parts = dict(module.named_modules())
    matched = {target: [name for name in parts if name == target or name.endswith(f".{target}")] for target in targets}
    if missing := [target for target, names in matched.items() if not names]:
        fused = {name.rpartition(".")[2] for name, parameter in module.named_parameters() if parameter.ndim == 3}
        why = "are fused weights of experts, which can have no adapters, in" if set(missing) <= fused else "are not in"
        raise ModelError(
            f"backbone.lora.target_modules {missing} {why} {type(module).__name__}. It has: {', '.join(_ends(module))}."
        )
    holders = [name for names in matched.values() for name in names if _holds_fused(parts[name])]
    if holders:
        raise ModelError(
            f"backbone.lora.target_modules: {', '.join(holders[:3])} of {type(module).__name__} are experts, whose gradients "
            f"by row cannot be taken. Name layers that every row runs through: {', '.join(_ends(module))}."
        )
    return [name for name in parts if any(name in names for names in matched.values())]


def _holds_fused(part: nn.Module) -> bool:
    """Whether it holds weights of several experts in one parameter."""
    return any(parameter.ndim == 3 for parameter in part.parameters(recurse=False)) and not isinstance(part, _CONVOLUTIONS)
