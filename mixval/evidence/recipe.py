"""How truth trains: one recipe for all contributors of a world."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel


class TrainingRecipe(FrozenModel):
    """AdamW with linear warm-up and a cosine, early stopping on held-out rows. Steps are bounded on both sides."""

    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak rate."""
    weight_decay: float = Field(default=0.02, ge=0)
    """Decoupled, on weights of two or more dimensions; biases and norms have none."""
    batch_rows: int = Field(default=64, gt=0)
    """Rows of a step; fewer where there are not as many."""
    epochs: int = Field(default=20, gt=0)
    """Passes over the rows, within the bounds on steps."""
    min_steps: int = Field(default=150, gt=0)
    """Fewest planned steps, so that a small contributor is trained to the end too."""
    max_steps: int = Field(default=400, gt=0)
    """Most planned steps, which bound the cost of a large contributor."""
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the planned steps over which the rate rises linearly from zero."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Largest norm of a step's gradient."""
    validation_share: float = Field(default=0.1, ge=0, lt=0.5)
    """Share of each label's rows (of all rows, where there are no labels) that are held out for early stopping."""
    min_validation_rows: int = Field(default=20, gt=1)
    """Least held-out rows; with fewer, all rows are trained on, for the planned steps."""
    evaluate_every: int = Field(default=25, gt=0)
    """Steps between two evaluations of the validation loss."""
    patience: int = Field(default=4, gt=0)
    """Evaluations without a lower validation loss after which training stops. The weights of the best one are kept."""
    products: Literal["float32", "bfloat16"] = "float32"
    """Precision of the products of a step. `bfloat16` keeps weights, norms and the optimiser's state in float32."""
    augment: bool = False
    """Images: each is mirrored with probability 1/2 and shifted by up to 2 pixels, edges repeated."""
    trainable: Literal["all", "head", "lora"] = "all"
    """`all` weights; `head`: the last linear layer on the frozen body's output, which is computed once; `lora`: the adapters
    of `backbone.lora`, and the head of a classifier."""

    @model_validator(mode="after")
    def _ordered(self) -> TrainingRecipe:
        if self.min_steps > self.max_steps:
            raise ValueError(f"`min_steps` ({self.min_steps}) stands above `max_steps` ({self.max_steps})")
        return self
