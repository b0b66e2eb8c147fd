"""A name for code and weights that a user hands over: what changes a number changes the name, in every process the same.

Weights are named by their bytes. Code is named by its source, or its byte code where there is none, and by what it does with
a fixed input; so a closure over something that neither shows is not noticed.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mixval.errors import ConfigError

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_FOREIGN = ("torch.", "torchvision.", "transformers.", "timm.", "peft.", "builtins")
"""Packages whose classes are named by themselves; their source is not read."""
TEXTS = ("Mixval reads rows.", "größer — ÷ 7\n", "")
"""What a tokenizer is tried on."""


def module_digest(module: nn.Module) -> str:
    """32 hex digits: structure, code and plain settings of all submodules, and every parameter and buffer."""
    state = hashlib.blake2b(digest_size=16)
    state.update(_steady(repr(module)).encode())
    for name, part in module.named_modules():
        state.update(f"\n{name} {code_name(type(part))} {_settings(part)}".encode())
    held = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    for name, tensor in held:
        flat = tensor.detach().cpu().contiguous()
        state.update(f"\n{name} {flat.dtype} {tuple(flat.shape)} ".encode())
        state.update(flat.reshape(-1).view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return state.hexdigest()


def code_name(given: Any) -> str:
    """Name of a class, function or object, with a digest of its source or byte code where it is the user's own."""
    made = given if inspect.isclass(given) or inspect.isroutine(given) else type(given)
    module, name = getattr(made, "__module__", "") or "", getattr(made, "__qualname__", repr(made))
    if f"{module}.".startswith(_FOREIGN):
        return f"{module}.{name}"
    try:
        code = inspect.getsource(made)
    except (OSError, TypeError):
        code = _byte_code(made)
    return f"{module}.{name} {hashlib.blake2b(code.encode(), digest_size=16).hexdigest()}"


def image_digest(transform: Callable[[Any], Tensor]) -> str:
    """A name of an image transform, by its code and by what it makes of a fixed image. Raises ConfigError for a random one."""
    made = [transform(_probe_image()) for _ in range(2)]
    for one in made:
        if not isinstance(one, Tensor) or one.ndim != 3:
            found = tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__
            raise ConfigError(
                f"transform: expected a tensor (channels, height, width) for a PIL image, found {found}. End it with "
                "torchvision.transforms.ToTensor() or the like."
            )
    if not torch.equal(made[0], made[1]):
        raise ConfigError(
            "transform: expected the same tensor for the same image, found two. Take the transform of evaluation, without "
            "random crops or flips."
        )
    known = f"{code_name(transform)} {_steady(repr(transform))} {tuple(made[0].shape)}"
    data = made[0].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.blake2b(known.encode() + data, digest_size=16).hexdigest()


def tokenizer_digest(tokenizer: Any) -> str:
    """A name of a tokenizer in transformers' form: its whole content where it is a fast one, its ids of fixed texts besides."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    content = fast.to_str() if fast is not None else code_name(getattr(tokenizer, "encode_text", tokenizer))
    ids = [list(tokenizer(text, verbose=False)["input_ids"]) for text in TEXTS]
    special = [tokenizer.pad_token_id, tokenizer.eos_token_id, getattr(tokenizer, "chat_template", None)]
    return hashlib.blake2b(f"{content} {ids} {special}".encode(), digest_size=16).hexdigest()


def _probe_image() -> Any:
    import numpy as np
    from PIL import Image

    rows, columns = np.mgrid[0:48, 0:64]
    return Image.fromarray(np.stack([5 * rows, 4 * columns - 1, 2 * (rows + columns)], axis=2).clip(0, 255).astype(np.uint8))


def _settings(module: nn.Module) -> list[tuple[str, Any]]:
    """Plain attributes of a module, which its `forward` may use."""
    kinds = (bool, int, float, str, tuple, list, type(None))
    held = {name: value for name, value in vars(module).items() if not name.startswith("_") and name != "training"}
    return sorted((name, _steady(repr(value))) for name, value in held.items() if isinstance(value, kinds))


def _byte_code(made: Any) -> str:
    functions = vars(made).values() if inspect.isclass(made) else [made]
    codes = [code for one in functions if (code := getattr(one, "__code__", None)) is not None]
    return " ".join(f"{code.co_code.hex()} {_steady(repr(code.co_consts))} {code.co_names}" for code in codes)


def _steady(text: str) -> str:
    return _ADDRESS.sub("", text)
