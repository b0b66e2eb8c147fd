"""The NTK-regression risk of one contributor as its value: from its Gram blocks, or from its mergeable summary.

Letters: n rows of S, both parts together; m rows of T; Theta of the output `mix` (`mixval/models/outputs.py`).

Deviations are sums of two: of regression on half of S judged by the whole T, and of the whole S judged by half of T, the same
half for everybody. Each is rescaled to all of its rows; from a summary S's come from the kept rows. Of causal LMs the slope,
gain over displacement, has deviations of its own: half of S goes less far, and a ratio knows nothing of that.
"""

from __future__ import annotations

import numpy as np

from mixval.errors import ConfigError
from mixval.stages.frozen_head import head_values
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Masks, Measured, half_sample_masks
from mixval.stages.summaries import Summary
from mixval.stages.summary_terms import kept_for_halves, whole_statistics
from mixval.stages.target_gradients import TargetGradients, judge_of
from mixval.terms.discrepancy.embedded_halves import halved
from mixval.terms.half_samples import GROUPS, deviations, half_groups, own_deviations, row_groups
from mixval.terms.ntk.all_rows import HeadValues, value_of_all_rows
from mixval.terms.ntk.judge import Judge
from mixval.terms.ntk.judged_halves import half_sample_values
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.ntk.regression import Prediction, TangentRegression, feature_regression, kernel_regression
from mixval.terms.ntk.risk import one_hot
from mixval.terms.ntk.sketched_rows import WORTHWHILE_SHARE
from mixval.terms.ntk.trained_gain import slope
from mixval.terms.ntk.value import RegressionValue, regression_value


def measured_risk(
    job: MeasureJob, target: MeasureJob, forward: dict[str, np.ndarray], stored: dict[str, np.ndarray]
) -> Measured:
    """From the committed Gram blocks: all rows of the gradient sample against those of T's; of labelled rows, from the passes
    too, what the value is of all rows that were read."""
    judge = judge_of(job, stored, np.sqrt(np.maximum(stored["target_squares"], 0.0)), "target_")
    theta, theta_ts = stored["theta"], stored["theta_ts"]
    if judge.labels is None:
        right = ((1 - stored["probabilities"]) * stored["tokens"])[:, None] / judge.unit
    else:
        right = one_hot(stored["labels"], judge.n_classes)
    regression = kernel_regression(theta, theta_ts, right)
    found = regression_value(regression, judge, job.risk_damping)
    used = min(len(right), 2 * job.value.half_sample_rows)
    own = half_sample_masks(job, stored["keys"][:used], stored["is_real"][:used].astype(bool))
    rows, judged = (np.zeros(0), np.zeros(0)), np.zeros(0)
    if len(own):
        blocks = theta[:used, :used], theta_ts[:, :used], right[:used]
        halves, scale = half_sample_values(*blocks, judge, own, job.risk_damping), np.sqrt(used / len(right))
        rows = own_deviations(halves.values, own) * scale, own_deviations(halves.slopes, own) * scale
        of_target = half_sample_masks(job, stored["target_keys"], np.ones(len(theta_ts), dtype=bool))
        judged = own_deviations(judge.half_values(found.change.values, of_target), of_target)
    measured = _measured(judge, found, regression.diagnosed(found.change), rows, judged, "exact")
    head = head_values(job, target, forward, stored["keys"], own) if job.values_rows_read else None
    return measured if head is None else _of_all_rows(measured, head)


