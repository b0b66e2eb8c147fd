"""The NTK-regression value of one contributor, from its Gram blocks or from its sufficient statistics.

Letters: n rows of S, both parts together; m rows of T; Theta of the output `mix` (`mixval/models/outputs.py`).

A deviation is the sum of two: of regression on half of S evaluated on all of T, and of regression on all of S evaluated on half
of T, the same half for all contributors. Each is rescaled to all of its rows; from sufficient statistics S's come from the kept
rows. For causal LMs the slope, gain over displacement, has deviations of its own, since the displacement differs on half of S.
"""

from __future__ import annotations

import numpy as np

from mixval.errors import ConfigError
from mixval.stages.frozen_head import head_ratio
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Masks, Measured, half_sample_masks
from mixval.stages.statistics import PartStatistics
from mixval.stages.statistics_terms import kept_for_halves, whole_statistics
from mixval.stages.target_gradients import TargetGradients, objective_of
from mixval.terms.discrepancy.embedded_halves import halved
from mixval.terms.half_samples import GROUPS, deviations, half_groups, own_deviations, row_groups
from mixval.terms.ntk.half_sample_values import half_sample_values
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import KernelRegression, Prediction, feature_regression, kernel_regression
from mixval.terms.ntk.sketched_rows import WORTHWHILE_SHARE
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.trained_gain import slope
from mixval.terms.ntk.two_phase import TwoPhaseRatio, two_phase_value
from mixval.terms.ntk.value import RegressionValue, regression_value


def exact_regression_value(
    job: MeasureJob, target: MeasureJob, forward: dict[str, np.ndarray], stored: dict[str, np.ndarray]
) -> Measured:
    """From the committed Gram blocks of the gradient samples of contributor and T.

    For labelled rows under `ValuationConfig.values_rows_read`, rescaled to all rows that were read, by features of the forward
    passes (`mixval/terms/ntk/two_phase.py`).
    """
    objective = objective_of(job, stored, np.sqrt(np.maximum(stored["target_squares"], 0.0)), "target_")
    theta, theta_ts = stored["theta"], stored["theta_ts"]
    if objective.labels is None:
        right = ((1 - stored["probabilities"]) * stored["tokens"])[:, None] / objective.unit
    else:
        right = one_hot(stored["labels"], objective.n_classes)
    regression = kernel_regression(theta, theta_ts, right)
    found = regression_value(regression, objective, job.regression_damping)
    used = min(len(right), 2 * job.value.half_sample_rows)
    own = half_sample_masks(job, stored["keys"][:used], stored["is_real"][:used].astype(bool))
    rows, target_deviations = (np.zeros(0), np.zeros(0)), np.zeros(0)
    if len(own):
        blocks = theta[:used, :used], theta_ts[:, :used], right[:used]
        halves, scale = half_sample_values(*blocks, objective, own, job.regression_damping), np.sqrt(used / len(right))
        rows = own_deviations(halves.values, own) * scale, own_deviations(halves.slopes, own) * scale
        of_target = half_sample_masks(job, stored["target_keys"], np.ones(len(theta_ts), dtype=bool))
        target_deviations = own_deviations(objective.half_values(found.change.values, of_target), of_target)
    measured = _measured(objective, found, regression.diagnosed(found.change), rows, target_deviations, "exact")
    head = head_ratio(job, target, forward, stored["keys"], own) if job.values_rows_read else None
    return measured if head is None else _two_phase(measured, head)


def sketched_regression_value(job: MeasureJob, by_part: PartStatistics, target: TargetGradients) -> Measured:
    """From the sums of both parts, or from the kept rows where they are all rows and few: the same up to rounding."""
    objective, of_target = target.objective, target.features.astype(np.float64)
    if job.ntk.residual != "one-minus-probability":
        raise ConfigError(
            f"the NTK-regression value needs sums of 1 - p, found `ntk.residual: {job.ntk.residual}`. Leave it out."
        )
    regression = _regression(by_part, of_target, objective)
    found = regression_value(regression, objective, job.regression_damping)
    rows, target_deviations = (np.zeros(0), np.zeros(0)), np.zeros(0)
    if job.value.half_samples:
        kept = half_groups(job.value.half_samples, job.seed)
        rows = _row_deviations(job, by_part, of_target, objective, kept)
        target_deviations = deviations(
            objective.half_values(found.change.values, _group_masks(target.keys, kept, job.seed)), 2, 1
        )
    prediction = regression.diagnosed(found.change)
    return _measured(objective, found, prediction, rows, target_deviations, "sketched", sketch_features=of_target.shape[1])


