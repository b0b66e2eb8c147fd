"""Rankings by NTK regression, as in the product: by its value, and by the diagnostics published with it."""

from __future__ import annotations

from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats


def ntk_regression(inputs: Inputs, _seed: int) -> Floats:
    """(K,) the `value` column: minus cross-entropies on T, or gains from training there, in nats."""
    return inputs.valued().of(_names(inputs))


def first_order_gain(inputs: Inputs, _seed: int) -> Floats:
    """(K,) gains of causal LMs to first order, in nats."""
    return inputs.valued().regression(_names(inputs), "estimate")


def regression_accuracy(inputs: Inputs, _seed: int) -> Floats:
    """(K,) shares of T's rows whose class the regression predicts, 0 to 1: from the rows whose gradients are taken."""
    return inputs.valued().regression(_names(inputs), "accuracy")


def _names(inputs: Inputs) -> list[str]:
    return [one.name for one in inputs.contributors]
