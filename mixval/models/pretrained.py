"""A module from a checkpoint in safetensors, whole and as it was trained, with a head that fits the task.

No code from a checkpoint is run, and no pickle is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import TaskSpec
from mixval.errors import MixvalError, ModelError
from mixval.models.architecture import checkpoint_config
from mixval.models.checkpoint import Checkpoint, locate, raw_config, unreachable, weight_files
from mixval.models.heads import classification_head, describe_head, seed_head, wanted_outputs
from mixval.models.tensors import file_tensors, head_parts, new_parts, refuse_quantised, refuse_unusable_numbers
from mixval.models.vision import replace_stem
from mixval.seeds import derive_seed

_STEM_WEIGHT = "resnet.embedder.embedder.convolution.weight"


@dataclass(frozen=True)
class Loaded:
    """A module, and what the run must say of it."""

    module: nn.Module
    has_new_head: bool
    """Whether the head, or a part of it, is untrained."""
    notes: dict[str, str]
    """As `Backbone.notes`."""


def load_pretrained(
    config: BackboneConfig, spec: TaskSpec, auto_class: Any, dtype: torch.dtype, labels: Sequence[int] | None
) -> Loaded:
    """The checkpoint at `config.path` as `auto_class` of transformers makes it; `labels` are T's, sorted (None: no labels).

    Raises ConfigError or ModelError when it cannot be read, is not the model that was trained, or cannot have a head for T.
    """
    checkpoint = locate(config.path or "", config.revision)
    settings = checkpoint_config(config)
    weight_files(checkpoint)  # before transformers looks: what it would open may be no safetensors file
    n_before = int(settings.num_labels)
    outputs = wanted_outputs(config, n_before, labels) if spec.has_labels else None
    if outputs is not None:
        settings.num_labels = outputs
    module, report = _from_pretrained(checkpoint, spec, settings, auto_class, dtype)
    files = file_tensors(checkpoint)
    refuse_quantised(checkpoint, files, raw_config(checkpoint))
    if config.stem == "3x3":
        _fill_stem(replace_stem(module, derive_seed("stem", "checkpoint")), checkpoint)
        report = {name: [key for key in found if _STEM_WEIGHT not in key] for name, found in report.items()}
    new = new_parts(checkpoint, module, report, files, may_be_new=spec.has_labels)
    why = _reason(config, report, n_before, outputs)
    if config.head == "new" and spec.has_labels:
        new = list(dict.fromkeys([*new, *head_parts(module)]))
    if new:
        _check_new(checkpoint, spec, module, new, labels)
    elif spec.has_labels:
        _check_labels(module, labels)
    seed_head(module, new, config.head_seed)
    refuse_unusable_numbers(checkpoint, module)
    notes = {"new-head": describe_head(module, new, config.head_seed, why)} if new else {}
    return Loaded(module, bool(new), notes)


def _check_new(checkpoint: Checkpoint, spec: TaskSpec, module: nn.Module, new: list[str], labels: Sequence[int] | None) -> None:
    """Raise ModelError where a new head has no classes, or would stand before trained outputs."""
    if labels is None or len(labels) < 2:
        raise ModelError(
            f"checkpoint {checkpoint} has no head for {spec.name!r}, and a new one needs the labels of T, at least two; found "
            f"{labels}. Check the target set."
        )
    outputs = classification_head(module)
    if not any(module.get_submodule(name) is outputs for name in new):
        raise ModelError(
            f"checkpoint {checkpoint} has the outputs of its head, but lacks its layers {', '.join(new)} before them. Give the "
            "checkpoint whole, or set `backbone.head: new`."
        )


def _check_labels(module: nn.Module, labels: Sequence[int] | None) -> None:
    """Raise ModelError where T's labels are no outputs of the checkpoint's own head."""
    n_outputs = int(cast("Any", module).config.num_labels)
    outside = [label for label in labels or () if not 0 <= label < n_outputs]
    if n_outputs < 2 or outside:
        raise ModelError(
            f"the checkpoint's head must have an output for every label, and at least two; it has {n_outputs}, for labels 0 to "
            f"{n_outputs - 1}, and {outside[:5] or 'nothing'} of T's labels lie outside. Map the labels, or set "
            "`backbone.head: new` for a new head with T's classes."
        )


def _reason(config: BackboneConfig, report: dict[str, Any], n_before: int, outputs: int | None) -> str:
    if config.head == "new":
        return "`backbone.head` is `new`"
    if outputs is not None and report.get("mismatched_keys"):
        return f"The checkpoint has a head of {n_before} classes, and T has {outputs}"
    return "The checkpoint has no head for this task"


def _from_pretrained(
    checkpoint: Checkpoint, spec: TaskSpec, settings: Any, auto_class: Any, dtype: torch.dtype
) -> tuple[nn.Module, dict[str, Any]]:
    try:
        with seeded(0), _quiet():
            module, report = auto_class.from_pretrained(
                checkpoint.name,
                config=settings,
                dtype=dtype,
                attn_implementation="eager",
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # the report names them, and `new_parts` refuses those of the body
                **checkpoint.source,
            )
    except MixvalError:
        raise
    except Exception as error:  # safetensors raises its own class, transformers and architectures whatever they like
        if isinstance(error, OSError) and checkpoint.folder is None:
            raise ModelError(unreachable(checkpoint)) from error
        raise ModelError(
            f"checkpoint {checkpoint} ({settings.model_type}) cannot be loaded for {spec.name!r}: {_first_line(error)}. "
            "Give a checkpoint of an architecture that transformers holds for this task, whole and as safetensors."
        ) from error
    return cast("nn.Module", module), cast("dict[str, Any]", report)


def _first_line(error: Exception) -> str:
    """What an unknown error says; transformers lists hundreds of classes after the first line."""
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0] if words else 'without a word'}"[:400]


def _fill_stem(stem: nn.Conv2d, checkpoint: Checkpoint) -> None:
    """Give a stem the 3x3 weights that a checkpoint holds; one trained with 7x7 leaves the seeded ones."""
    from safetensors import safe_open

    for path in weight_files(checkpoint):
        with safe_open(path, framework="pt") as file:
            if _STEM_WEIGHT in file.keys():  # noqa: SIM118 - not a dict
                found = file.get_tensor(_STEM_WEIGHT)
                if found.shape == stem.weight.shape:
                    stem.weight.data.copy_(found)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's CPU random state from `seed` inside the block, as it was after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers' progress bars and load reports off inside the block, as they were after it."""
    from transformers.utils import logging

    was_on, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if was_on:
            logging.enable_progress_bar()