def _measured(
    objective: TargetObjective,
    found: RegressionValue,
    prediction: Prediction,
    rows: tuple[Floats, Floats],
    target_deviations: Floats,
    method: str,
    **more: int,
) -> Measured:
    """From deviations (R,) of value and slope by S's rows, and of the value by T's rows."""
    diagnostics = objective.diagnostics(prediction) | {"measure": objective.measure, "method": method} | more
    of_target = diagnostics["cross_entropy_error" if objective.measure == "cross-entropy" else "gain_error"]
    error = None if len(target_deviations) > 1 or not np.isfinite(of_target) else float(of_target)
    measured = Measured(found.value, rows[0] + target_deviations, prediction.n, error, diagnostics)
    if objective.labels is None:
        moved = np.array([found.change.displacement])
        measured.more = {
            "displacement": moved,
            "slope_deviations": rows[1] + slope(target_deviations, np.broadcast_to(moved, target_deviations.shape)),
        }
    return measured


def _two_phase(measured: Measured, head: TwoPhaseRatio) -> Measured:
    value, shifts = two_phase_value(measured.value, measured.deviations, head)
    error = None if measured.error is None else measured.error * head.ratio
    more = {"gradient_rows": head.n, "value_of_gradient_rows": measured.value, "head_ratio": head.ratio}
    return Measured(value, shifts, head.n_all, error, measured.diagnostics | more)


def _regression(by_part: PartStatistics, of_target: Floats, objective: TargetObjective) -> KernelRegression:
    statistics, rows = whole_statistics(by_part), [one.kept for one in by_part.values()]
    if sum(len(one.keys) for one in rows) < statistics.n or statistics.n > WORTHWHILE_SHARE * statistics.q:
        right = statistics.responses / objective.unit
        return feature_regression(statistics.gram, right, statistics.n, of_target, right.sum(axis=1))
    features = np.concatenate([one.features for one in rows]).astype(np.float64)
    return kernel_regression(features @ features.T, of_target @ features.T, _responses(rows, objective))


def _row_deviations(
    job: MeasureJob, by_part: PartStatistics, of_target: Floats, objective: TargetObjective, kept: Masks
) -> tuple[Floats, Floats]:
    """(R,) of value and slope: halves of the kept rows, in the parts' own proportion, rescaled to all rows."""
    rows = kept_for_halves(by_part)
    features = np.concatenate([one.features for one in rows]).astype(np.float64)
    masks = _group_masks(np.concatenate([one.keys for one in rows]), kept, job.seed)
    blocks = features @ features.T, of_target @ features.T, _responses(rows, objective)
    halves = half_sample_values(*blocks, objective, masks, job.regression_damping)
    scale = np.sqrt(len(features) / sum(one.n for one in by_part.values()))
    return deviations(halves.values, 2, 1) * scale, deviations(halves.slopes, 2, 1) * scale


def _responses(rows: list[KeptRows], objective: TargetObjective) -> Floats:
    """(M, C) one-hot labels, or 1 - p times answer tokens."""
    if objective.labels is None:
        return np.concatenate([one.residual * one.counts for one in rows])[:, None] / objective.unit
    return one_hot(np.concatenate([one.labels for one in rows]), objective.n_classes)


def _group_masks(keys: np.ndarray, kept: Masks, seed: int) -> Masks:
    """(R, N) the rows whose groups a replicate keeps."""
    groups = row_groups(keys, seed)
    return np.asarray(halved(np.bincount(groups, minlength=GROUPS).astype(np.float64), kept)[:, groups])
