"""The transformers config of a backbone: read from a checkpoint, or made from settings. Needs no torch."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import TaskSpec
from mixval.errors import ConfigError, ModelError
from mixval.models.checkpoint import locate, raw_config, unreachable

RESNET_18: dict[str, Any] = {
    "embedding_size": 64,
    "hidden_sizes": [64, 128, 256, 512],
    "depths": [2, 2, 2, 2],
    "layer_type": "basic",
}
"""Settings of ResNet-18 in transformers' words, the default of `architecture: resnet`."""

_OURS = frozenset(
    {"num_labels", "id2label", "label2id", "dtype", "torch_dtype", "pad_token_id", "bos_token_id", "eos_token_id", "auto_map"}
)
OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "longformer", "mpnet"}
)
"""Model types whose first position is pad_token_id + 1, so that they hold that many tokens fewer."""


def check_architecture(architecture: str, spec: TaskSpec) -> None:
    """Raise ConfigError when this architecture cannot do the task."""
    if architecture not in spec.architectures:
        raise ConfigError(
            f"backbone.random_init.architecture {architecture!r} cannot do the task {spec.name!r}. Choose one of: "
            f"{', '.join(spec.architectures)}."
        )


def random_config(architecture: str, given: Mapping[str, Any], **ours: Any) -> Any:
    """A transformers config for a random initialisation: the settings that are `given`, and `ours` (labels, vocabulary, special
    tokens), which mixval sets.

    Raises ConfigError for a setting that the architecture does not know, that mixval sets itself, or that is refused.
    """
    from huggingface_hub.errors import StrictDataclassError

    if taken := sorted(set(given) & _OURS):
        raise ConfigError(f"backbone.random_init.settings {taken} follow from task, data and tokenizer. Leave them out.")
    make = _config_maker(architecture)
    default = make()
    known = set(default.to_dict()) | set(type(default).attribute_map)
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigError(
            f"backbone.random_init.settings {unknown} are no settings of {architecture!r}. It knows: {sorted(known - _OURS)}."
        )
    settings = {**(RESNET_18 if architecture == "resnet" else {}), **ours, **given}
    try:
        return make(**settings)
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise ConfigError(f"backbone.random_init.settings for {architecture!r} were refused: {error}") from error


def _config_maker(architecture: str) -> Callable[..., Any]:
    """From settings to the config: mixval's own, or that of transformers."""
    from transformers import AutoConfig

    from mixval.models.seeded_configs import NgramConfig, PatchConfig

    own: dict[str, Callable[..., Any]] = {one.model_type: one for one in (NgramConfig, PatchConfig)}
    return own.get(architecture) or partial(AutoConfig.for_model, architecture)


def checkpoint_config(config: BackboneConfig) -> Any:
    """The transformers config of the checkpoint at `config.path`.

    Raises ConfigError or ModelError when it is missing, unreachable, unknown to transformers, or asks for its own code.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    if config.path is None:
        raise ConfigError("backbone.path must name a checkpoint; found none, only `random_init`.")
    checkpoint = locate(config.path, config.revision)
    model_type = raw_config(checkpoint).get("model_type")
    try:
        return AutoConfig.from_pretrained(checkpoint.name, trust_remote_code=False, **checkpoint.source)
    except OSError as error:
        raise ModelError(unreachable(checkpoint)) from error
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise ModelError(
            f"checkpoint {checkpoint}: transformers cannot read config.json (model_type {model_type!r}): {error}"
        ) from error


def context_tokens(config: BackboneConfig) -> int:
    """Tokens that a row may have: `max_length`, and never more than the model has positions for."""
    if config.module is not None:
        return config.max_length
    init = config.random_init
    model_config = random_config(init.architecture, init.settings) if init else checkpoint_config(config)
    return limit_tokens(model_config, config.max_length)


def limit_tokens(model_config: Any, max_length: int) -> int:
    """The smaller of `max_length` and the model's own context, in tokens."""
    text = model_config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:  # relative positions: no limit of its own
        return max_length
    if model_config.model_type in OFFSET_POSITIONS:
        positions -= (text.pad_token_id or 0) + 1
    return min(max_length, positions)
