"""Tensors of a checkpoint held against the model that is made from them: each has a place, each place its tensor.

A classifier leaves out what its checkpoint was trained to predict with before (a masked LM's head, a pooler), and has a head of
its own. Both belong to a head that is replaced. Everything else that is left over, lacking or of another shape is part of the
body: the model would be another one than was trained, and is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mixval.errors import ModelError
from mixval.models.checkpoint import Checkpoint, weight_files

HEADS = ("classifier", "cls_classifier", "classification_head", "fc", "head", "score")
"""What classes of transformers call a classification head."""
_POOLING = re.compile(r"\w*pool(er|ing)?\w*")
"""A child of the body that makes one vector of a row's states for a head, by its usual names."""
_LEFT_OUT = frozenset({"lm_head", "cls", "predictions", "mlm", "embed_out", "decoder"})
"""Parts that a classifier leaves out, where they are named as if in the body: heads (T5), Funnel's decoder."""
_CONSTANTS = re.compile(r"(^|\.)(position_ids|token_type_ids|inv_freq|masked_bias|relative_position_index|mask_token)$")
"""Tensors of older checkpoints that the class makes itself, and the token that stands for a masked patch while pretraining."""
_NO_FLOAT = re.compile(r"[FIU][48](_\w+)?")
"""Types of safetensors that hold quantised weights."""


@dataclass(frozen=True)
class FileTensor:
    """What a checkpoint's files say of a tensor, without reading it."""

    dtype: str
    """As safetensors writes it, e.g. `F32`."""
    shape: tuple[int, ...]

    @property
    def is_constant(self) -> bool:
        """Whether it cannot be trained: integers, or a causal mask."""
        is_mask = len(self.shape) == 4 and self.shape[:2] == (1, 1) and self.shape[2] == self.shape[3]
        return is_mask or self.dtype in ("I64", "I32", "I16", "BOOL")


def file_tensors(checkpoint: Checkpoint) -> dict[str, FileTensor]:
    """Name -> type and shape of every tensor of the checkpoint, from the files' headers. Raises ModelError when unreadable."""
    from safetensors import SafetensorError, safe_open

    found: dict[str, FileTensor] = {}
    for path in weight_files(checkpoint):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - not a dict
                    piece = file.get_slice(name)
                    found[name] = FileTensor(piece.get_dtype(), tuple(piece.get_shape()))
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"checkpoint {checkpoint}: {path.name} must be a whole safetensors file, found {error}. Save or download it "
                "again."
            ) from error
    return found


def refuse_quantised(checkpoint: Checkpoint, files: Mapping[str, FileTensor], settings: Mapping[str, Any]) -> None:
    """Raise ModelError for weights of 8 bits or fewer of which config.json does not say how they are scaled."""
    if "quantization_config" in settings:
        return
    small = sorted(name for name, tensor in files.items() if _NO_FLOAT.fullmatch(tensor.dtype) and math.prod(tensor.shape) > 1)
    if weights := [name for name in small if name.endswith("weight") or files[name].dtype.startswith("F")]:
        raise ModelError(
            f"checkpoint {checkpoint} holds {len(weights)} weights of type {files[weights[0]].dtype}, e.g. {weights[:3]}, and "
            "config.json has no `quantization_config` that says how they are scaled: read as they are they would be wrong. "
            "Save the model in float32 or bfloat16."
        )


def head_parts(module: nn.Module) -> dict[str, nn.Module]:
    """Name -> module of every module with parameters of its own that is no part of the body."""
    body: Any = module.base_model
    inside = set() if body is module else set(body.modules())
    own = {name: part for name, part in module.named_modules() if name and part not in inside}
    if body is module:  # CLIP: body and head are children of one module
        own = {name: part for name, part in own.items() if name.split(".")[0] in HEADS}
    return {name: part for name, part in own.items() if next(part.parameters(recurse=False), None) is not None}


def new_parts(
    checkpoint: Checkpoint, module: nn.Module, report: Mapping[str, Any], files: Mapping[str, FileTensor], may_be_new: bool
) -> list[str]:
    """Names of the head's modules for which the checkpoint has no tensors, or tensors of another shape, in the model's order.

    `report` is transformers' account of loading. With `may_be_new` False (causal models) no head may lack. Raises ModelError
    for every other difference between file and model.
    """
    mismatched = {entry[0]: entry for entry in report.get("mismatched_keys", ())}
    lacking = _trained(module, [*report.get("missing_keys", ()), *mismatched])
    parts = head_parts(module)
    new = {name.rpartition(".")[0] for name in lacking if may_be_new and _is_head(module, parts, name)}
    if others := sorted(name for name in lacking if name.rpartition(".")[0] not in new):
        raise ModelError(_lacking(checkpoint, module, others, mismatched))
    if strange := _strange(module, report.get("unexpected_keys", ()), files, new if may_be_new else None):
        raise ModelError(
            f"checkpoint {checkpoint} holds {len(strange)} trained tensors that have no place in a {type(module).__name__} "
            f"made from its config.json, e.g. {', '.join(strange[:8])}: it would be another model than was trained. "
            "Correct config.json (a switch such as `attention_bias`, a number of layers), or save the model again."
        )
    return [name for name, _ in module.named_modules() if name in new]


