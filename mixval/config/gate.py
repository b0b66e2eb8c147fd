"""Limits that the rows of a contributor must meet to be valued."""

from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel


class GateConfig(FrozenModel):
    """Rows that break a row limit are dropped. A contributor with too many dropped or too few remaining rows is rejected."""

    min_rows: int = Field(default=20, ge=2)
    """Fewest rows that a contributor must have after bad rows are dropped."""
    min_rows_per_part: int = Field(default=5, ge=2)
    """Fewest rows of a part (real or synthetic) that is not empty. The unbiased MMD needs 2."""
    min_classes: int = Field(default=2, ge=1)
    """Fewest distinct labels of a contributor (classification). 1 allows contributors with a single class."""
    max_bad_row_share: float = Field(default=0.1, ge=0, le=1)
    """Largest share of bad rows (0 to 1). Up to it they are dropped; above it the contributor is rejected."""
    max_duplicate_share: float = Field(default=0.1, ge=0, le=1)
    """Largest share of rows (0 to 1) that repeat an earlier row of the same contributor. Up to it the repeats are dropped."""
    max_target_overlap_share: float = Field(default=0.01, ge=0, le=1)
    """Largest share of rows (0 to 1) that are also in the target set. Up to it they are dropped."""
    max_shared_share: float = Field(default=0.5, ge=0, le=1)
    """Largest share of rows (0 to 1) that another contributor also has. Above it `shared_rows` applies."""
    shared_rows: Literal["warn", "reject"] = "warn"
    """Consequence of too many rows shared with another contributor. `reject` rejects both: the data do not show who copied."""
    min_text_chars: int = Field(default=1, ge=1)
    """Fewest characters in a text, prompt or response."""
    max_text_chars: int = Field(default=200_000, gt=0)
    """Most characters in a text, prompt or response."""
    min_image_side_pixels: int = Field(default=8, gt=0)
    """Smallest side of an image in pixels."""
    max_image_side_pixels: int = Field(default=8192, gt=0)
    """Largest side of an image in pixels. Larger ones are never decoded."""
    max_image_pixels: int = Field(default=2**25, gt=0)
    """Most pixels of an image, height times width. Larger ones are never decoded: 1.4 kB may hold 67 million of them."""
    max_image_scans: int = Field(default=32, gt=0)
    """Most scans of a JPEG, each of which goes over all pixels. Encoders write up to 14; images of more are never decoded."""
    max_rows: int = Field(default=20_000_000, gt=0)
    """Most rows of a contributor. With more it is rejected unread: the gate keeps some 100 bytes a row to find repeats."""
    max_unfolding: int = Field(default=2000, gt=0)
    """Most bytes that a contributor may have once decoded, pixels included, per byte of its files, beyond the first GiB."""
    batch_rows: int = Field(default=4096, gt=0)
    """Rows validated at a time."""
    samples_kept: int = Field(default=5, ge=1, le=100)
    """Sample values stored for each failed expectation."""
    data_docs: bool = True
    """Whether Great Expectations' Data Docs are written into the run's folder."""

    @model_validator(mode="after")
    def _ordered(self) -> "GateConfig":
        if self.min_text_chars > self.max_text_chars or self.min_image_side_pixels > self.max_image_side_pixels:
            raise ValueError("a minimum is above its maximum")
        return self
