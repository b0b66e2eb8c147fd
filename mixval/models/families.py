"""Which model class of transformers and which encoder of rows serve a task: looked up by modality and by what is learnt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import nn

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import TaskSpec, for_modality
from mixval.errors import ConfigError
from mixval.models.architecture import limit_tokens
from mixval.models.backbone import Family
from mixval.models.causal import CausalFamily
from mixval.models.checkpoint import locate, side_file
from mixval.models.heads import classification_head
from mixval.models.ngrams import NgramClassifier
from mixval.models.text import NgramFamily, TextFamily
from mixval.models.tokenise import Tokeniser
from mixval.models.vision import VisionFamily, normalisation

Labels = Sequence[int] | None


@dataclass(frozen=True)
class ModelKind:
    """One kind of model."""

    auto_class: str
    """Of transformers."""
    family: Callable[[BackboneConfig, TaskSpec, nn.Module, Any, Labels], Family]
    """The encoder for a loaded module, its tokenizer (None where rows are no text) and the labels by class index."""


def model_kind(spec: TaskSpec) -> ModelKind:
    """What serves the task. Raises ConfigError where nothing does, before any tokenizer or weight is looked for."""
    by_learning = for_modality(_KINDS, spec, "a backbone")
    if spec.learns not in by_learning:
        raise ConfigError(
            f"task {spec.name!r}: expected {spec.modality} rows of which a backbone learns {', '.join(by_learning)}, found "
            f"{spec.learns!r}. Choose another task, or add a kind of model for it."
        )
    return by_learning[spec.learns]


def _vision(config: BackboneConfig, _spec: TaskSpec, module: nn.Module, _tokenizer: Any, indices: Labels) -> Family:
    settings = _settings(module)
    n_channels = int(getattr(settings, "num_channels", 3))
    beside = None if config.path is None else side_file(locate(config.path, config.revision), "preprocessor_config.json")
    scale = normalisation(beside, n_channels)
    head = classification_head(module)
    return VisionFamily(head, n_channels, config.image_size, scale, indices, int(settings.num_labels))


def _text(config: BackboneConfig, _spec: TaskSpec, module: nn.Module, tokenizer: Any, indices: Labels) -> Family:
    settings = _settings(module)
    tokeniser, longest = Tokeniser(tokenizer, config.prompt_format), limit_tokens(settings, config.max_length)
    make = NgramFamily if isinstance(module, NgramClassifier) else TextFamily
    return make(tokeniser, longest, indices, int(settings.num_labels), config.overlong == "reject")


def _causal(config: BackboneConfig, spec: TaskSpec, module: nn.Module, tokenizer: Any, _indices: Labels) -> Family:
    tokeniser, longest = Tokeniser(tokenizer, config.prompt_format), limit_tokens(_settings(module), config.max_length)
    return CausalFamily(tokeniser, longest, spec.has_prompt, config.overlong == "reject")


def _settings(module: nn.Module) -> Any:
    return cast("Any", module).config


_CAUSAL = ModelKind("AutoModelForCausalLM", _causal)
_KINDS = {
    "image": {"label": ModelKind("AutoModelForImageClassification", _vision)},
    "text": {
        "label": ModelKind("AutoModelForSequenceClassification", _text),
        "response": _CAUSAL,
        "text": _CAUSAL,
    },
}