def refuse_unusable_numbers(checkpoint: Checkpoint, module: nn.Module) -> None:
    """Raise ModelError for weights, or running statistics of batch norms, that are NaN, infinite or integers."""
    held: dict[str, torch.Tensor] = dict(module.named_parameters())
    for path, part in module.named_modules():
        if isinstance(part, _BatchNorm):
            held |= {f"{path}.{name}": buffer for name, buffer in part.named_buffers() if name.startswith("running_")}
    if quantised := sorted(name for name, value in held.items() if not value.is_floating_point()):
        raise ModelError(
            f"checkpoint {checkpoint} was loaded with {len(quantised)} quantised weights, e.g. {quantised[:3]}, through which "
            "no gradient passes. Save the model in float32 or bfloat16."
        )
    if broken := sorted(name for name, value in held.items() if not bool(torch.isfinite(value).all())):
        raise ModelError(
            f"checkpoint {checkpoint} holds NaN or infinite numbers in {len(broken)} weights, e.g. {broken[:3]}: its training "
            "diverged, or the file is damaged. Take an earlier checkpoint, or download it again."
        )


def _trained(module: nn.Module, names: Iterable[str]) -> list[str]:
    """Those of the names that are parameters, or running statistics of a batch norm; other buffers the class makes itself."""
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return sorted(name for name in set(names) if name in parameters or name.endswith(("running_mean", "running_var")))


def _is_head(module: nn.Module, parts: Mapping[str, nn.Module], name: str) -> bool:
    """Whether a tensor of the model belongs to its head: outside the body, or in the body's own pooling layer."""
    owner = name.rpartition(".")[0]
    prefix = f"{getattr(module, 'base_model_prefix', '')}."
    return owner in parts or (name.startswith(prefix) and bool(_POOLING.fullmatch(name.removeprefix(prefix).split(".")[0])))


def _strange(
    module: nn.Module, names: Iterable[str], files: Mapping[str, FileTensor], new: set[str] | None
) -> list[str]:  # sorted
    """Tensors of the file that are part of what the model computes, and have no place in it.

    `new` are the model's own new head modules; None where the model's head is the checkpoint's and nothing may be left over.
    """
    prefix = f"{getattr(module, 'base_model_prefix', '')}."
    trunk = cast("nn.Module", module.base_model)
    has_body, body = trunk is not module, {name for name, _ in trunk.named_children()}
    has_prefix = any(name.startswith(prefix) for name in files)
    replaced = {name.split(".")[0] for name in new or ()}
    kept = {name for name, _ in module.named_children()} - replaced
    strange = []
    for name in sorted(names):
        if _CONSTANTS.search(name) or (name in files and files[name].is_constant):
            continue
        if has_body and (name.startswith(prefix) or not has_prefix):
            first = name.removeprefix(prefix).split(".")[0]
            is_replaced = first not in body and (bool(_POOLING.fullmatch(first)) or first in _LEFT_OUT)
        else:
            is_replaced = name.split(".")[0] not in kept
        if new is None or not is_replaced:
            strange.append(name)
    return strange


def _lacking(checkpoint: Checkpoint, module: nn.Module, names: list[str], mismatched: Mapping[str, Any]) -> str:
    shapes = [f"{n} is {tuple(mismatched[n][1])}, expected {tuple(mismatched[n][2])}" for n in names if n in mismatched]
    if shapes:
        return (
            f"checkpoint {checkpoint} has {len(shapes)} tensors of another shape than a {type(module).__name__} made from its "
            f"config.json, e.g. {'; '.join(shapes[:3])}. Correct config.json, or save the model again."
        )
    return (
        f"checkpoint {checkpoint} lacks {len(names)} weights of a {type(module).__name__} made from its config.json, e.g. "
        f"{', '.join(names[:4])}; they would be random. Give the checkpoint whole, correct config.json, or choose a task that "
        "the model was trained for."
    )
