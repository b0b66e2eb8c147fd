"""The backbones of the distribution: which checkpoint or module is valued, and how truth trains it, as cheaply as it may be."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from benchmarks.evidence.worlds.settings import SMALL_RESNET
from mixval.config.backbone import BackboneConfig
from mixval.errors import ConfigError
from mixval.evidence.baselines.inputs import Budget
from mixval.evidence.recipe import TrainingRecipe
from mixval.models.own import OwnModule, handed_over

IMAGE_SIDE = 64
"""Pixels a side that EfficientNet-Lite0 gets: it was trained at 224, and costs a twelfth at 64."""


@dataclass(frozen=True)
class Folders:
    """Where the checkpoints lie. None: not given, and not needed."""

    encoder: Path | None = None
    """Of `benchmarks.evidence.worlds.sentence_encoder`."""
    language_model: Path | None = None
    """Of `benchmarks.evidence.worlds.pretrain --width 96 --layers 2 --vocabulary 1024 --steps 300`."""
    weights: Path | None = None
    """Of `examples.pretrained.unpack`."""

    @classmethod
    def given(cls, arguments: argparse.Namespace) -> Folders:
        """Those of a command line with `folder_options`."""
        return cls(arguments.encoder, arguments.language_model, arguments.weights)


def folder_options(parser: argparse.ArgumentParser, always: bool = True) -> None:
    """Options for the data sets and for what is drawn and trained, needed `always` or for some calls, and for checkpoints."""
    parser.add_argument("--data", type=Path, required=always, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=always, help="folder for worlds, truth and scores")
    parser.add_argument("--encoder", type=Path, help="from benchmarks.evidence.worlds.sentence_encoder")
    parser.add_argument("--language-model", type=Path, help="from benchmarks.evidence.worlds.pretrain")
    parser.add_argument("--weights", type=Path, help="from examples.pretrained.unpack")


@dataclass(frozen=True)
class BackboneKind:
    """A backbone, and what is affordable with it."""

    recipe: TrainingRecipe
    """With early stopping."""
    size: tuple[int, int]
    """Fewest and most rows of a contributor."""
    held_out_rows: int
    """Halved into T and the test set."""
    is_pretrained: bool = False
    """Whether its weights come from elsewhere: a published model."""
    given: dict[str, Any] | None = None
    """The configuration of one that needs no folder."""
    max_length: int = 64
    """Tokens; means nothing for images."""
    max_chars: int | None = None
    """Longest prompt and response together. None: any."""
    contributors: int = 16
    """K."""
    parameters: tuple[str, ...] = ("linear", "conv")
    """Kinds of parameters whose gradients count."""

    @property
    def budget(self) -> Budget:
        """Of what methods share."""
        return Budget(parameters=self.parameters)


def _stopped(**fields: Any) -> TrainingRecipe:
    return TrainingRecipe(validation_share=0.15, min_validation_rows=6, **fields)


HEAD = _stopped(learning_rate=1e-2, epochs=20, min_steps=60, max_steps=150, evaluate_every=10, trainable="head")
HEAD_OF_IMAGES = HEAD.model_copy(update={"learning_rate": 3e-4})
HEAD_OF_SENTENCES = HEAD.model_copy(update={"learning_rate": 1e-3})
"""Each rate has the best median log-likelihood over the contributors of a development world (`rates.py`). At 1e-2, the rate of
random features, models on a published network's features are sure of their mistakes: most are worse than guessing."""
NETWORK = _stopped(learning_rate=1e-2, batch_rows=32, epochs=5, min_steps=30, max_steps=60, evaluate_every=10, patience=2)
KINDS: dict[str, BackboneKind] = {
    "resnet": BackboneKind(NETWORK, (60, 600), 800, given=SMALL_RESNET),
    "patches": BackboneKind(HEAD, (60, 800), 800, given={"random_init": {"architecture": "patches"}}),
    "efficientnet": BackboneKind(HEAD_OF_IMAGES, (60, 300), 700, is_pretrained=True, parameters=("linear",)),
    "ngrams": BackboneKind(HEAD, (60, 800), 800, given={"random_init": {"architecture": "ngrams"}}, max_length=256),
    "minilm": BackboneKind(HEAD_OF_SENTENCES, (60, 240), 600, is_pretrained=True, max_length=32),
    "minilm-whole": BackboneKind(
        _stopped(learning_rate=1e-4, batch_rows=8, epochs=1, min_steps=12, max_steps=20, evaluate_every=4, products="bfloat16"),
        (60, 250),
        500,
        is_pretrained=True,
        max_length=32,
    ),
    "small-lm": BackboneKind(
        _stopped(learning_rate=1e-3, batch_rows=8, epochs=2, min_steps=10, max_steps=30, evaluate_every=5, patience=2),
        (60, 200),
        200,
        max_length=96,
        max_chars=240,
    ),
    "smollm2": BackboneKind(
        TrainingRecipe(
            learning_rate=3e-5, batch_rows=4, epochs=1, min_steps=4, max_steps=8, validation_share=0, products="bfloat16"
        ),
        (16, 48),
        60,
        is_pretrained=True,
        max_length=48,
        max_chars=180,
        contributors=10,
    ),
}
"""The recipe of `smollm2` holds nothing back, with early stopping or without: four to eight steps have no best one to find."""
KINDS["small-lm-long"] = replace(KINDS["small-lm"], max_length=192, max_chars=600)
"""The same model for solved problems: of those up to 240 characters there are too few for a world."""


