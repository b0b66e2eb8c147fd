"""The NTK-regression value of one contributor, from its Gram blocks or from its sufficient statistics.

Letters: n rows of S, both parts together; m rows of T; Theta of the output `mix` (`mixval/models/outputs.py`).

Deviations come from effects of single rows of S and of T (`mixval/terms/ntk/value_spread.py`). For causal LMs the displacement
has deviations of its own, by the same rows.
"""

from __future__ import annotations

import numpy as np

from mixval.contracts.parts import REAL
from mixval.errors import ConfigError
from mixval.stages.frozen_head import head_ratio
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured, multipliers, target_multipliers
from mixval.stages.statistics import PartStatistics
from mixval.stages.statistics_terms import kept_in_proportion, whole_statistics
from mixval.stages.target_gradients import TargetGradients, objective_of
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import KernelRegression, RowsOfS, feature_regression, kernel_regression
from mixval.terms.ntk.sketched_rows import WORTHWHILE_SHARE
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.two_phase import TwoPhaseRatio, two_phase_value
from mixval.terms.ntk.value import RegressionValue, regression_value
from mixval.terms.ntk.value_spread import SampledRows, ValueSpread, value_spread


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
    used = min(len(right), job.value.replicate_rows)
    own = SampledRows(slice(0, used), multipliers(job, stored["keys"][:used]), stored["is_real"][:used].astype(bool))
    spread = None
    if job.value.replicates:
        of_target = target_multipliers(target, stored["target_keys"])
        spread = value_spread(regression, found, objective, own, of_target)
    measured = _measured(objective, found, regression, spread, "exact")
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
    spread = None
    if job.value.replicates:
        rows = kept_in_proportion(by_part)
        features = np.concatenate([one.features for one in rows]).astype(np.float64)
        keys = np.concatenate([one.keys for one in rows])
        is_real = np.repeat([part == REAL for part in by_part], [len(one.keys) for one in rows])
        # The kernel is over all kept rows, in this order.
        where: RowsOfS = slice(0, len(keys)) if regression.is_kernel else (features, responses_of(rows, objective))
        own = SampledRows(where, multipliers(job, keys), is_real)
        spread = value_spread(regression, found, objective, own, target_multipliers(job, target.keys))
    return _measured(objective, found, regression, spread, "sketched", sketch_features=of_target.shape[1])


def _measured(
    objective: TargetObjective,
    found: RegressionValue,
    regression: KernelRegression,
    spread: ValueSpread | None,
    method: str,
    **more: int,
) -> Measured:
    prediction = regression.diagnosed(found.change)
    diagnostics = objective.diagnostics(prediction) | {
        "measure": objective.measure,
        "method": method,
        "jitter": prediction.jitter,
        "least_damping": objective.mode == "centred" and regression.is_least_damping,
        **more,
    }
    of_target = diagnostics["cross_entropy_error" if objective.measure == "cross-entropy" else "gain_error"]
    shifts = np.zeros(0) if spread is None else spread.deviations
    error = None if len(shifts) > 1 or not np.isfinite(of_target) else float(of_target)
    measured = Measured(found.value, shifts, prediction.n, error, diagnostics)
    if objective.labels is None:
        moved = np.zeros(0) if spread is None else spread.displacements
        measured.more = {"displacement": np.array([found.change.displacement]), "displacement_deviations": moved}
    return measured


def _two_phase(measured: Measured, head: TwoPhaseRatio) -> Measured:
    found = two_phase_value(measured.value, measured.deviations, head)
    error = None if measured.error is None else measured.error * head.ratio
    more = {
        "gradient_rows": head.n,
        "value_of_gradient_rows": measured.value,
        "head_ratio": head.ratio,
        "head_floored": head.is_floored,
        "ratio_bounded": found.is_bounded,
    }
    return Measured(found.value, found.deviations, head.n_all, error, measured.diagnostics | more)


def _regression(by_part: PartStatistics, of_target: Floats, objective: TargetObjective) -> KernelRegression:
    statistics, rows = whole_statistics(by_part), [one.kept for one in by_part.values()]
    if sum(len(one.keys) for one in rows) < statistics.n or statistics.n > WORTHWHILE_SHARE * statistics.q:
        right = statistics.responses / objective.unit
        return feature_regression(statistics.gram, right, statistics.n, of_target, right.sum(axis=1))
    features = np.concatenate([one.features for one in rows]).astype(np.float64)
    return kernel_regression(features @ features.T, of_target @ features.T, responses_of(rows, objective))


def responses_of(rows: list[KeptRows], objective: TargetObjective) -> Floats:
    """(M, C) one-hot labels, or 1 - p times answer tokens."""
    if objective.labels is None:
        return np.concatenate([one.residual * one.counts for one in rows])[:, None] / objective.unit
    return one_hot(np.concatenate([one.labels for one in rows]), objective.n_classes)
