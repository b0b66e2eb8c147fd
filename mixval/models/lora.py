"""LoRA adapters (Hu et al., arXiv 2106.09685) in a loaded model: W x + (alpha / rank) B A x, A Gaussian, B zero.

With B zero the adapted model computes what the model computed, and of the adapters' gradients only B's is not zero.
"""

import warnings

import torch
from torch import nn

from mixval.errors import ModelError


def add_adapters(
    module: nn.Module, rank: int, alpha: float, target_modules: list[str] | str, seed: int, is_classifier: bool
) -> list[str]:
    """Put adapters into `module` in place and return the names of their parameters.

    `target_modules` are ends of module names, or `all-linear`: every Linear but the head. A has entries of standard
    deviation 1 / rank from `seed`; torch's own random state is left as it was. Raises ModelError when a target is not found.
    """
    from peft import LoraConfig, inject_adapter_in_model

    _check_targets(module, target_modules)
    adapters = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=target_modules,
        init_lora_weights="gaussian",
        lora_dropout=0.0,
        exclude_modules=_head_names(module) if is_classifier and target_modules == "all-linear" else None,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")  # peft sets it right for GPT-2's Conv1D
        torch.manual_seed(seed)
        try:
            inject_adapter_in_model(adapters, module)
        except (TypeError, ValueError) as error:
            raise ModelError(f"LoRA adapters cannot be put on {target_modules}: {error}") from error
    return [name for name, _ in module.named_parameters() if ".lora_" in name]


def _check_targets(module: nn.Module, target_modules: list[str] | str) -> None:
    names = [name for name, _ in module.named_modules()]
    wanted = [] if isinstance(target_modules, str) else target_modules
    missing = [target for target in wanted if not any(n == target or n.endswith(f".{target}") for n in names)]
    if missing:
        linear = sorted(
            {n.rpartition(".")[2] for n, part in module.named_modules() if type(part).__name__ in ("Linear", "Conv1D")}
        )
        raise ModelError(
            f"backbone.lora.target_modules {missing} are not in {type(module).__name__}. It has: {', '.join(linear)}."
        )


def _head_names(module: nn.Module) -> list[str] | None:
    """Linear layers of a classification head."""
    heads = [
        name
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) and name.split(".")[0] in ("classifier", "score", "pre_classifier")
    ]
    return heads or None
