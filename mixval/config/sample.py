"""How many rows of a contributor are used."""

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel


class SampleConfig(FrozenModel):
    """A sample of rows: give at most one of `count` and `fraction`; with neither, every row is taken.

    Rows are drawn by a hash of their content, in proportion to the real and synthetic parts; a smaller sample is part of a
    larger one.
    """

    count: int | None = Field(default=None, gt=1)
    """Most rows per contributor, real and synthetic together. `ntk.method: sketched` reads all, half, a quarter, ... of them,
    so that an added row changes no other: with 400, it reads 250 of 500."""
    fraction: float | None = Field(default=None, gt=0, le=1)
    """Share (0 to 1) of the rows of each part."""

    @model_validator(mode="after")
    def _one_rule(self) -> "SampleConfig":
        if self.count is not None and self.fraction is not None:
            raise ValueError("give `count` or `fraction`, not both")
        return self
