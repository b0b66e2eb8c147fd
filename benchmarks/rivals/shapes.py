"""The three models that all methods are measured on, with the same rows; weights and rows are seeded, nothing is downloaded.

    mlp      64-256-256-10 perceptron, 84,480 weights; images of the images example, grey, pooled to 8 x 8
    resnet   three blocks with group norm, 307,296 weights; the same images in colour, pooled to 8 x 8
    llama    four layers of width 128, 823,296 weights; 64 bytes of the answers example's text a row

Weights as they are initialised: what a method costs does not depend on them. A rival wants them trained; that is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.workloads import _bytes, _images
from mixval.terms.ntk.kinds import select_parameters

SHAPES = ("mlp", "resnet", "llama")
TOKENS = 64
SIDE = 8


@dataclass(frozen=True)
class Shape:
    """A model in evaluation mode and n rows."""

    name: str
    module: nn.Module
    """From inputs (B, ...) to logits (B, C), or (B, T, C) for the language model."""
    inputs: Tensor
    labels: Tensor
    """(n,) classes, or (n, T) ids."""
    batch_rows: int

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.inputs)

    @property
    def is_language(self) -> bool:
        """Whether rows are sequences of ids."""
        return self.labels.ndim == 2

    @property
    def names(self) -> list[str]:
        """The linear and convolutional weights, which mixval's kernel is over."""
        return select_parameters(self.module, ["linear", "conv"])

    def batches(self, n: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and labels of the first n rows, batch by batch."""
        stop = self.n if n is None else n
        for low in range(0, stop, self.batch_rows):
            rows = slice(low, min(low + self.batch_rows, stop))
            yield self.inputs[rows], self.labels[rows]

    def scalar(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """(B,) f of mixval: the own label's logit, or the mean logit of the true tokens."""
        inputs, labels = batch
        return scalars(self.module(inputs), labels)


def scalars(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) the own label's logit, or the mean logit of the true tokens."""
    if labels.ndim == 1:
        return logits.gather(1, labels[:, None])[:, 0]
    return logits[:, :-1].gather(2, labels[:, 1:, None])[:, :, 0].mean(1)


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) cross-entropy of each row, over its tokens in the mean."""
    if labels.ndim == 1:
        return functional.cross_entropy(logits, labels, reduction="none")
    return functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none").mean(1)


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.first_norm = nn.GroupNorm(8, out)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.second_norm = nn.GroupNorm(8, out)
        self.shortcut = nn.Identity() if stride == 1 and width == out else nn.Conv2d(width, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(hidden)) + self.shortcut(x))


class ResNet(nn.Module):
    """Stem, three blocks, mean over places, linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 1, 1, bias=False)
        self.body = nn.Sequential(Block(32, 32, 1), Block(32, 64, 2), Block(64, 128, 2))
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class LanguageModel(nn.Module):
    """From ids to logits: all methods can call it with a tensor."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        sizes = {"hidden_size": 128, "intermediate_size": 344, "num_hidden_layers": 4, "num_attention_heads": 4}
        # `vmap`, which TRAK needs, runs through eager attention alone.
        config = LlamaConfig(
            vocab_size=256, max_position_embeddings=TOKENS, attn_implementation="eager", use_cache=False, **sizes
        )
        self.lm = LlamaForCausalLM(config)

    def forward(self, ids: Tensor) -> Tensor:
        return self.lm(input_ids=ids, attention_mask=None, use_cache=False).logits


def shape(name: str, n: int) -> Shape:
    """The shape of that name with n rows."""
    torch.manual_seed(0)
    if name == "llama":
        ids = _bytes(-(-n // 2)).reshape(-1, TOKENS)[:n].clone()
        return Shape(name, LanguageModel().eval(), ids, ids, 25)
    rows = _images(n)
    pixels = functional.adaptive_avg_pool2d(rows["pixels"], SIDE)
    if name == "resnet":
        return Shape(name, ResNet().eval(), pixels.contiguous(), rows["labels"], 50)
    layers = (nn.Linear(SIDE * SIDE, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    return Shape(name, nn.Sequential(*layers).eval(), pixels.mean(1).flatten(1), rows["labels"], 50)
