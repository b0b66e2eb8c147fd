"""Limits that a contributor's rows must keep to be valued."""

from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel


class GateConfig(FrozenModel):
    """Row limits drop rows; a contributor that loses too many, or has too few left, is rejected."""

    min_rows: int = Field(default=20, ge=2)
    """Fewest rows a contributor may have after bad rows are dropped."""
    min_rows_per_part: int = Field(default=5, ge=2)
    """Fewest rows a part that is not empty may have. MMD without bias needs 2."""
    min_classes: int = Field(default=2, ge=1)
    """Fewest distinct labels in classification. 1 allows contributors with a single class."""
    max_bad_row_share: float = Field(default=0.1, ge=0, le=1)
    """Share of bad rows (0 to 1) up to which they are dropped and the contributor stays."""
    max_duplicate_share: float = Field(default=0.1, ge=0, le=1)
    """Share of rows (0 to 1) that may repeat an earlier row of the same contributor; repeats within it are dropped."""
    max_target_overlap_share: float = Field(default=0.01, ge=0, le=1)
    """Share of rows (0 to 1) that may stand in the target set too; they are dropped."""
    max_shared_share: float = Field(default=0.5, ge=0, le=1)
    """Share of rows (0 to 1) that another contributor may hold as well before `shared_rows` applies."""
    shared_rows: Literal["warn", "reject"] = "warn"
    """What too many rows shared with another contributor lead to. `reject` hits both: who copied cannot be known."""
    min_text_chars: int = Field(default=1, ge=1)
    """Fewest characters in a text, prompt or response."""
    max_text_chars: int = Field(default=200_000, gt=0)
    """Most characters in a text, prompt or response."""
    min_image_side_pixels: int = Field(default=8, gt=0)
    """Smallest side of an image."""
    max_image_side_pixels: int = Field(default=8192, gt=0)
    """Largest side of an image; a decompression bomb stops here."""
    batch_rows: int = Field(default=4096, gt=0)
    """Rows validated at a time."""
    samples_kept: int = Field(default=5, ge=1, le=100)
    """Sample values kept for each failed expectation."""
    data_docs: bool = True
    """Whether Great Expectations' Data Docs are written beside the run."""

    @model_validator(mode="after")
    def _ordered(self) -> "GateConfig":
        if self.min_text_chars > self.max_text_chars or self.min_image_side_pixels > self.max_image_side_pixels:
            raise ValueError("a minimum stands above its maximum")
        return self
