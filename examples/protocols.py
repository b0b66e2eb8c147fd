"""How each example's contributors are evaluated without mixval: trained on alone, by ordinary means, and tested on the
target.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor, nn

from mixval.config.load import load_config
from mixval.models.tokenise import Tokeniser, TokenRow
from mixval.models.tokenizers import load_tokenizer
from mixval.seeds import generator

EXAMPLES = Path(__file__).parent
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
RIDGE = 1.0
N_CLASSES = 10
IMAGE_STEPS, IMAGE_BATCH, IMAGE_RATE = 400, 32, 2e-3
ANSWER_STEPS, ANSWER_BATCH, ANSWER_RATE = 80, 8, 5e-3
WARM_UP_STEPS = 10
WEIGHT_DECAY = 0.05
IGNORED = -100


def review_accuracy(train: pa.Table, target: pa.Table, seed: int) -> float:  # noqa: ARG001  nothing is drawn
    """Share of the target's sentences classified correctly by ridge regression of the label, +1 or -1, on TF-IDF features.

    With unit rows X (N, V), K = X X^T and centred labels y: a = (K + RIDGE I)^-1 y, score(x) = x X^T a + mean label.
    """
    held, wanted = (tfidf(table["text"].to_pylist(), train["text"].to_pylist()) for table in (train, target))
    signs, true = (2.0 * np.asarray(table["label"]) - 1.0 for table in (train, target))
    weights = np.linalg.solve(held @ held.T + RIDGE * np.eye(len(held)), signs - signs.mean())
    scores = wanted @ (held.T @ weights) + signs.mean()
    return float(np.mean((scores > 0) == (true > 0)))


def tfidf(texts: Sequence[str], reference: Sequence[str]) -> np.ndarray:  # (N, V) float64
    """Unit rows of term frequency times ln((1 + n) / (1 + df)) + 1 over the words and word pairs of `reference`."""
    df = Counter(term for text in reference for term in set(terms(text)))
    column = {term: index for index, term in enumerate(sorted(df))}
    idf = np.array([math.log((1 + len(reference)) / (1 + df[term])) + 1 for term in column])
    counts = np.zeros((len(texts), len(column)))
    for row, text in enumerate(texts):
        for term, n in Counter(terms(text)).items():
            if term in column:
                counts[row, column[term]] = n
    weighted: np.ndarray = counts * idf
    weighted /= np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-12)  # no known term: a row of zeros
    return weighted


def terms(text: str) -> list[str]:
    """A text's words, and its pairs of neighbouring words."""
    words = WORD.findall(text.lower())
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def image_accuracy(train: pa.Table, target: pa.Table, seed: int) -> float:
    """Share of the target's photographs recognised by a small convolutional network."""
    torch.manual_seed(seed)
    model = image_model()
    random = generator("truth", "images", seed)
    pixels, labels = read_images(train)
    step = stepper(model, IMAGE_RATE, IMAGE_STEPS)
    for rows in batches(len(labels), IMAGE_BATCH, IMAGE_STEPS, random):
        flip = torch.from_numpy(random.random(len(rows)) < 0.5)[:, None, None, None]
        batch = torch.where(flip, pixels[rows].flip(-1), pixels[rows])
        step(nn.functional.cross_entropy(model(batch), labels[rows]))
    model.eval()
    pixels, labels = read_images(target)
    with torch.no_grad():
        return float((model(pixels).argmax(1) == labels).double().mean())


