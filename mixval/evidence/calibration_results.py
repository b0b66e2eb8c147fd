"""Results of a calibration: weights, their cross-validated fit, and the tables that they were fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.contracts.record import ArtifactRef
from mixval.contracts.schemas import SCHEMAS, table_schema
from mixval.contracts.terms import TERMS
from mixval.publish.run_manifest import RunManifest

NOT_SHOWN = (
    "The interval is not above 0, so the weights are not shown to predict results of training. Do not rank by them: calibrate "
    "with more contributors, rows or seeds, or use `value.weights: shipped`."
)


class CalibrationFigures(FrozenModel):
    """The fitted weights and their cross-validated fit."""

    weights: dict[str, float]
    """Weight by term, in metric per unit of the term."""
    ridge: float
    """Chosen strength of the penalty. Dimensionless."""
    n_contributors: int
    n_seeds: int
    spearman: float | None
    """Of left-out contributors' scores with their truth. None where one of them does not vary."""
    spearman_low: float | None
    spearman_high: float | None
    confidence: float
    """Level of the interval. Dimensionless."""
    seed_agreement: float | None
    """Mean Spearman correlation of truth over pairs of seeds. None for one seed."""
    failed: dict[str, str] = Field(default_factory=dict)
    """Contributor, or `without NAME` -> why a training of it failed. It is left out of the fit."""


class CalibrationSummary(CalibrationFigures):
    """Location of the weights and their cross-validated fit. Small enough to be a flow's return value."""

    url: str
    """The published JSON document for `value.fitted_weights`."""
    run_id: str
    """The valuation's run whose terms were weighed."""
    n_trained: int
    n_found: int
    """Trainings that were there already."""

    @property
    def is_shown_to_predict(self) -> bool:
        """Whether the whole interval of the cross-validated correlation is above 0."""
        return self.spearman_low is not None and self.spearman_low > 0

    @property
    def fit_in_words(self) -> str:
        """How well weights fitted without a contributor predict its training result, as a sentence."""
        of = f"{self.n_contributors} contributors, {self.n_seeds} seed(s)"
        if self.spearman is None:
            return (
                f"{of}: the predicted values of left-out contributors, or their training results, do not vary, so the fit "
                "cannot be checked."
            )
        interval = f"{self.spearman_low:.2f} to {self.spearman_high:.2f} at {self.confidence:.0%}"
        said = (
            f"{of}: Spearman correlation of predicted values with training results, over left-out contributors: "
            f"{self.spearman:.2f} ({interval})."
        )
        return said if self.is_shown_to_predict else f"{said} {NOT_SHOWN}"

    @property
    def trained_in_words(self) -> str:
        """How many trainings there were, as a sentence."""
        return f"{self.n_trained} trainings run, {self.n_found} reused."

    @property
    def use(self) -> str:
        """The line of a configuration that uses the weights."""
        return f"value: {{method: eq8, weights: fitted, fitted_weights: {self.url}}}"


class CalibrationManifest(RunManifest):
    """Lies beside the weights as `manifest.json`. Holds no secrets."""

    flow: Literal["calibration"] = "calibration"
    schema_version: int = SCHEMAS["calibration-manifest"].version
    valuation_run: str
    """The valuation's run whose terms were weighed."""
    figures: CalibrationFigures
    artifact: ArtifactRef
    """The committed fit that was published."""


@dataclass(frozen=True, kw_only=True)
class CalibrationResults:
    """All that the writers of a calibration's run are given."""

    manifest: CalibrationManifest
    weights: bytes
    """The document that `value.fitted_weights` reads."""
    truth: pa.Table
    """Schema `TRUTH`: one row a training."""
    contributors: pa.Table
    """As `contributors_schema`: what the weights were fitted to."""
    coalitions: pa.Table | None
    """Schema `TRUTH`: trainings on the rows of all contributors but one. None where there were none."""


def contributors_schema() -> pa.Schema:
    """One row a contributor: its terms, in the order of `TERMS`, its truth, and its score by weights fitted without it."""
    return table_schema(
        "contributors",
        [
            pa.field("contributor", pa.string(), nullable=False),
            *(pa.field(name, pa.float64(), nullable=False) for name in TERMS),
            pa.field("truth", pa.float64(), nullable=False),
            pa.field("left_out_score", pa.float64(), nullable=False),
        ],
        truth="mean over seeds of accuracy, or of nats a token negated; higher is better",
        left_out_score="metric, up to a constant that all contributors share; higher is better",
    )
