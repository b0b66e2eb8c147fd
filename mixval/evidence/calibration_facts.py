"""What a calibration tells those who watch runs."""

from __future__ import annotations

from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.calibration_results import CalibrationSummary
from mixval.storage.root import open_location
from mixval.telemetry.facts import DataUsed, Facts


def calibration_facts(summary: CalibrationSummary, config: CalibrationConfig) -> Facts:
    """The valuation's run as input, the weights as output, trainings and fit as numbers."""
    valued = open_location(config.output, config.source.storage).child("runs", summary.run_id)
    bounds = {"estimate": summary.spearman, "low": summary.spearman_low, "high": summary.spearman_high}
    trainings = {"run": summary.n_trained, "reused": summary.n_found, "failed": len(summary.failed)}
    return Facts(
        run_id=summary.run_id,
        is_new=summary.n_trained > 0,
        headline=summary.fit_in_words,
        inputs=[DataUsed(valued.url, summary.run_id, "contributors")],
        outputs=[DataUsed(summary.url, summary.run_id, "results")],
        samples={
            "mixval_trainings": [({"state": state}, float(n)) for state, n in trainings.items()],
            "mixval_weights_spearman": [({"bound": name}, number) for name, number in bounds.items() if number is not None],
        },
    )
