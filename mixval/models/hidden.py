"""What a model's head is given: its inputs, or the last hidden state of a transformer and its mean over a row's tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mixval.errors import ModelError


class Hidden:
    """The trunk's output in one forward pass."""

    _state: Tensor | None = None

    @property
    def state(self) -> Tensor:
        """(B, T, D) last hidden state. Raises ModelError when the trunk did not run."""
        if self._state is None:
            raise ModelError("the model's head must run on its trunk (`base_model`); it did not. Choose another architecture.")
        return self._state

    def keep(self, _module: nn.Module, _arguments: Any, output: Any) -> None:
        """Forward hook: keep the trunk's last hidden state."""
        self._state = output[0] if isinstance(output, tuple) else getattr(output, "last_hidden_state", None)


@contextmanager
def caught(module: nn.Module) -> Iterator[Hidden]:
    """Catch the last hidden state of a transformers model while its forward pass runs inside the block."""
    hidden = Hidden()
    whole: Any = module
    # Llama 4's text model names a trunk that it does not have, and `base_model` is then the whole model, head included.
    trunk = whole.base_model if whole.base_model is not module else getattr(whole, "model", module)
    # BART's language model runs the decoder of its trunk alone. Where the trunk runs too, it ends last, and its output is kept.
    handles = [part.register_forward_hook(hidden.keep) for part in (getattr(trunk, "decoder", None), trunk) if part is not None]
    try:
        yield hidden
    finally:
        for handle in handles:
            handle.remove()


def masked_mean(
    state: Tensor,  # (B, T, D)
    mask: Tensor,  # (B, T) int64, 1 where a token is
) -> Tensor:  # (B, D), at least float32
    """Mean over a row's tokens; padding counts for nothing."""
    wide = at_least_float32(state)
    weights = mask.to(wide.dtype).unsqueeze(-1)
    return (wide * weights).sum(1) / weights.sum(1)


@contextmanager
def inputs_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What the layer is given while the block runs."""
    inputs: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _layer, arguments: inputs.append(arguments[0]))
    try:
        yield inputs
    finally:
        handle.remove()


def at_least_float32(values: Tensor) -> Tensor:
    """The same values, float64 or float32."""
    return values if values.dtype == torch.float64 else values.float()
