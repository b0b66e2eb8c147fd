"""The last hidden state of a transformer, caught on its way to the head, and its mean over a row's tokens."""

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
        self._state = output[0] if isinstance(output, tuple) else output.last_hidden_state


@contextmanager
def caught(module: nn.Module) -> Iterator[Hidden]:
    """Catch the last hidden state of a transformers model while its forward pass runs inside the block."""
    hidden = Hidden()
    trunk: Any = module.base_model
    handle = trunk.register_forward_hook(hidden.keep)
    try:
        yield hidden
    finally:
        handle.remove()


def masked_mean(
    state: Tensor,  # (B, T, D)
    mask: Tensor,  # (B, T) int64, 1 where a token is
) -> Tensor:  # (B, D), at least float32
    """Mean over a row's tokens; padding counts for nothing."""
    wide = state if state.dtype == torch.float64 else state.float()
    weights = mask.to(wide.dtype).unsqueeze(-1)
    return (wide * weights).sum(1) / weights.sum(1)
