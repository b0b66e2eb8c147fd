"""A backbone from its configuration: a checkpoint in safetensors, or a seeded random initialisation.

Nothing is downloaded unless `path` is a hub name; no code from a checkpoint is run, and no pickle is opened. Attention is
the eager one, whose per-example gradients are exact. torch's global random state is left as it was.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import Task, TaskSpec, spec_of
from mixval.errors import ModelError
from mixval.models.architecture import (
    OFFSET_POSITIONS,
    check_architecture,
    checkpoint_config,
    limit_tokens,
    random_config,
)
from mixval.models.backbone import Backbone
from mixval.models.checkpoint import Checkpoint, locate, unreachable
from mixval.models.families import Labels, ModelKind, model_kind
from mixval.models.lora import add_adapters
from mixval.models.ngrams import NgramClassifier, NgramLanguageModel
from mixval.models.own_family import load_own
from mixval.models.parameters import freeze, neutralise_batch_norms
from mixval.models.seeded_models import seeded_model
from mixval.models.tokenizers import load_tokenizer
from mixval.models.vision import replace_stem
from mixval.seeds import derive_seed

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
_STEM_WEIGHT = "resnet.embedder.embedder.convolution.weight"


def load_backbone(config: BackboneConfig, task: Task, classes: list[int] | None, device: str = "cpu") -> Backbone:
    """The backbone, ready to encode rows. The same configuration gives the same weights in every process.

    `classes` are the labels of T (None for causal LMs). A random initialisation has one output for each, in sorted order; a
    checkpoint's own labels must cover them. Raises ConfigError or ModelError, which say what to change.
    """
    spec = spec_of(task)
    kind = model_kind(spec)
    labels = tuple(sorted(set(classes))) if classes is not None and spec.has_labels else None
    tokenizer = load_tokenizer(config, task) if spec.is_text else None
    if config.module is not None:
        return load_own(config, task, classes, device, tokenizer)
    if config.random_init is not None:
        module = _random_module(config, spec, kind, labels, tokenizer)
    else:
        module = _checkpoint_module(config, spec, kind)
    _check_vocabulary(module, tokenizer)
    if spec.has_labels:
        _check_labels(module, labels, is_checkpoint=config.random_init is None)
    indices = labels if config.random_init is not None else None
    family = kind.family(config, spec, module, tokenizer, indices)  # before adapters wrap the head
    if config.batch_norm == "neutral":
        neutralise_batch_norms(module)
    if config.lora is not None:
        lora = config.lora
        add_adapters(module, lora.rank, lora.alpha, lora.target_modules, lora.seed, is_classifier=spec.has_labels)
    dtype, place = _DTYPES[config.dtype], torch.device(device)
    max_length = limit_tokens(_settings(module), config.max_length)
    return Backbone(task, freeze(module, dtype, place), family, indices, max_length, place, dtype)


def _settings(module: nn.Module) -> Any:
    return cast("Any", module).config


def _random_module(config: BackboneConfig, spec: TaskSpec, kind: ModelKind, labels: Labels, tokenizer: Any) -> nn.Module:
    init = config.random_init
    if init is None:
        raise ModelError("a random initialisation needs backbone.random_init; found a checkpoint.")
    check_architecture(init, spec)
    ours: dict[str, Any] = {"seed": init.seed} if init.architecture == "ngrams" else {}
    if spec.has_labels:
        if labels is None or len(labels) < 2:
            raise ModelError(
                f"a random initialisation needs the labels of T, at least two; found {labels}. Check the target set."
            )
        ours["num_labels"] = len(labels)
    if tokenizer is not None:
        asked = init.settings.get("vocab_size")
        if isinstance(asked, int):
            _check_embeddings(asked, tokenizer)
        special = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id}
        ours |= {**special, "eos_token_id": tokenizer.eos_token_id, "vocab_size": len(tokenizer)}
    model_config = random_config(init, **ours)
    with _seeded(init.seed):
        if (make := seeded_model(init.architecture, spec)) is not None:
            return make(model_config)
        try:
            module = _auto_class(kind).from_config(model_config, attn_implementation="eager", dtype=torch.float32)
        except (RuntimeError, TypeError, ValueError, ZeroDivisionError, IndexError) as error:
            raise ModelError(f"no {init.architecture!r} can be made from backbone.random_init.settings: {error}") from error
    if config.stem == "3x3":
        replace_stem(module, derive_seed("stem", init.seed))
    return cast("nn.Module", module)


def _checkpoint_module(config: BackboneConfig, spec: TaskSpec, kind: ModelKind) -> nn.Module:
    checkpoint = locate(config.path or "", config.revision)
    model_config = checkpoint_config(config)
    try:
        with _seeded(0), _quiet():
            module, report = _auto_class(kind).from_pretrained(
                checkpoint.name,
                config=model_config,
                dtype=_DTYPES[config.dtype],
                attn_implementation="eager",
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=config.stem == "3x3",
                **checkpoint.source,
            )
    except Exception as error:  # safetensors raises its own class, transformers several
        if isinstance(error, OSError) and checkpoint.folder is None:
            raise ModelError(unreachable(checkpoint)) from error
        raise ModelError(
            f"checkpoint {checkpoint} ({model_config.model_type}) cannot be loaded for {spec.name!r}: {error}. "
            "Give a checkpoint that was saved for this task, whole and as safetensors."
        ) from error
    if config.stem == "3x3":
        _fill_stem(replace_stem(module, derive_seed("stem", "checkpoint")), checkpoint)
    _check_complete(checkpoint, report, config.stem)
    return cast("nn.Module", module)


def _fill_stem(stem: nn.Conv2d, checkpoint: Checkpoint) -> None:
    """Give a stem the 3x3 weights that a local checkpoint holds; one trained with 7x7 leaves the seeded ones."""
    from safetensors import safe_open

    for path in sorted(checkpoint.folder.glob("*.safetensors")) if checkpoint.folder is not None else ():
        with safe_open(path, framework="pt") as file:
            if _STEM_WEIGHT in file.keys():  # noqa: SIM118 - not a dict
                found = file.get_tensor(_STEM_WEIGHT)
                if found.shape == stem.weight.shape:
                    stem.weight.data.copy_(found)


def _check_complete(checkpoint: Checkpoint, report: dict[str, Any], stem: str) -> None:
    """Raise ModelError when weights of the model, such as its head, are not in the checkpoint."""
    mismatched = {entry[0] if isinstance(entry, tuple) else entry for entry in report.get("mismatched_keys", ())}
    missing = sorted((set(report.get("missing_keys", ())) | mismatched) - ({_STEM_WEIGHT} if stem == "3x3" else set()))
    if missing:
        raise ModelError(
            f"checkpoint {checkpoint} lacks {len(missing)} weights of the model for this task, e.g. {missing[:3]}; "
            "they would be random. Train and save the model with its head, or use backbone.random_init."
        )


def _check_labels(module: nn.Module, labels: Sequence[int] | None, is_checkpoint: bool) -> None:
    n_labels = int(_settings(module).num_labels)
    outside = [label for label in labels or () if not 0 <= label < n_labels] if is_checkpoint else []
    if n_labels < 2 or outside:
        raise ModelError(
            f"the checkpoint must have an output for every label, and at least two; it has {n_labels}, for labels 0 to "
            f"{n_labels - 1}, and {outside[:5] or 'nothing'} of T's labels lie outside. Map the labels, "
            "or choose another checkpoint."
        )


def _check_vocabulary(module: nn.Module, tokenizer: Any) -> None:
    """Raise ModelError when the tokenizer has ids without an embedding; tell the model which token is padding."""
    if tokenizer is None or isinstance(module, (NgramClassifier, NgramLanguageModel)):
        return
    _check_embeddings(cast("Any", module).get_input_embeddings().num_embeddings, tokenizer)
    text = _settings(module).get_text_config()
    if text.model_type in OFFSET_POSITIONS and text.pad_token_id != tokenizer.pad_token_id:
        raise ModelError(
            f"a {text.model_type!r} counts positions from its padding token, {text.pad_token_id}, and the tokenizer pads with "
            f"{tokenizer.pad_token_id}. Take the tokenizer that belongs to the model."
        )
    text.pad_token_id = tokenizer.pad_token_id


def _check_embeddings(n_embeddings: int, tokenizer: Any) -> None:
    if len(tokenizer) > n_embeddings:
        raise ModelError(
            f"the model embeds {n_embeddings} tokens and the tokenizer has {len(tokenizer)}. "
            "Take the tokenizer that belongs to the model, or raise backbone.random_init.settings.vocab_size."
        )


def _auto_class(kind: ModelKind) -> Any:
    import transformers

    return getattr(transformers, kind.auto_class)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torch's CPU random state from `seed` inside the block, as it was after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers' progress bars off inside the block, as they were after it."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()
