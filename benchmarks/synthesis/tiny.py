"""A causal LM of some ten thousand weights, drawn from a seed, with the answers example's tokenizer and a chat template.

It writes no sense. Where only what becomes of requests matters it answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from examples.generator import ANSWERS, TEMPLATE
from mixval.models.pretrained import seeded


def save_tiny(folder: Path, n_layers: int = 1) -> Path:
    """Save it, and return the folder."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(ANSWERS / "tokenizer"))
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=n_layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.4,
        **special,
    )
    with seeded(0):
        model: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight[tokenizer.eos_token_id] *= 2  # so that some answers end by themselves
    model.save_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(str(folder))
    return folder


if __name__ == "__main__":
    print(save_tiny(Path(sys.argv[1])))
