"""What a calibration says of its weights: whether they are shown to predict results of training."""

from typing import Any

import pytest
from rich.console import Console

from mixval.cli.calibration_view import print_calibration
from mixval.evidence.calibration_results import CalibrationSummary

FITTED: dict[str, Any] = {
    "weights": {"loss": 0.5, "ntk": 0.0},
    "ridge": 1.0,
    "n_contributors": 12,
    "n_seeds": 2,
    "confidence": 0.95,
    "seed_agreement": 0.4,
    "url": "memory://out/weights.json",
    "run_id": "a",
    "n_trained": 24,
    "n_found": 0,
}


@pytest.mark.parametrize(
    ("spearman", "low", "high", "is_shown"),
    [(-0.55, -0.87, 0.08, False), (0.4, -0.1, 0.7, False), (0.4, 0.0, 0.7, False), (0.8, 0.3, 0.95, True)],
)
def test_weights_whose_interval_is_not_above_0_are_said_not_to_predict(
    spearman: float, low: float, high: float, is_shown: bool
) -> None:
    summary = CalibrationSummary(**FITTED, spearman=spearman, spearman_low=low, spearman_high=high)
    console = Console(width=400, record=True)
    print_calibration(summary, console)
    said = console.export_text()
    assert f"{spearman:.2f} ({low:.2f} to {high:.2f} at 95%)" in said
    assert summary.is_shown_to_predict == is_shown
    assert ("not shown to predict" in said) == (not is_shown)


def test_a_fit_that_cannot_be_checked_is_no_fit_that_predicts() -> None:
    summary = CalibrationSummary(**FITTED, spearman=None, spearman_low=None, spearman_high=None)
    assert not summary.is_shown_to_predict
    assert "cannot be checked" in summary.fit_in_words