def summary_risk(job: MeasureJob, summary: Summary, target: TargetGradients) -> Measured:
    """From the sums of both parts, or from the rows where all were kept and they are few: the same up to rounding."""
    judge, of_target = target.judge, target.features.astype(np.float64)
    if job.ntk.residual != "one-minus-probability":
        raise ConfigError(f"the gain needs sums of 1 - p, found `ntk.residual: {job.ntk.residual}`. Leave it out.")
    regression = _regression(summary, of_target, judge)
    found = regression_value(regression, judge, job.risk_damping)
    rows, judged = (np.zeros(0), np.zeros(0)), np.zeros(0)
    if job.value.half_samples:
        kept = half_groups(job.value.half_samples, job.seed)
        rows = _row_deviations(job, summary, of_target, judge, kept)
        judged = deviations(judge.half_values(found.change.values, _group_masks(target.keys, kept, job.seed)), 2, 1)
    prediction = regression.diagnosed(found.change)
    return _measured(judge, found, prediction, rows, judged, "sketched", sketch_features=of_target.shape[1])


def _measured(
    judge: Judge,
    found: RegressionValue,
    prediction: Prediction,
    rows: tuple[Floats, Floats],
    judged: Floats,
    method: str,
    **more: int,
) -> Measured:
    """From deviations (R,) of value and slope that S's rows bring, and of the value that T's bring."""
    told = judge.diagnostics(prediction) | {"measure": judge.measure, "method": method} | more
    of_target = told["cross_entropy_error" if judge.measure == "cross-entropy" else "gain_error"]
    error = None if len(judged) > 1 or not np.isfinite(of_target) else float(of_target)
    measured = Measured(found.value, rows[0] + judged, prediction.n, error, told)
    if judge.labels is None:
        moved = np.array([found.change.displacement])
        measured.more = {
            "displacement": moved,
            "slope_deviations": rows[1] + slope(judged, np.broadcast_to(moved, judged.shape)),
        }
    return measured


def _of_all_rows(measured: Measured, head: HeadValues) -> Measured:
    value, shifts = value_of_all_rows(measured.value, measured.deviations, head)
    error = None if measured.error is None else measured.error * head.ratio
    told = measured.diagnostics | {"gradient_rows": head.n, "of_gradient_rows": measured.value, "head_ratio": head.ratio}
    return Measured(value, shifts, head.n_all, error, told)


def _regression(summary: Summary, of_target: Floats, judge: Judge) -> TangentRegression:
    statistics, rows = whole_statistics(summary), [one.kept for one in summary.values()]
    if sum(len(one.keys) for one in rows) < statistics.n or statistics.n > WORTHWHILE_SHARE * statistics.q:
        right = statistics.responses / judge.unit
        return feature_regression(statistics.gram, right, statistics.n, of_target, right.sum(axis=1))
    features = np.concatenate([one.features for one in rows]).astype(np.float64)
    return kernel_regression(features @ features.T, of_target @ features.T, _responses(rows, judge))


def _row_deviations(job: MeasureJob, summary: Summary, of_target: Floats, judge: Judge, kept: Masks) -> tuple[Floats, Floats]:
    """(R,) of value and slope: halves of the kept rows, in the parts' own proportion, rescaled to all rows."""
    rows = kept_for_halves(summary)
    features = np.concatenate([one.features for one in rows]).astype(np.float64)
    masks = _group_masks(np.concatenate([one.keys for one in rows]), kept, job.seed)
    blocks = features @ features.T, of_target @ features.T, _responses(rows, judge)
    halves = half_sample_values(*blocks, judge, masks, job.risk_damping)
    scale = np.sqrt(len(features) / sum(one.n for one in summary.values()))
    return deviations(halves.values, 2, 1) * scale, deviations(halves.slopes, 2, 1) * scale


def _responses(rows: list[KeptRows], judge: Judge) -> Floats:
    """(M, C) one-hot labels, or 1 - p times answer tokens."""
    if judge.labels is None:
        return np.concatenate([one.residual * one.counts for one in rows])[:, None] / judge.unit
    return one_hot(np.concatenate([one.labels for one in rows]), judge.n_classes)


def _group_masks(keys: np.ndarray, kept: Masks, seed: int) -> Masks:
    """(R, N) the rows whose groups a replicate keeps."""
    groups = row_groups(keys, seed)
    return np.asarray(halved(np.bincount(groups, minlength=GROUPS).astype(np.float64), kept)[:, groups])
