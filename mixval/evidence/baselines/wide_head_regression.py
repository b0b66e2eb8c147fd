"""Ridge regression with the NTK of a wide head on frozen features (`mixval/terms/ntk/wide_head.py`): no gradient is taken.

The value is that of the backbone's own NTK (`mixval/terms/ntk/value.py`) with another kernel, so the difference between the two
is the contribution of the backbone's gradients.
"""

from __future__ import annotations

import numpy as np

from mixval.config.tasks import LABEL_DAMPING
from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.value import regression_value
from mixval.terms.ntk.wide_head import wide_head


def wide_head_regression(inputs: Inputs, _seed: int) -> Floats:
    """(K,) minus cross-entropies on T, in nats."""
    passes, labels = inputs.passes(), inputs.labels()
    of_target = passes.target.features
    head = wide_head(of_target)
    objective = head.objective(of_target, labels.target, inputs.n_classes)
    regressions = [
        head.regression(own.features, of_target, one_hot(held, inputs.n_classes))
        for own, held in zip(passes.contributors, labels.contributors, strict=True)
    ]
    return np.array([regression_value(one, objective, LABEL_DAMPING).value for one in regressions])
