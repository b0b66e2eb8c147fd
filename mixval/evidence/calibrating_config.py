"""Configuration of a calibration: a valuation, and how truth is trained and evaluated.

It is here and not with the other configurations because the recipe of training is.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from mixval.config.valuation import ValuationConfig, merge
from mixval.evidence.recipe import TrainingRecipe
from mixval.storage.root import open_location


class CalibrationConfig(ValuationConfig):
    """A valuation, and the truth that its terms are weighed by."""

    test: str
    """URL of a folder of Parquet files: held-out rows on which trained models are evaluated. Never the target."""
    recipe: TrainingRecipe = TrainingRecipe()
    """How a model is trained on a contributor's rows."""
    seeds: int = Field(default=3, gt=0)
    """Trainings a contributor; truth is the mean metric over them."""
    coalitions: Literal["none", "leave-one-out"] = "none"
    """`leave-one-out`: also trained on the rows of all contributors but one. Stored, not fitted: terms are of contributors."""

    @property
    def valuation(self) -> ValuationConfig:
        """The valuation whose terms are weighed."""
        return ValuationConfig.model_validate(self.model_dump(include=set(ValuationConfig.model_fields)))

    @property
    def regression(self) -> ValuationConfig:
        """The same valuation by NTK regression, as `mixval value` makes it: what was written, but for what is Eq. 8's alone."""
        written = self.model_dump(include=set(ValuationConfig.model_fields) - {"preset"}, exclude_unset=True)
        of_eq_8 = {"value": {"method", "weights", "fitted_weights"}, "ntk": {"output", "residual"}}
        for room, entries in of_eq_8.items():
            written[room] = {name: held for name, held in written.get(room, {}).items() if name not in entries}
        return ValuationConfig.model_validate(written)

    @model_validator(mode="before")
    @classmethod
    def _weights_are_of_eq_8s_terms(cls, given: Any) -> Any:
        """What is weighed are Eq. 8's terms, with the NTK that Eq. 8 has where nothing else is written."""
        return merge({"value": {"method": "eq8"}}, given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _test_is_not_the_target(self) -> CalibrationConfig:
        urls = [open_location(url, self.source.storage).url.rstrip("/") for url in (self.test, self.source.target)]
        if urls[0] == urls[1]:
            raise ValueError(
                f"`test` and `source.target` are the same place ({urls[0]}). Truth needs rows that no term was computed from"
            )
        return self

    @model_validator(mode="after")
    def _rows_are_read_as_they_lie(self) -> CalibrationConfig:
        if self.source.layout != "folders" or self.source.columns:
            raise ValueError(
                "training reads contributors' folders in contract columns; found `source.layout: column` or `source.columns`. "
                "Write the rows out in contract columns, one folder a contributor"
            )
        return self

    @model_validator(mode="after")
    def _weights_are_not_fitted_already(self) -> CalibrationConfig:
        if self.value.method != "eq8":
            raise ValueError(
                f"a calibration weighs Eq. 8's terms, so `value.method: eq8`; found `{self.value.method}`. Leave it out, or "
                "write `eq8`"
            )
        if self.value.weights == "fitted":
            raise ValueError("`value.weights: fitted` names what a calibration makes. Take another rule while calibrating")
        return self
