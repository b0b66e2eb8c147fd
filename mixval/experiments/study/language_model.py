"""A Llama-3-like model of a shape, its training over packed sequences, and its losses on documents.

Architecture of arXiv 2510.01631, section A.2: RMSNorm, SwiGLU, rotary positions, one embedding that is the output too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mixval.errors import NumericalError
from mixval.evidence.training import decayed, rate_share
from mixval.experiments.study.config import StudyRecipe
from mixval.experiments.study.shapes import Shape

ROPE_THETA, NORM_EPS = 500_000.0, 1e-5
"""Llama 3's."""
INITIAL_DEVIATION = 0.02
EVALUATION_TOKENS = 16_384
"""Of a pass without gradients."""
IGNORED = -100


def make_model(shape: Shape, vocabulary: int, context: int, seed: int, device: str) -> nn.Module:
    """The untrained model; the same seed gives the same weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.dim,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=context,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        rms_norm_eps=NORM_EPS,
        initializer_range=INITIAL_DEVIATION,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
        use_cache=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = LlamaForCausalLM(config)
    return model.to(device)


def train_on(model: nn.Module, batches: Iterator[np.ndarray], n_steps: int, recipe: StudyRecipe) -> None:
    """Train in place; each of `n_steps` batches is (sequences, context + 1). Raises NumericalError for a loss not finite."""
    betas = (recipe.beta_1, recipe.beta_2)
    optimiser = torch.optim.AdamW(decayed(model, recipe.weight_decay), recipe.learning_rate, betas=betas)
    least = recipe.least_rate_share
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: max(rate_share(step, n_steps, recipe.warmup_share), least)
    )
    parameters = list(model.parameters())
    model.train()
    for step, batch in enumerate(batches, start=1):
        optimiser.zero_grad(set_to_none=True)
        for start in range(0, len(batch), recipe.pass_sequences):
            part = batch[start : start + recipe.pass_sequences]
            loss = _losses(model, part[:, :-1], part[:, 1:], recipe).mean()
            if not torch.isfinite(loss):
                raise NumericalError(
                    f"the training loss must be finite, found {loss.item()} at step {step}. Lower `recipe.learning_rate`."
                )
            torch.autograd.backward(loss * (len(part) / len(batch)))
        nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimiser.step()
        schedule.step()


@torch.no_grad()
def piece_losses(model: nn.Module, pieces: list[np.ndarray], recipe: StudyRecipe) -> np.ndarray:
    """(len(pieces),) nats of each piece of tokens: the sum over all of its tokens but the first."""
    model.eval()
    order = sorted(range(len(pieces)), key=lambda at: len(pieces[at]))
    found = np.zeros(len(pieces))
    for chosen in _batches(order, [len(one) for one in pieces]):
        width = max(len(pieces[at]) for at in chosen)
        filled = np.full((len(chosen), width), IGNORED, dtype=np.int64)
        for row, at in enumerate(chosen):
            filled[row, : len(pieces[at])] = pieces[at]
        inputs = np.where(filled == IGNORED, 0, filled)[:, :-1]  # what follows a piece is not attended to
        found[chosen] = _losses(model, inputs, filled[:, 1:], recipe).double().sum(1).cpu().numpy()
    return found


def _batches(order: list[int], lengths: list[int]) -> Iterator[list[int]]:
    """Positions of pieces of about equal length, as many as a pass takes."""
    chosen: list[int] = []
    for at in order:
        if chosen and lengths[at] * (len(chosen) + 1) > EVALUATION_TOKENS:
            yield chosen
            chosen = []
        chosen.append(at)
    if chosen:
        yield chosen


def _losses(model: Any, inputs: np.ndarray, targets: np.ndarray, recipe: StudyRecipe) -> Tensor:
    """(B, T) nats of each target; 0 where it is ignored."""
    device = next(model.parameters()).device
    ids, wanted = (torch.from_numpy(np.ascontiguousarray(one)).to(device) for one in (inputs, targets))
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.products == "bfloat16"):
        logits = model(input_ids=ids).logits
    flat = nn.functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=IGNORED, reduction="none")
    return flat.view_as(wanted)
