"""Small torch modules as users write them: a mobile convolutional net, a text classifier and a causal language model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

VOCABULARY = 129
PAD, END = 0, 1


def encode(text: str) -> list[int]:
    """A tokenizer of one's own: an id for each character of ASCII, others as question marks."""
    return [2 + (ord(character) if ord(character) < VOCABULARY - 2 else ord("?")) for character in text]


class Inverted(nn.Module):
    """An inverted residual block, as in EfficientNet-Lite: expand, depthwise, project; ReLU6 and batch norm, no gates."""

    def __init__(self, width: int, expansion: int = 2) -> None:
        super().__init__()
        inner = width * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(width, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.layers(inputs)


class Lite(nn.Module):
    """A small EfficientNet-Lite."""

    def __init__(self, n_classes: int = 4, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU6())
        self.blocks = nn.Sequential(Inverted(width), Inverted(width))
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, pixels: Tensor) -> Tensor:
        state = self.blocks(self.stem(pixels)).mean((2, 3))
        logits: Tensor = self.classifier(self.dropout(state))
        return logits


class BagOfLetters(nn.Module):
    """The masked mean of embeddings, a hidden layer, a head."""

    def __init__(self, n_classes: int = 4, width: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, ids: Tensor, padding_mask: Tensor) -> Tensor:
        weights = padding_mask.unsqueeze(-1).to(self.embedding.weight.dtype)
        mean = (self.embedding(ids) * weights).sum(1) / weights.sum(1)
        logits: Tensor = self.head(torch.tanh(self.hidden(mean)))
        return logits


class Causal(nn.Module):
    """A causal language model by convolutions to the left; it needs no mask."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.mixing = nn.Conv1d(width, width, 3)
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, ids: Tensor) -> tuple[Tensor]:
        state = nn.functional.pad(self.embedding(ids).transpose(1, 2), (2, 0))
        return (self.head(torch.tanh(self.mixing(state)).transpose(1, 2)),)


def seeded(kind: type[nn.Module], seed: int = 0) -> nn.Module:
    """A module whose weights follow from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind()
