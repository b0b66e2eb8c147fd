"""A user's own torch module as a backbone, held in this process while a run needs it.

    images    module(pixels)                    (B, C, H, W) -> logits (B, classes)
    text      module(input_ids, mask)           (B, T), (B, T) int64, padded on the right -> (B, classes), or (B, T, vocabulary)

A parameter of `forward` whose name contains `mask` gets the attention mask; without one the ids come alone. Logits are a
tensor, the attribute `logits` of what is returned, or the first of a tuple. In a run the module is a copy in evaluation mode,
so the user's own stays as it is. The configuration names it by `backbone.module`, a digest of code and weights.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from torch import Tensor, nn

from mixval.config.backbone import BackboneConfig
from mixval.config.fingerprint import fingerprint
from mixval.config.tasks import TaskSpec
from mixval.errors import ConfigError, ModelError
from mixval.models.own_digest import image_digest, module_digest, tokenizer_digest
from mixval.models.own_tokenizer import as_tokenizer

_HELD: dict[str, OwnModule] = {}


class OwnModule:
    """A torch module with what its inputs need: a tokenizer for text, a transform for images."""

    def __init__(
        self,
        module: nn.Module,
        *,
        tokenizer: Any = None,
        transform: Callable[[Any], Tensor] | None = None,
        labels: Sequence[int] | None = None,
        features: str | None = None,
        n_channels: int = 3,
        image_size: int | None = None,
        pad_id: int = 0,
        end_id: int | None = None,
        max_length: int = 256,
        overlong: Literal["truncate", "reject"] = "truncate",
        batch_norm: Literal["neutral", "eval"] = "eval",
        dtype: Literal["float32", "float64", "bfloat16"] = "float32",
    ) -> None:
        """Take the module as it is.

        Args:
            module: See the contract in this file, or docs/api.md.
            tokenizer: Of text: one of transformers, a `tokenizers.Tokenizer`, or a function from a text to its ids, without
                special tokens; or the name that `backbone.tokenizer` takes.
            transform: Of images: from a PIL image (RGB, 8 bits) to a tensor (channels, height, width), without random draws.
                None: the module gets pixels in [0, 1].
            labels: The label of each output. None: the label is the output's index.
            features: Name of the submodule whose output describes a row, for the discrepancy; averaged over tokens or
                positions. None: the input of the last Linear, whose output are the logits.
            n_channels: Without a transform: channels of `pixels`, 3 or 1.
            image_size: Without a transform: side in pixels to which images are resized. None: all must have one size.
            pad_id: Id that fills up a batch, with a function or a `tokenizers.Tokenizer`.
            end_id: Id of the end token, which closes a response. Likewise; needed for instruction rows.
            max_length: Most tokens of a row.
            overlong: What happens to rows of more tokens, see `backbone.overlong`.
            batch_norm: `eval`: as the module has them. `neutral`: see `backbone.batch_norm`.
            dtype: Precision of the passes.
        """
        if not isinstance(module, nn.Module):
            raise ConfigError(
                f"backbone: expected a folder, a hub name, a section of the configuration or a torch.nn.Module, found "
                f"{type(module).__name__}. Give one of them."
            )
        self.module, self.transform, self.features = module, transform, features
        self.labels = None if labels is None else tuple(labels)
        self.n_channels = n_channels
        named = isinstance(tokenizer, str)
        self.tokenizer = None if tokenizer is None or named else as_tokenizer(tokenizer, pad_id, end_id)
        self.settings: dict[str, Any] = {
            "image_size": image_size,
            "max_length": max_length,
            "overlong": overlong,
            "batch_norm": batch_norm,
            "dtype": dtype,
            "tokenizer": tokenizer if named else None,
        }

    def digest(self) -> str:
        """32 hex digits that name code, weights, tokenizer and transform as they are now."""
        return fingerprint(
            "own-module",
            1,
            module=module_digest(self.module),
            tokenizer=None if self.tokenizer is None else tokenizer_digest(self.tokenizer),
            transform=None if self.transform is None else image_digest(self.transform),
            labels=None if self.labels is None else list(self.labels),
            features=self.features,
            n_channels=self.n_channels,
        )


@contextmanager
def handed_over(own: OwnModule) -> Iterator[str]:
    """The module's digest, by which `backbone.module` finds it within this block."""
    digest = own.digest()
    _HELD[digest] = own
    try:
        yield digest
    finally:
        _HELD.pop(digest, None)


def own_module(config: BackboneConfig) -> OwnModule:
    """The module that the configuration names. Raises ConfigError in a process that it was not handed to."""
    if (found := _HELD.get(config.module or "")) is None:
        raise ConfigError(
            f"backbone.module {config.module!r}: expected a module that this process was handed over, found none. Call "
            "`mixval.value` with the module, or save the model as a checkpoint and give its folder as `backbone.path`."
        )
    return found


def module_copy(own: OwnModule) -> nn.Module:
    """A copy, so that freezing and casting leave the user's module alone. Raises ModelError where it cannot be copied."""
    try:
        return copy.deepcopy(own.module)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{type(own.module).__name__} cannot be copied, and a run leaves the module that it is given as it is: {error}. "
            "Detach what is not a parameter, or give a module that was just made."
        ) from error


def own_labels(own: OwnModule, spec: TaskSpec, classes: Sequence[int] | None) -> tuple[int, ...] | None:
    """The label of each output that the target's labels need; None where rows have none. Raises ModelError for a misfit."""
    if not spec.has_labels:
        return None
    of_target = sorted(set(classes or ()))
    outputs = own.labels if own.labels is not None else tuple(range(max(of_target, default=-1) + 1))
    outside = [label for label in of_target if label not in outputs]
    if outside or len(set(outputs)) != len(outputs) or len(outputs) < 2:
        raise ModelError(
            f"the module needs an output for each label of the target, at least two, found labels {of_target[:8]} for outputs "
            f"of {list(outputs)[:8]}. Say which label each output stands for: `OwnModule(module, labels=[...])`."
        )
    return outputs


def mask_parameter(module: nn.Module) -> str | None:
    """Name of the parameter of `forward` that takes the attention mask; None where there is none."""
    return next((name for name in inspect.signature(module.forward).parameters if "mask" in name), None)
