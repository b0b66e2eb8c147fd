"""Checkpoints of the backbone along a training on all contributors' rows, for methods that use trained weights.

The rate rises as truth's does and then stays, so that every checkpoint weighs the same in a sum over them (TracIn, Pruthi et
al. 2020, weighs each by its rate).
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pyarrow as pa
import torch

from mixval.errors import ConfigError, NumericalError
from mixval.evidence.learners import make_learner
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.training import orders, planned_steps, take
from mixval.models.backbone import Backbone
from mixval.seeds import derive_seed


def trained(backbone: Backbone, rows: pa.Table, recipe: TrainingRecipe, n_kept: int, seed: int) -> list[Backbone]:
    """`n_kept` copies of the backbone, frozen, in evaluation mode, at equal distances along one training on `rows`.

    Raises ConfigError for a recipe that trains no backbone, NumericalError when the loss is not finite.
    """
    if recipe.trainable == "head":
        raise ConfigError("checkpoints need a backbone that is trained, found `trainable: head`. Choose `all` or `lora`.")
    own = copy.deepcopy(backbone)  # as a whole: the family holds a layer of the module
    learner = make_learner(own, recipe, seed, has_fresh_head=False)
    encoded, n_steps = learner.encode(rows), planned_steps(rows.num_rows, recipe)
    learned = [parameter for parameter in own.module.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learned, recipe.learning_rate, weight_decay=recipe.weight_decay)
    random = np.random.default_rng(derive_seed("baselines", "checkpoints", seed))
    last_steps = {math.ceil(n_steps * (at + 1) / n_kept) for at in range(n_kept)}
    kept: list[Backbone] = []
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(derive_seed("baselines", "dropout", seed))
        for step, chosen in enumerate(orders(rows.num_rows, recipe.batch_rows, n_steps, random), start=1):
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * min(step / max(1, round(recipe.warmup_share * n_steps)), 1.0)
            own.module.train()
            outcome = learner.compute(take(encoded, chosen))
            loss = outcome.losses.sum() / outcome.counts.sum()
            if not torch.isfinite(loss):
                raise NumericalError(f"the training loss must be finite, found {loss.item()} at step {step}. Lower the rate.")
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(learned, recipe.clip_norm)
            optimiser.step()
            if step in last_steps:
                kept.append(_frozen(own))
    return kept


def _frozen(backbone: Backbone) -> Backbone:
    one = copy.deepcopy(backbone)
    one.module.zero_grad()
    one.module.eval().requires_grad_(False)
    return one
