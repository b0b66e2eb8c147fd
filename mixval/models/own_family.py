"""How an own module's rows become tensors, and its outputs logits and features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import Task, for_modality, spec_of
from mixval.errors import MixvalError, ModelError
from mixval.models.backbone import Backbone, Batch, Family, Forward
from mixval.models.causal import CausalFamily
from mixval.models.hidden import masked_mean
from mixval.models.images import read_images
from mixval.models.own import OwnModule, mask_parameter, module_copy, own_labels, own_module
from mixval.models.parameters import freeze, neutralise_batch_norms
from mixval.models.rows import class_indices
from mixval.models.text import TextFamily
from mixval.models.tokenise import Tokeniser


def load_own(config: BackboneConfig, task: Task, classes: Sequence[int] | None, device: str, tokenizer: Any) -> Backbone:
    """The backbone of a module that was handed over. Raises ConfigError or ModelError, which say what to change."""
    own, spec = own_module(config), spec_of(task)
    labels = own_labels(own, spec, classes)
    module, dtype = module_copy(own), getattr(torch, config.dtype)
    if config.batch_norm == "neutral":
        neutralise_batch_norms(module)
    made: dict[str, Family] = {"image": OwnImages(own, config.image_size, labels or ())}
    if tokenizer is not None:
        tokeniser, reject = Tokeniser(tokenizer, config.prompt_format), config.overlong == "reject"
        encoder = (
            TextFamily(tokeniser, config.max_length, labels, len(labels), reject)
            if labels is not None
            else CausalFamily(tokeniser, config.max_length, spec.has_prompt, reject)
        )
        made["text"] = OwnText(own, encoder, mask_parameter(module), 0 if labels is None else len(labels))
    place = torch.device(device)
    family = for_modality(made, spec, "an encoder of own modules")
    return Backbone(task, freeze(module, dtype, place), family, labels, config.max_length, place, dtype)


@dataclass(frozen=True)
class OwnImages:
    """Encodes `image` and `label`; runs an own image classifier."""

    own: OwnModule
    image_size: int | None
    labels: Sequence[int]
    """The label of each output that is needed."""

    def encode(self, rows: pa.Table) -> Batch:
        """`pixels` (B, C, H, W) float32; `targets` (B,) int64 outputs' indices; `is_truncated` (B,) bool."""
        targets = torch.from_numpy(class_indices(rows, self.labels, len(self.labels)))
        none_cut = torch.zeros(len(targets), dtype=torch.bool)
        return {"pixels": self._inputs(rows), "targets": targets, "is_truncated": none_cut}

    def forward(self, module: nn.Module, batch: Batch) -> Forward:
        """Logits (B, C), features (B, D)."""
        with _described(module, self.own.features) as described:
            logits = _logits(module, (batch["pixels"],), {}, batch, n_dimensions=2, n_classes=len(self.labels))
        return Forward(logits, _wide(_pooled(described.features(logits))))

    def example(self) -> None:
        """None: the size of images is the data's."""

    def pixels(self, rows: pa.Table) -> Tensor:
        """(N, H*W*C) float32 in [0, 1], as decoded and resized, whatever the transform."""
        return read_images(rows, self.own.n_channels, self.image_size).permute(0, 2, 3, 1).flatten(1)

    def _inputs(self, rows: pa.Table) -> Tensor:
        if self.own.transform is None:
            return read_images(rows, self.own.n_channels, self.image_size)
        from PIL import Image

        made = []
        for start in range(rows.num_rows):
            pixels = read_images(rows.slice(start, 1), 3, None)[0].permute(1, 2, 0).numpy()
            made.append(self.own.transform(Image.fromarray(np.rint(255 * pixels).astype(np.uint8))))
        if len(shapes := {tuple(one.shape) for one in made}) > 1:
            raise ModelError(
                f"transform: expected tensors of one shape, found {sorted(shapes)[:3]}. Resize and crop in it to one size."
            )
        return torch.stack(made).float()


