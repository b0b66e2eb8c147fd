"""Theorem 1 of arXiv 2511.13640: an upper bound on the loss on the target after training on S.

    L_T <= L + D + C NTK + 3 sqrt(2 max(pi, 1 - pi) ln(8 / delta) / |S|) + eps      with probability 1 - delta

L = pi L(S1) + (1 - pi) L(S2), D = pi d(T, S1) + (1 - pi) d(T, S2), NTK = sqrt(r' Theta^-1 r / |S|), C a constant that the
paper leaves open. eps, the error of the best joint predictor, cannot be measured and is left out: what is returned bounds
L_T - eps, so differences between contributors mean something and the number itself does not.
"""

import math

from mixval.errors import NumericalError
from mixval.terms.composition.term import max_share


def bound(loss: float, discrepancy: float, ntk: float, n_real: int, n_synthetic: int, delta: float, constant: float) -> float:
    """The right-hand side of Theorem 1 without eps, in the loss's unit (nats).

    `loss`, `discrepancy` and `ntk` are the terms of Eq. 8, before weights; `constant` is C. Raises NumericalError when
    delta is not inside (0, 1), a number is not finite, or there are no rows.
    """
    if not 0 < delta < 1:
        raise NumericalError(f"bound: expected 0 < delta < 1, found {delta}. It is the probability that the bound fails.")
    given = {"loss": loss, "discrepancy": discrepancy, "ntk": ntk, "constant": constant}
    if broken := [f"{name}={value}" for name, value in given.items() if not math.isfinite(value)]:
        raise NumericalError(f"bound: expected finite terms, found {', '.join(broken)}. Look at that term's diagnostics.")
    spread = 2 * max_share(n_real, n_synthetic) * math.log(8 / delta) / (n_real + n_synthetic)
    return loss + discrepancy + constant * ntk + 3 * math.sqrt(spread)
