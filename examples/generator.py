"""The small generator that the examples ship, made here in seconds: `python -m examples.generator`.

A Llama whose logits are log-probabilities of a token given the one before it, counted over what people have written in the
contributors' rows of the answers example, and never in its target. It writes the words of such solutions and none of their
sense: enough to show every step of `mixval synthesize`, and what its rows are worth.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

ANSWERS = Path(__file__).parent / "answers"
GENERATOR = ANSWERS / "generator"
TEMPLATE = (
    "<bos>{% for message in messages %}{% if message.role == 'assistant' %}{{ message.content }}<eos>"
    "{% else %}{{ message.content }}\nIn sentences:\n{% endif %}{% endfor %}"
)
WIDTH, SMOOTHING = 192, 0.5
"""Numbers that a token's successors are summed up in; counts that are added, spread as tokens are."""
_MARKS = re.compile(r"<<[^<>]*>>")


def solutions() -> list[str]:
    """What people have written: solutions of the contributors' rows."""
    table = pq.read_table(ANSWERS / "data" / "contributors")
    rows = table.filter(pc.equal(table["origin"], "real")).to_pylist()
    return sorted({str(row["response"]).strip() for row in rows if len(row["response"]) > 40})


def in_sentences(solution: str) -> str:
    """A solution without the calculator's marks, and its result as a sentence."""
    body, _, result = _MARKS.sub("", solution).partition("#### ")
    lines = [line.strip().rstrip(".") for line in body.splitlines() if line.strip()]
    return " ".join(f"{line}." for line in lines) + f" The answer is {result.strip()}."


def lifts(tokenizer: Any) -> tuple[np.ndarray, np.ndarray]:
    """(V, V) logarithm of how much more often a token follows another than it stands anywhere, 0 for pairs that were not seen;
    (V,) log-probability of each token."""
    pairs, single = Counter[tuple[int, int]](), np.full(len(tokenizer), 1e-3)
    newline = tokenizer.encode("\n", add_special_tokens=False)[-1]
    for solution in solutions():
        ids = [newline, *tokenizer.encode(in_sentences(solution), add_special_tokens=False), tokenizer.eos_token_id]
        pairs.update(pairwise(ids))
        np.add.at(single, ids[1:], 1.0)
    shares = single / single.sum()
    found = np.zeros((len(tokenizer), len(tokenizer)))
    for (before, after), n in pairs.items():
        found[before, after] = np.log1p(n / (SMOOTHING * shares[after]))
    return found, np.log(shares)


def save(folder: Path) -> Path:
    """Make the generator and save it, in bfloat16, with tokenizer and chat template."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(ANSWERS / "tokenizer"))
    found, logs = lifts(tokenizer)
    left, sizes, right = np.linalg.svd(found)
    roots = np.sqrt(sizes[: WIDTH - 2])
    embedded = np.concatenate([left[:, : WIDTH - 2] * roots, np.ones((len(left), 1))], axis=1)
    longest = float(np.linalg.norm(embedded, axis=1).max())
    # A last number gives all embeddings one length, which the norm before the head then takes back.
    rest = np.sqrt(np.maximum(longest**2 - (embedded**2).sum(axis=1), 0.0))
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    sizes_of = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    lengths = {"intermediate_size": 8, "max_position_embeddings": 1024, "vocab_size": len(tokenizer)}
    model: Any = LlamaForCausalLM(LlamaConfig(**sizes_of, **lengths, tie_word_embeddings=False, **special))
    with torch.no_grad():
        for weight in model.model.layers.parameters():
            weight.zero_()  # the layer adds nothing
        model.model.embed_tokens.weight.copy_(torch.from_numpy(np.concatenate([embedded, rest[:, None]], axis=1)))
        model.model.norm.weight.fill_(longest / WIDTH**0.5)
        head = np.concatenate([right[: WIDTH - 2].T * roots, logs[:, None], np.zeros((len(logs), 1))], axis=1)
        model.lm_head.weight.copy_(torch.from_numpy(head))
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(str(folder))
    return folder


if __name__ == "__main__":
    print(save(Path(sys.argv[1]) if len(sys.argv) > 1 else GENERATOR))