def image_model() -> nn.Sequential:
    """Three convolutions of stride 2, each with batch normalisation, and a linear layer over their pooled output."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((3, 24), (24, 48), (48, 96)):
        layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, N_CLASSES))


def read_images(table: pa.Table) -> tuple[Tensor, Tensor]:  # (N, 3, 32, 32) float32, (N,) int64
    """Pixels, about zero and of about unit spread, and classes."""
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in table["image"].to_pylist()])
    scaled = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
    return scaled.contiguous(), torch.tensor(table["label"].to_pylist())


def answer_loss(train: pa.Table, target: pa.Table, seed: int) -> float:
    """Nats a token of the target's responses, under a Llama of two layers."""
    config = load_config(EXAMPLES / "answers" / "config.yaml")
    tokeniser = Tokeniser(load_tokenizer(config.backbone, config.task), config.backbone.prompt_format)
    held, wanted = (tokeniser.conversations(table, config.backbone.max_length) for table in (train, target))
    torch.manual_seed(seed)
    model = answer_model(len(tokeniser.tokenizer))
    step = stepper(model, ANSWER_RATE, ANSWER_STEPS)
    for rows in batches(len(held), ANSWER_BATCH, ANSWER_STEPS, generator("truth", "answers", seed)):
        loss, n_tokens = response_loss(model, [held[row] for row in rows], tokeniser.pad_id)
        step(loss / n_tokens)
    model.eval()
    with torch.no_grad():
        parts = [response_loss(model, wanted[start : start + 25], tokeniser.pad_id) for start in range(0, len(wanted), 25)]
    return float(sum(loss for loss, _ in parts)) / sum(n_tokens for _, n_tokens in parts)


def answer_model(n_tokens: int) -> Any:
    """A Llama of two layers at random initialisation."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=n_tokens,
            hidden_size=64,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=256,
        )
    )


def response_loss(model: Any, rows: Sequence[TokenRow], pad_id: int) -> tuple[Tensor, int]:
    """Summed loss of the tokens of the responses, end tokens included, and their number."""
    length = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), length), pad_id)
    wanted = torch.full((len(rows), length), IGNORED)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        wanted[index, row.answer_start : len(row.ids)] = torch.tensor(row.ids[row.answer_start :])
    # Padding stands on the right and attention looks to the left: no mask is needed.
    chosen = wanted[:, 1:] != IGNORED
    hidden = model.model(ids).last_hidden_state[:, :-1][chosen]
    loss = nn.functional.cross_entropy(model.lm_head(hidden), wanted[:, 1:][chosen], reduction="sum")
    return loss, int(chosen.sum())


def stepper(model: nn.Module, rate: float, n_steps: int) -> Callable[[Tensor], None]:
    """A function that takes one AdamW step on a loss; the rate rises over ten steps, then falls to zero over `n_steps`."""
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda done: min(1.0, (done + 1) / WARM_UP_STEPS) * (1 - done / n_steps)
    )

    def step(loss: Tensor) -> None:
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()

    return step


def batches(n_rows: int, size: int, n_batches: int, random: np.random.Generator) -> Iterator[list[int]]:
    """Rows of each of `n_batches` batches: epoch after epoch, each in an order of its own."""
    queue: list[int] = []
    for _ in range(n_batches):
        while len(queue) < size:
            queue += random.permutation(n_rows).tolist()
        yield queue[:size]
        del queue[:size]


@dataclass(frozen=True)
class Protocol:
    """How the contributors of one example are measured."""

    measure: Callable[[pa.Table, pa.Table, int], float]
    """From a contributor's rows, the target's and a seed to the figure."""
    metric: str
    unit: str
    text: str
    n_seeds: int
    core_seconds: int
    """What one core takes for all contributors and seeds, about."""


PROTOCOLS = {
    "images": Protocol(
        image_accuracy,
        "accuracy",
        "share of the target's photographs",
        f"convolutional network (three layers of stride 2, 24, 48 and 96 channels, batch normalisation), {IMAGE_STEPS} steps "
        f"of {IMAGE_BATCH} rows, half of them mirrored; AdamW, rate {IMAGE_RATE:g}; three seeds",
        n_seeds=3,
        core_seconds=170,
    ),
    "reviews": Protocol(
        review_accuracy,
        "accuracy",
        "share of the target's sentences",
        f"ridge regression (penalty {RIDGE:g}) of the label on TF-IDF of words and word pairs; nothing is drawn",
        n_seeds=1,
        core_seconds=2,
    ),
    "answers": Protocol(
        answer_loss,
        "loss",
        "nats a token of the target's responses",
        f"Llama of two layers and 64 dimensions, {ANSWER_STEPS} steps of {ANSWER_BATCH} rows, loss on responses alone; AdamW, "
        f"rate {ANSWER_RATE:g}; three seeds",
        n_seeds=3,
        core_seconds=115,
    ),
}
