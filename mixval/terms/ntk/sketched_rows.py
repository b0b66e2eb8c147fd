"""`sketched_form` from the sketched rows themselves: n x n matrices in place of q x q, for fewer rows than features.

Letters as in `sketched.py`; K = Phi Phi'. By the push-through identity Phi (Phi'Phi + lambda I)^-1 Phi' = K (K + lambda I)^-1,
every number follows from K as well: the effective rank is the same trace, and with x = (K + lambda I)^-1 r

    r'(K + lambda I)^-1 r = max over w of 2 r'w - w'(K + lambda I) w     (at w = x)

The maximum is what is computed: an error in x, or jitter, enters it squared only.

Cost: (1/2 + N_FOLDS / 4) n^2 q multiply-adds and the same factorisations of n x n; memory: about 2 n q + 4 n^2 float64. In CPU
time it equals `sketched_form` at n = 3 q / 4 and takes a tenth of it at q / 4 (docs/laboratory.md).
"""

from dataclasses import dataclass

import numpy as np

from mixval.errors import ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.ntk.damped import Solved
from mixval.terms.ntk.quadratic import DampingMode
from mixval.terms.ntk.sketched import SketchedForm, form_of, random_pairs, relative_error

WORTHWHILE_SHARE = 0.7
"""Rows over features up to which this is the cheaper form."""


@dataclass(frozen=True)
class _Rows:
    columns: Floats
    """(q, n): Phi', whose rows, the features, are taken in pairs."""
    right: Floats
    """(n,): r."""
    matrix: Floats
    """(n, n): K."""

    @classmethod
    def of(cls, columns: Floats, residual: Floats) -> "_Rows":
        return cls(columns, residual, np.asarray(columns.T @ columns))

    @property
    def n(self) -> int:
        return len(self.right)

    @property
    def q(self) -> int:
        return len(self.columns)

    def value(self, found: Solved) -> tuple[float, float]:
        """r'x + x'm, m = r - (K + lambda I) x, and its relative error: rounding of K, and the most that an inexact x takes
        away.

        Off its maximum by d, the form is lower by d'(K + lambda I) d, at most |m|^2 / lambda.
        """
        x, shift = found.solution, found.shift
        left = self.right - self.matrix @ x - shift * x
        value = float(self.right @ x) + float(x @ left)
        rounding = float(np.finfo(np.float64).eps) * float(np.trace(self.matrix)) * float(x @ x)
        square = float(self.right @ self.right)
        return value, relative_error(value, rounding + float(left @ left) / shift, shift, square, self.matrix)

    def folded(self, fold: int) -> "_Rows":
        first, second, signs = random_pairs(self.q, fold)
        return _Rows.of(self.columns[first] + signs[:, None] * self.columns[second], self.right)


def sketched_form_of_rows(
    features: ArrayLike,  # (n, q)
    residual: ArrayLike,  # (n,)
    damping: float,
    mode: DampingMode = "relative",
) -> SketchedForm:
    """What `sketched_form` gives for the statistics of these rows; `condition` and `residual_norm` are those of K + lambda I.

    Raises ShapeError when rows do not pair up, and what `sketched_form` raises.
    """
    r, phi = floats("the residual r", residual, 1), floats("features Phi", features, 2)
    if len(phi) != r.size:
        raise ShapeError(
            f"sketched rows: expected features (n, q) and residuals (n,) of the same rows, found {phi.shape} and {r.shape}. "
            f"Use the same rows for both."
        )
    return form_of(_Rows.of(np.ascontiguousarray(phi.T), r), damping, mode)
