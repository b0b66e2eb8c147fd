"""Pretrains the small causal language model of the evidence, tokenizer included, into a folder that `backbone.path` takes.

    python -m benchmarks.evidence.worlds.pretrain --data DIR --out FOLDER [--steps 1400] [--seed 0]
        [--width 192] [--layers 4] [--vocabulary 2048]

It reads the pretraining part of the data sets (`datasets.py`), no row of which stands in a world: passages, instructions and
worked solutions. Training stops at `--steps`, and the schedule ends there; `pretrain.json` next to the weights has the loss
on held-out text, in nats a token, next to that of a uniform guess.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.evidence.worlds.datasets import read_dataset
from mixval.config.backbone import BackboneConfig
from mixval.evidence.training import rate_share
from mixval.models.backbone import Backbone
from mixval.models.load import load_backbone
from mixval.models.tokenizers import train_tokenizer
from mixval.seeds import generator

VOCABULARY_TOKENS = 2048
CONTEXT_TOKENS = 192
PIECE_TOKENS = 128
"""Tokens of a training piece: pieces are cut from one stream of texts, so that none is padded."""
WIDTH, LAYERS = 192, 4
HEAD_WIDTH = 48
PEAK_RATE, WEIGHT_DECAY, WARMUP_SHARE, CLIP_NORM = 3e-3, 0.05, 0.05, 1.0
BATCH_PIECES = 12


def settings(width: int, n_layers: int) -> dict[str, Any]:
    """Those of the transformers config."""
    return {
        "hidden_size": width,
        "num_hidden_layers": n_layers,
        "num_attention_heads": width // HEAD_WIDTH,
        "num_key_value_heads": width // HEAD_WIDTH,
        "intermediate_size": width * 8 // 3,
        "max_position_embeddings": CONTEXT_TOKENS,
        "tie_word_embeddings": True,
    }


def read_texts(data: Path) -> tuple[list[str], list[str]]:
    """Texts to train on, real and synthetic, and held-out real ones, prompts and responses joined as mixval joins them."""
    train: list[str] = []
    held_out: list[str] = []
    for name in ("lm", "instruction", "reasoning"):
        dataset = read_dataset(name, data, "pretraining")
        train += [*_texts(dataset.real), *_texts(dataset.synthetic)]
        held_out += _texts(dataset.held_out)[:100]
    return train, held_out


def _texts(rows: pa.Table) -> list[str]:
    if "text" in rows.column_names:
        return list(rows["text"].to_pylist())
    return [f"{row['prompt']}\n{row['response']}" for row in rows.select(["prompt", "response"]).to_pylist()]


def token_stream(tokenizer: Any, texts: list[str], seed: int) -> torch.Tensor:
    """(M, PIECE_TOKENS) int64: texts in a seeded order, each between the start and the end token, cut into pieces."""
    order = generator(seed, "pretrain", "texts").permutation(len(texts))
    encoded = tokenizer([texts[at] for at in order], add_special_tokens=False)["input_ids"]
    stream = [token for ids in encoded for token in (tokenizer.bos_token_id, *ids, tokenizer.eos_token_id)]
    n_pieces = len(stream) // PIECE_TOKENS
    return torch.tensor(stream[: n_pieces * PIECE_TOKENS]).view(n_pieces, PIECE_TOKENS)


def piece_losses(backbone: Backbone, pieces: torch.Tensor) -> torch.Tensor:
    """Mean loss of every token but a piece's first, in nats."""
    batch = {"input_ids": pieces, "attention_mask": torch.ones_like(pieces), "targets": pieces}
    losses, counts = backbone.losses(backbone.forward(batch), batch)
    return losses.sum() / counts.sum()


def pretrain(backbone: Backbone, pieces: torch.Tensor, n_steps: int, seed: int, held_out: torch.Tensor) -> None:
    """AdamW with warm-up and cosine over `n_steps` batches, in place; prints the losses as it goes."""
    module = backbone.module.train().requires_grad_(True)
    optimiser = torch.optim.AdamW(module.parameters(), PEAK_RATE, betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda t: rate_share(t, n_steps, WARMUP_SHARE))
    random, queue = generator(seed, "pretrain", "order"), np.empty(0, dtype=np.int64)
    began = time.perf_counter()
    for step in range(1, n_steps + 1):
        if len(queue) < BATCH_PIECES:
            queue = np.concatenate([queue, random.permutation(len(pieces))])
        loss = piece_losses(backbone, pieces[torch.from_numpy(queue[:BATCH_PIECES])])
        queue = queue[BATCH_PIECES:]
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(module.parameters(), CLIP_NORM)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == n_steps:
            held = held_out_loss(backbone, held_out[:64])
            seconds = time.perf_counter() - began
            print(f"step {step}/{n_steps}: {loss.item():.3f}, held out {held:.3f} nats a token; {seconds:.0f} s", flush=True)


@torch.no_grad()
def held_out_loss(backbone: Backbone, pieces: torch.Tensor) -> float:
    """Nats a token over the pieces, in evaluation mode; the module is left in training mode."""
    backbone.module.eval()
    parts = [
        float(piece_losses(backbone, pieces[at : at + 32])) * len(pieces[at : at + 32]) for at in range(0, len(pieces), 32)
    ]
    backbone.module.train()
    return sum(parts) / len(pieces)


def main() -> None:
    """Train tokenizer and model, and save both."""
    parser = argparse.ArgumentParser(description="Pretrains the small causal language model of the evidence.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--steps", type=int, default=1400, help="optimisation steps of 12 pieces of 128 tokens")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=WIDTH, help=f"of the hidden states, a multiple of {HEAD_WIDTH}")
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY_TOKENS, help="tokens")
    given = parser.parse_args()
    if given.width % HEAD_WIDTH:
        parser.error(f"--width must be a multiple of {HEAD_WIDTH}, found {given.width}")
    torch.set_num_threads(1)
    began = time.process_time()
    train, held_out = read_texts(given.data)
    train_tokenizer(train, given.vocabulary, given.out)
    init = {"architecture": "llama", "settings": settings(given.width, given.layers), "seed": given.seed}
    config = BackboneConfig.model_validate({"random_init": init, "tokenizer": str(given.out), "max_length": CONTEXT_TOKENS})
    backbone = load_backbone(config, "language-modelling", None)
    tokenizer = _tokenizer(backbone)
    pieces, held = token_stream(tokenizer, train, given.seed), token_stream(tokenizer, held_out, given.seed)
    n_parameters = sum(parameter.numel() for parameter in backbone.module.parameters())
    print(f"{n_parameters / 1e6:.2f} M parameters, {pieces.numel() / 1e6:.2f} M tokens, {given.steps} steps", flush=True)
    pretrain(backbone, pieces, given.steps, given.seed, held)
    module: Any = backbone.module
    module.eval().save_pretrained(given.out, safe_serialization=True)
    report = {
        "held_out_nats_a_token": held_out_loss(backbone, held),
        "uniform_nats_a_token": float(np.log(len(tokenizer))),
        "n_parameters": n_parameters,
        "n_training_tokens": pieces.numel(),
        "n_steps": given.steps,
        "seed": given.seed,
        "core_seconds": time.process_time() - began,
    }
    (given.out / "pretrain.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def _tokenizer(backbone: Backbone) -> Any:
    family: Any = backbone.family
    return family.tokeniser.tokenizer


if __name__ == "__main__":
    main()
