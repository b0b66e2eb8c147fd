"""Which of mixval's own architectures, made from a seed without a checkpoint, serve a task."""

from collections.abc import Callable
from typing import Any

from torch import nn

from mixval.config.tasks import TaskSpec
from mixval.models.ngrams import NgramClassifier, NgramLanguageModel
from mixval.models.patches import PatchClassifier

_MODELS: dict[tuple[str, str], Callable[[Any], nn.Module]] = {
    ("ngrams", "label"): NgramClassifier,
    ("ngrams", "response"): NgramLanguageModel,
    ("ngrams", "text"): NgramLanguageModel,
    ("patches", "label"): PatchClassifier,
}


def seeded_model(architecture: str, spec: TaskSpec) -> Callable[[Any], nn.Module] | None:
    """From a config to the module; None where the architecture is one of transformers."""
    return _MODELS.get((architecture, spec.learns))
