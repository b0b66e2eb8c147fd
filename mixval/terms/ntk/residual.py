"""The residual r of the NTK term: the distance of f(x) from its target.

one-minus-output        r = 1 - f      (DAVINZ: the own label's logit should be 1)
one-minus-probability   r = 1 - p      (p the probability of the own label, or of the answer)
"""

from typing import Literal

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats

ResidualKind = Literal["one-minus-output", "one-minus-probability"]


def residual(outputs: ArrayLike, probabilities: ArrayLike, kind: ResidualKind) -> Floats:
    """(N,) float64 residuals from scalar outputs f (N,) and probabilities p (N,), 0 to 1.

    Raises ShapeError when f and p do not pair up, NumericalError for NaN, infinity or a p outside of 0 to 1.
    """
    f, p = floats("outputs f", outputs, 1), floats("probabilities p", probabilities, 1)
    if f.shape != p.shape:
        raise ShapeError(f"expected one probability an output, found {f.size} outputs and {p.size} probabilities.")
    if n_outside := int(((p < 0) | (p > 1 + 1e-6)).sum()):
        raise NumericalError(f"{n_outside} of {p.size} probabilities lie outside of 0 to 1. Pass p, not a logit or log p.")
    return 1 - (f if kind == "one-minus-output" else p)
