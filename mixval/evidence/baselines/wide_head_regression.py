"""Ridge regression with the tangent kernel of a wide head on frozen features: no gradient is taken.

The value is told as by the backbone's own tangent kernel (`mixval/terms/ntk/value.py`), the kernel is that of
`mixval/terms/ntk/wide_head.py`: what the backbone's own gradients are worth is the difference between the two.
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
