"""Shapes of Llama-3-like models, and their parameters counted in both ways.

    a layer        4 d^2 (attention) + 3 d f (SwiGLU) + 2 d (norms),   f = 8 d / 3 up to the next multiple of `ffn_multiple`
    without        layers and the last norm: the size N of scaling laws (Kaplan et al. 2020)
    with           one embedding more, vocabulary x d, which is the output as well

Table 1's names count one embedding of 128,256 rows.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel

TABLE_MULTIPLE = 256


class Shape(FrozenModel):
    """A model's shape."""

    name: str = Field(min_length=1, max_length=20, pattern=r"^[\w.-]+$")
    """Its name in tables and messages."""
    dim: int = Field(gt=0)
    """Width d. A head has dim / heads numbers."""
    layers: int = Field(gt=0)
    """Transformer blocks."""
    heads: int = Field(gt=0)
    """Attention heads, each with keys and values of its own."""
    ffn_multiple: int = Field(default=TABLE_MULTIPLE, gt=0)
    """The feed-forward width is 8 dim / 3, up to the next multiple of this."""

    @property
    def ffn(self) -> int:
        """Width of the feed-forward part."""
        wanted = 8 * self.dim // 3
        return self.ffn_multiple * -(-wanted // self.ffn_multiple)

    @property
    def params(self) -> int:
        """Parameters without embeddings."""
        d = self.dim
        return self.layers * (4 * d * d + 3 * d * self.ffn + 2 * d) + d

    def params_with(self, vocabulary: int) -> int:
        """Parameters with the one embedding."""
        return self.params + vocabulary * self.dim

    @model_validator(mode="after")
    def _heads_are_even(self) -> Shape:
        if self.dim % self.heads or (self.dim // self.heads) % 2:
            raise ValueError(f"`dim` / `heads` must be an even number, for rotary positions; found {self.dim} / {self.heads}")
        return self


def _table() -> dict[str, Shape]:
    of_paper = {
        "100M": (576, 7, 9),
        "200M": (832, 10, 13),
        "500M": (1280, 16, 20),
        "1B": (1792, 22, 28),
        "2B": (2240, 28, 35),
        "3B": (2624, 32, 41),
    }
    scaled_down = {
        "0.03M": (32, 2, 1),
        "0.06M": (48, 2, 2),
        "0.1M": (64, 2, 2),
        "0.3M": (96, 3, 3),
        "0.8M": (128, 4, 4),
        "2.7M": (192, 6, 6),
    }
    found = {name: Shape(name=name, dim=d, layers=n, heads=h) for name, (d, n, h) in of_paper.items()}
    small = {name: Shape(name=name, dim=d, layers=n, heads=h, ffn_multiple=32) for name, (d, n, h) in scaled_down.items()}
    return found | small


SHAPES = _table()
"""Table 1 of arXiv 2510.01631, and shapes for processors; those are named by their parameters without embeddings."""