@dataclass(frozen=True)
class OwnText:
    """Encodes text by the task's own encoder; runs an own module on ids."""

    own: OwnModule
    encoder: TextFamily | CausalFamily
    mask: str | None
    """Parameter of the module's `forward` that takes the attention mask."""
    n_classes: int
    """Outputs that the labels need; 0 for a causal language model."""

    def encode(self, rows: pa.Table) -> Batch:
        """As the task's encoder does."""
        return self.encoder.encode(rows)

    def forward(self, module: nn.Module, batch: Batch) -> Forward:
        """Logits (B, C) or (B, T, V), features (B, D)."""
        mask = {} if self.mask is None else {self.mask: batch["attention_mask"]}
        with _described(module, self.own.features) as described:
            n_dimensions = 2 if self.n_classes else 3
            logits = _logits(module, (batch["input_ids"],), mask, batch, n_dimensions, self.n_classes)
        return Forward(logits, _wide(_pooled(described.features(logits), batch["attention_mask"])))

    def example(self) -> Batch:
        """As the task's encoder does."""
        return self.encoder.example()

    def pixels(self, rows: pa.Table) -> Tensor:
        """Raises ModelError: texts have no pixels."""
        return self.encoder.pixels(rows)


class _Described:
    """What describes the rows of one forward pass."""

    def __init__(self, wanted: str | None) -> None:
        self._wanted = wanted
        self._state: Tensor | None = None
        self._last: tuple[int, ...] = ()

    def keep_output(self, _module: nn.Module, _arguments: Any, output: Any) -> None:
        """Forward hook of the submodule that is named."""
        self._state = output[0] if isinstance(output, tuple) else output

    def keep_input(self, _module: nn.Module, arguments: Any, output: Tensor) -> None:
        """Forward hook of every Linear: the last one counts."""
        self._state, self._last = arguments[0], tuple(output.shape)

    def features(self, logits: Tensor) -> Tensor:
        """The state. Raises ModelError where none was seen, or where the last Linear does not make the logits."""
        if self._state is None or (self._wanted is None and self._last != tuple(logits.shape)):
            raise ModelError(
                "the module's rows are described by the input of the Linear that makes the logits, and the last Linear that "
                f"ran gave {self._last or 'nothing'} for logits {tuple(logits.shape)}. Name the submodule whose output "
                "describes a row: `OwnModule(module, features='encoder')`."
            )
        return self._state


@contextmanager
def _described(module: nn.Module, wanted: str | None) -> Iterator[_Described]:
    described = _Described(wanted)
    if wanted is None:
        handles = [part.register_forward_hook(described.keep_input) for part in module.modules() if isinstance(part, nn.Linear)]
    else:
        try:
            handles = [module.get_submodule(wanted).register_forward_hook(described.keep_output)]
        except AttributeError as error:
            names = ", ".join(name for name, _ in module.named_modules() if name)[:200]
            raise ModelError(f"features: expected a submodule of the module, found {wanted!r}. It has {names}.") from error
    try:
        yield described
    finally:
        for handle in handles:
            handle.remove()


def _logits(
    module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor], batch: Batch, n_dimensions: int, n_classes: int
) -> Tensor:
    name = type(module).__name__
    shapes = {key: tuple(value.shape) for key, value in batch.items()}
    try:
        made = module(*inputs, **named)
    except MixvalError:
        raise
    except Exception as error:  # whatever a stranger's module raises
        raise ModelError(
            f"{name} failed on a batch with shapes {shapes}: {type(error).__name__}: {error}. Try the module on such tensors; "
            "ids above its embedding table and images of another size are usual reasons."
        ) from error
    logits = getattr(made, "logits", made[0] if isinstance(made, tuple) else made)
    rows = inputs[0].shape[: n_dimensions - 1]
    if not isinstance(logits, Tensor) or logits.ndim != n_dimensions or logits.shape[:-1] != rows or logits.shape[-1] < 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        expected = "(rows, classes)" if n_dimensions == 2 else "(rows, tokens, vocabulary)"
        raise ModelError(f"{name} must give logits {expected} for {tuple(rows)}, found {found}. See docs/api.md.")
    if logits.shape[-1] < n_classes:
        raise ModelError(
            f"{name} has {logits.shape[-1]} outputs, and the target's labels need {n_classes}. Say which label each output "
            "stands for: `OwnModule(module, labels=[...])`, or give the module an output for each."
        )
    return logits


def _pooled(state: Tensor, mask: Tensor | None = None) -> Tensor:
    """(B, D): the mean over a row's tokens or positions."""
    if state.ndim == 3:
        return state.mean(1) if mask is None or mask.shape != state.shape[:2] else masked_mean(state, mask)
    return state.flatten(2).mean(2) if state.ndim > 3 else state


def _wide(features: Tensor) -> Tensor:
    return features if features.dtype == torch.float64 else features.float()
