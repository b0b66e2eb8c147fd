"""A backbone from its configuration: a checkpoint in safetensors, or a seeded random initialisation.

Nothing is downloaded unless `path` is a hub name; no code from a checkpoint is run, and no pickle is opened. Attention is
the eager one, whose per-example gradients are exact. torch's global random state is left as it was.
"""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import Task, TaskSpec, spec_of
from mixval.errors import ModelError
from mixval.models.architecture import (
    OFFSET_POSITIONS,
    check_architecture,
    limit_tokens,
    random_config,
)
from mixval.models.backbone import Backbone
from mixval.models.families import Labels, ModelKind, model_kind
from mixval.models.lora import add_adapters
from mixval.models.own_family import load_own
from mixval.models.parameters import freeze, neutralise_batch_norms
from mixval.models.pretrained import Loaded, load_pretrained, seeded
from mixval.models.probes import probe
from mixval.models.seeded_models import seeded_model
from mixval.models.tokenizers import load_tokenizer
from mixval.models.vision import replace_stem
from mixval.seeds import derive_seed

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def load_backbone(config: BackboneConfig, task: Task, classes: list[int] | None, device: str = "cpu") -> Backbone:
    """The backbone, ready to encode rows. The same configuration gives the same weights in every process.

    `classes` are the labels of T (None for causal LMs). A new head has one output for each, in sorted order; the labels of a
    checkpoint's own head must cover them. Raises ConfigError or ModelError, which say what to change.
    """
    spec = spec_of(task)
    kind = model_kind(spec)
    labels = tuple(sorted(set(classes))) if classes is not None and spec.has_labels else None
    tokenizer = load_tokenizer(config, task) if spec.is_text else None
    if config.module is not None:
        return _probed(load_own(config, task, classes, device, tokenizer))
    if config.random_init is not None:
        loaded = Loaded(_random_module(config, spec, kind, labels, tokenizer), has_new_head=True, notes={})
    else:
        loaded = load_pretrained(config, spec, _auto_class(kind), _DTYPES[config.dtype], labels)
    module = loaded.module
    _check_vocabulary(module, tokenizer)
    indices = labels if loaded.has_new_head else None
    family = kind.family(config, spec, module, tokenizer, indices)  # before adapters wrap the head
    if config.batch_norm == "neutral":
        neutralise_batch_norms(module)
    if config.lora is not None:
        lora = config.lora
        add_adapters(module, lora.rank, lora.alpha, lora.target_modules, lora.seed, is_classifier=spec.has_labels)
    dtype, place = _DTYPES[config.dtype], torch.device(device)
    max_length = limit_tokens(_settings(module), config.max_length)
    backbone = Backbone(task, freeze(module, dtype, place), family, indices, max_length, place, dtype, notes=loaded.notes)
    return _probed(backbone)


def _probed(backbone: Backbone) -> Backbone:
    """The backbone with what the probe found; image models are asked when rows are there. Raises as `probe` does."""
    example = backbone.family.example()
    if example is None or not probe(backbone, backbone.placed(example)).is_alone:
        return backbone
    note = (
        f"An output of {type(backbone.module).__name__} depends on the padding or the rows beside a row, so rows go through it "
        "one by one, whatever `runtime.batch_rows` is."
    )
    return replace(backbone, is_alone=True, notes={**backbone.notes, "rows-one-by-one": note})


def _settings(module: nn.Module) -> Any:
    return cast("Any", module).config


def _random_module(config: BackboneConfig, spec: TaskSpec, kind: ModelKind, labels: Labels, tokenizer: Any) -> nn.Module:
    init = config.random_init
    if init is None:
        raise ModelError("a random initialisation needs backbone.random_init; found a checkpoint.")
    check_architecture(init.architecture, spec)
    ours: dict[str, Any] = _ngram_settings(init.seed, spec) if init.architecture == "ngrams" else {}
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
    model_config = random_config(init.architecture, init.settings, **ours)
    with seeded(init.seed):
        if (make := seeded_model(init.architecture, spec)) is not None:
            return make(model_config)
        try:
            module = _auto_class(kind).from_config(model_config, attn_implementation="eager", dtype=torch.float32)
        except Exception as error:  # each architecture refuses settings in its own way
            raise ModelError(f"no {init.architecture!r} can be made from backbone.random_init.settings: {error}") from error
    if config.stem == "3x3":
        replace_stem(module, derive_seed("stem", init.seed))
    return cast("nn.Module", module)


def _ngram_settings(seed: int, spec: TaskSpec) -> dict[str, Any]:
    """A language model has features at every byte, and a head for each of 259 bytes: fewer of them do."""
    return {"seed": seed, "n_features": 1024} if spec.is_causal else {"seed": seed}


def _check_vocabulary(module: nn.Module, tokenizer: Any) -> None:
    """Raise ModelError when the tokenizer has ids without an embedding; tell the model which token is padding."""
    if tokenizer is None:
        return
    n_embeddings = _n_embeddings(module)
    if n_embeddings is not None:
        _check_embeddings(n_embeddings, tokenizer)
    text = _settings(module).get_text_config()
    if text.model_type in OFFSET_POSITIONS and text.pad_token_id != tokenizer.pad_token_id:
        raise ModelError(
            f"a {text.model_type!r} counts positions from its padding token, {text.pad_token_id}, and the tokenizer pads with "
            f"{tokenizer.pad_token_id}. Take the tokenizer that belongs to the model."
        )
    text.pad_token_id = tokenizer.pad_token_id


def _n_embeddings(module: nn.Module) -> int | None:
    """Rows of the token table; None for models without one (CANINE hashes characters into several)."""
    try:
        table = cast("Any", module).get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    weight = getattr(table, "weight", None)
    return len(weight) if isinstance(weight, torch.Tensor) and weight.ndim == 2 else None


def _check_embeddings(n_embeddings: int, tokenizer: Any) -> None:
    if len(tokenizer) > n_embeddings:
        raise ModelError(
            f"the model embeds {n_embeddings} tokens and the tokenizer has {len(tokenizer)}. "
            "Take the tokenizer that belongs to the model, or raise backbone.random_init.settings.vocab_size."
        )


def _auto_class(kind: ModelKind) -> Any:
    import transformers

    return getattr(transformers, kind.auto_class)
