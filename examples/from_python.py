"""Four contributors of film reviews ranked from Python, by an n-gram model and by a torch module of one's own.

python -m examples.from_python
"""

from __future__ import annotations

import zlib
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

import mixval

DATA = Path(__file__).parent / "reviews" / "data"
NAMES = ("basil", "coral", "hazel", "kelp")
PAD, BUCKETS = 0, 4096


def words(text: str) -> list[int]:
    """A tokenizer of one's own: each word hashed to an id; 0 is left to padding."""
    return [1 + zlib.crc32(word.encode()) % (BUCKETS - 1) for word in text.split()]


class BagOfWords(nn.Module):
    """The mean of a text's word vectors, and a head. Its tangent kernel counts the words that two texts share."""

    def __init__(self, n_classes: int, width: int = 64) -> None:
        """With random weights: seed torch before."""
        super().__init__()
        self.vectors = nn.Embedding(BUCKETS, width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, T), (B, T) -> logits (B, C)."""
        weights = mask.unsqueeze(-1).to(self.vectors.weight.dtype)
        mean = (self.vectors(ids) * weights).sum(1) / weights.sum(1).clamp(min=1)
        logits: Tensor = self.head(mean)
        return logits


def contributors() -> dict[str, pd.DataFrame]:
    """Their rows by name: `text`, `label`, and `origin` (real or synthetic)."""
    return {name: pd.read_parquet(DATA / "contributors" / f"contributor={name}") for name in NAMES}


def ranked_by_ngrams(rows: dict[str, pd.DataFrame], target: pd.DataFrame) -> mixval.ValuationResult:
    """By the linear model of hashed n-grams that is made from a seed."""
    return mixval.value(rows, target, {"random_init": {"architecture": "ngrams"}}, ntk={"sketch_features": 1024})


def ranked_by_own_module(rows: dict[str, pd.DataFrame], target: pd.DataFrame) -> mixval.ValuationResult:
    """By a torch module, of whose word vectors gradients are taken."""
    torch.manual_seed(0)
    own = mixval.OwnModule(BagOfWords(n_classes=2), tokenizer=words, pad_id=PAD, max_length=64)
    return mixval.value(rows, target, own, ntk={"sketch_features": 1024, "parameters": ["embedding"]}, value={"coalitions": 0})


def main() -> None:
    """Print both rankings, and why one contributor has its place."""
    rows, target = contributors(), pd.read_parquet(DATA / "target")
    by_ngrams, by_own = ranked_by_ngrams(rows, target), ranked_by_own_module(rows, target)
    print(by_ngrams, by_ngrams.explain("coral"), by_own, sep="\n\n")
    best, *_ = by_ngrams.ranking["contributor"]
    print(f"\nworth most: {best}; warnings: {', '.join(one.kind for one in by_ngrams.warnings)}")


if __name__ == "__main__":
    main()
