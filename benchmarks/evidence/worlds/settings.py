"""The worlds of the evidence: how each is drawn, which backbone is valued and trained, and how truth trains it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.evidence.worlds.design import Factor, WorldDesign
from mixval.config.backbone import BackboneConfig
from mixval.evidence.baselines.inputs import Budget
from mixval.evidence.recipe import TrainingRecipe

RESNET: dict[str, Any] = {
    "random_init": {
        "architecture": "resnet",
        "settings": {
            "embedding_size": 16,
            "hidden_sizes": [16, 32, 64],
            "depths": [1, 1, 1],
            "layer_type": "basic",
            "downsample_in_first_stage": True,  # half the cost of a step, see `measure.py`
        },
    },
    "stem": "3x3",
}
SMALL_RESNET: dict[str, Any] = {
    "random_init": {
        "architecture": "resnet",
        "settings": {
            "embedding_size": 8,
            "hidden_sizes": [8, 16],
            "depths": [1, 1],
            "layer_type": "basic",
            "downsample_in_first_stage": True,
        },
    },
    "stem": "3x3",
}
"""Of worlds that cost a minute."""
IMAGES = TrainingRecipe(learning_rate=5e-3, augment=True, max_steps=250)
TEXTS = TrainingRecipe(learning_rate=1e-2, epochs=60, min_steps=200, max_steps=600, trainable="head")
CAUSAL = TrainingRecipe(
    learning_rate=3e-5,  # serves the median contributor best, see `rates.py`
    batch_rows=8,
    epochs=3,
    min_steps=12,
    max_steps=100,
    evaluate_every=20,
    patience=2,
    weight_decay=0.05,
    products="bfloat16",
)
HELD_OUT_ROWS = 360
"""Of causal worlds, where each is some hundred answer tokens and a test of all of them would cost as much as the training."""
USUAL = Budget()
PRETRAINED = Budget(gram_rows=100, gram_bytes=2**31)
"""Of text worlds, whose rows have gradients of 28 to 85 MB: exact kernels, of Eq. 8 and DAVINZ, are of fewer rows."""
FAULTS: dict[str, Any] = {
    "noise": Factor(affected=0.4, low=0.1, high=0.4),
    "duplicates": Factor(affected=0.3, low=0.2, high=0.5),
    "overlap": Factor(affected=0.2, low=0.1, high=0.4),
    "shift": Factor(affected=0.3, low=0.3, high=1.0),
}


@dataclass(frozen=True)
class Setting:
    """One world."""

    dataset: str
    design: dict[str, Any]
    """Fields of `WorldDesign` besides task, contributors and seed."""
    recipe: TrainingRecipe
    backbone: dict[str, Any] | None = None
    """None: the checkpoint that is named on the command line (`pretrain.py`, or `sentence_encoder.py` for `sentiment`)."""
    max_length: int = 256
    """Tokens; means nothing for images."""
    held_out_rows: int | None = None
    """Of the data set's, halved into target and test set. None: all."""

    budget: Budget = USUAL
    """Of what methods share."""
    holds_out_more: bool = False
    """Whether real rows for pretraining are held out too, where the backbone has seen none of them: less noise in T."""

    def world_design(self, task: Any, contributors: int, seed: int) -> WorldDesign:
        """The design of K contributors at a seed."""
        return WorldDesign(task=task, contributors=contributors, seed=seed, **self.design)

    def backbone_config(self, checkpoint: Path | None) -> BackboneConfig:
        """The backbone that is valued, and trained for truth."""
        if self.backbone is not None:
            return BackboneConfig.model_validate(self.backbone)
        return BackboneConfig(path=str(checkpoint), max_length=self.max_length)


WORLDS = {
    "cifar10": Setting("cifar10", {"size": (100, 900), "synthetic_groups": (4, 10), **FAULTS}, IMAGES, RESNET),
    "cifar100": Setting("cifar100", {"size": (200, 900), "synthetic_groups": (20, 100), **FAULTS}, IMAGES, RESNET),
    "sentiment": Setting(
        "sentiment",
        {"size": (40, 500), "sources": (1, 3), **FAULTS},
        TEXTS,
        max_length=64,
        budget=PRETRAINED,
        holds_out_more=True,
    ),
    "instruction": Setting(
        "instruction",
        {"size": (40, 320), "sources": (1, 3), **FAULTS},
        CAUSAL,
        max_length=192,
        held_out_rows=HELD_OUT_ROWS,
        budget=PRETRAINED,
    ),
    "reasoning": Setting(
        "reasoning",
        {"size": (30, 240), "sources": (2, 4), **FAULTS},
        CAUSAL.model_copy(update={"learning_rate": 1e-4}),  # likewise
        max_length=192,
        held_out_rows=HELD_OUT_ROWS,
        budget=PRETRAINED,
    ),
    "lm": Setting(
        "lm",
        {"size": (40, 500), "sources": (1, 3), **FAULTS},
        CAUSAL,
        max_length=160,
        held_out_rows=HELD_OUT_ROWS,
        budget=PRETRAINED,
    ),
}