@contextmanager
def backbone_config(kind: str, folders: Folders, n_classes: int) -> Iterator[BackboneConfig]:
    """The configuration of a backbone; within this block an own module is found by it.

    Raises ConfigError where its folder is not given.
    """
    one = KINDS[kind]
    if one.given is not None:
        yield BackboneConfig.model_validate({**one.given, "max_length": one.max_length})
    elif kind == "efficientnet":
        from examples.pretrained.unpack import image_module

        module = Headed(image_module(_given(folders.weights, kind, "--weights"), n_classes))
        own = OwnModule(module, transform=scaled_pixels)
        with handed_over(own) as digest:
            yield BackboneConfig(module=digest, **own.settings)
    else:
        yield BackboneConfig(path=str(_checkpoint(kind, folders)), max_length=one.max_length)


def _checkpoint(kind: str, folders: Folders) -> Path:
    if kind.startswith("minilm"):
        return _given(folders.encoder, kind, "--encoder")
    if kind.startswith("small-lm"):
        return _given(folders.language_model, kind, "--language-model")
    return _given(folders.weights, kind, "--weights") / "language-model"


def _given(folder: Path | None, kind: str, option: str) -> Path:
    if folder is None:
        raise ConfigError(f"the backbone {kind!r} needs a folder, found none. Give it by {option}.")
    return folder


class Headed(torch.nn.Module):
    """EfficientNet-Lite0 with its linear head where truth looks for the head of a classifier."""

    def __init__(self, module: Any) -> None:
        """Take the module apart."""
        super().__init__()
        self.classifier: torch.nn.Linear = module._fc
        module._fc = torch.nn.Identity()
        self.body: torch.nn.Module = module
        self.config = SimpleNamespace(num_labels=self.classifier.out_features)  # as models of transformers say it

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, C) logits."""
        logits: torch.Tensor = self.classifier(self.body(pixels))
        return logits


def scaled_pixels(image: Any) -> torch.Tensor:
    """(3, side, side) as EfficientNet-Lite0 was trained: pixels over 127.5, less 1."""
    import numpy as np

    resized = image.resize((IMAGE_SIDE, IMAGE_SIDE), resample=2)  # bilinear
    return torch.from_numpy(np.asarray(resized, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1
