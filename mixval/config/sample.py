"""How many rows of a contributor are read through the backbone."""

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel


class SampleConfig(FrozenModel):
    """At most one of `count` and `fraction`; neither takes every row. Drawn by content, stratified by part, nested."""

    count: int | None = Field(default=None, gt=1)
    """Rows a contributor, both parts together, in proportion to the parts."""
    fraction: float | None = Field(default=None, gt=0, le=1)
    """Share of each part. Dimensionless."""

    @model_validator(mode="after")
    def _one_rule(self) -> "SampleConfig":
        if self.count is not None and self.fraction is not None:
            raise ValueError("give `count` or `fraction`, not both")
        return self
