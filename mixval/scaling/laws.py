"""Scaling laws: the loss of a trained model as a function of its parameters N and its training tokens D.

    data      L(D)    = E + B / D^beta
    size      L(N)    = E + A / N^alpha
    joint     L(N, D) = E + A / N^alpha + B / D^beta                  (Hoffmann et al., arXiv 2203.15556, Eq. 2)
    kaplan    L(N, D) = E + (A / N^alpha + B / D)^kappa        (Kaplan et al., arXiv 2001.08361, Eq. 1.5; E is added)
    coupled   L(N, D) = E + (A / N^alpha + B / D^beta)^kappa   (both of the above: kappa = 1, or beta = 1)
    repeated  joint, with D replaced by D' and N by N'                (Muennighoff et al., arXiv 2305.16264, Eq. 5 and 6)
              D' = U (1 + R* (1 - exp(-R / R*))),   U unique tokens, R = D / U - 1 repetitions
              N' = V (1 + S* (1 - exp(-S / S*))),   V = min(N, U / 20), S = N / V - 1
    overfit   L(N, D, U) = E + A / N^alpha + B / D^beta + C (N / U)^kappa R^delta,   R = D / U - 1

V is the number of parameters that U tokens can serve: one for 20 tokens, where the paper takes it from its own first fit. Under
`repeated` a passage read again is worth less; under `overfit` it does harm, more to a larger model, so losses can rise again.

A law is a matrix of basis functions X(theta): loss = X(theta) c with c >= 0, so that only theta is searched and c is profiled
out (`solving.py`). Letters: B problems side by side, n runs, p coefficients, q constants. Inputs are natural logarithms less a
shift, their mean over the fitted runs; `named` gives coefficients back in the table's own units. Basis functions take complex
theta, since derivatives are taken by complex steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.float64] | NDArray[np.complex128]
TOKENS_A_PARAMETER = 20.0
"""Of a compute-optimal model (Hoffmann et al. 2022)."""


@dataclass(frozen=True)
class Constant:
    """One entry of theta: its name, the bounds of the search, and where starts lie."""

    name: str
    low: float
    high: float
    starts: tuple[float, ...]


@dataclass(frozen=True)
class Law:
    """A law's inputs, constants and basis."""

    name: str
    formula: str
    inputs: tuple[str, ...]
    """Of `params`, `tokens` and `unique_tokens`: the last axis of the basis' inputs."""
    constants: tuple[Constant, ...]
    n_coefficients: int
    basis: Callable[[Numbers, Floats, Floats], Numbers]
    """theta (B, q), shifted logarithms (n, inputs), shift (inputs,) -> X (B, n, p)."""
    named: Callable[[Floats, Floats, Floats], dict[str, Floats]]
    """theta (B, q), c (B, p), shift (inputs,) -> name and value (B,) of all that is fitted, in the table's units."""

    @property
    def n_fitted(self) -> int:
        """Coefficients and constants together."""
        return self.n_coefficients + len(self.constants)


def _exponent(name: str) -> Constant:
    """Published exponents lie between 0.03 and 0.7."""
    return Constant(name, 0.01, 3.0, (0.08, 0.2, 0.4, 0.8))


ALPHA, BETA = _exponent("alpha"), _exponent("beta")
STEEP = Constant("alpha", 0.01, 5.0, (0.5, 1.0, 2.0))
"""alpha of `kaplan`, where D has the exponent 1."""
KAPPA = Constant("kappa", 0.02, 5.0, (0.2, 0.5, 1.0))
RATIO = Constant("rho", 1e-4, 1e4, (0.3, 3.0))
"""Of the two terms of `coupled` at the middle of the fitted runs: a search constant, given back as A and B."""
REPEATS = Constant("R*", 0.2, 1000.0, (4.0, 30.0))
EXCESS = Constant("S*", 0.2, 1000.0, (4.0, 30.0))
"""Muennighoff et al. found R* = 15.4 and S* = 5.3."""
CROWDED = Constant("kappa", 0.01, 5.0, (0.5, 1.5))
AGAIN = Constant("delta", 0.1, 5.0, (1.0, 2.0))
"""Exponents of `overfit`'s last term."""
ONCE = 1e-6
"""Repetitions below which each token counts as read once: then nothing is overfitted."""


def _stacked(*columns: Numbers) -> Numbers:
    made: Numbers = np.stack([np.ones_like(columns[0]), *columns], axis=2)  # type: ignore[assignment]
    return made


def _one_term(theta: Numbers, logs: Floats, _shift: Floats) -> Numbers:
    return _stacked(np.exp(-theta[:, :1] * logs[:, 0]))


def _two_terms(theta: Numbers, logs: Floats, _shift: Floats) -> Numbers:
    return _stacked(np.exp(-theta[:, :1] * logs[:, 0]), np.exp(-theta[:, 1:2] * logs[:, 1]))


def _coupled(theta: Numbers, logs: Floats, _shift: Floats) -> Numbers:
    alpha, beta, kappa, rho = (theta[:, j : j + 1] for j in range(4))
    return _stacked((np.exp(-alpha * logs[:, 0]) + rho * np.exp(-beta * logs[:, 1])) ** kappa)


def _kaplan(theta: Numbers, logs: Floats, _shift: Floats) -> Numbers:
    alpha, kappa, rho = (theta[:, j : j + 1] for j in range(3))
    return _stacked((np.exp(-alpha * logs[:, 0]) + rho * np.exp(-logs[:, 1])) ** kappa)


def _repeated(theta: Numbers, logs: Floats, shift: Floats) -> Numbers:
    alpha, beta, repeats, excess = (theta[:, j : j + 1] for j in range(4))
    size, tokens, unique = (logs[:, j] + shift[j] for j in range(3))
    served = np.minimum(size, unique - math.log(TOKENS_A_PARAMETER))
    data = _effective(unique, np.expm1(np.maximum(tokens - unique, 0.0)), repeats) - shift[1]
    params = _effective(served, np.expm1(size - served), excess) - shift[0]
    return _stacked(np.exp(-alpha * params), np.exp(-beta * data))


def _overfit(theta: Numbers, logs: Floats, shift: Floats) -> Numbers:
    alpha, beta, kappa, delta = (theta[:, j : j + 1] for j in range(4))
    tokens, unique = (logs[:, j] + shift[j] for j in (1, 2))
    repeats = np.expm1(np.maximum(tokens - unique, 0.0))
    crowded = logs[:, 0] - logs[:, 2]
    harm = np.exp(kappa * crowded + delta * np.log(np.maximum(repeats, ONCE))) * (repeats > ONCE)
    return _stacked(np.exp(-alpha * logs[:, 0]), np.exp(-beta * logs[:, 1]), harm)


def _effective(logs: Floats, repeats: Floats, constant: Numbers) -> Numbers:
    """log of x (1 + R* (1 - exp(-R / R*)))."""
    return logs + np.log(1.0 + constant * (1.0 - np.exp(-repeats / constant)))


def _name_one(letter: str, exponent: str) -> Callable[[Floats, Floats, Floats], dict[str, Floats]]:
    def named(theta: Floats, c: Floats, shift: Floats) -> dict[str, Floats]:
        return {"E": c[:, 0], letter: c[:, 1] * np.exp(theta[:, 0] * shift[0]), exponent: theta[:, 0]}

    return named


def _name_two(theta: Floats, c: Floats, shift: Floats) -> dict[str, Floats]:
    size, data = (c[:, 1 + j] * np.exp(theta[:, j] * shift[j]) for j in range(2))
    return {"E": c[:, 0], "A": size, "alpha": theta[:, 0], "B": data, "beta": theta[:, 1]}


def _name_coupled(theta: Floats, c: Floats, shift: Floats) -> dict[str, Floats]:
    scale = c[:, 1] ** (1 / theta[:, 2])
    size, data = (scale * np.exp(theta[:, j] * shift[j]) for j in range(2))
    named = {"E": c[:, 0], "A": size, "alpha": theta[:, 0], "B": data * theta[:, 3], "beta": theta[:, 1]}
    return named | {"kappa": theta[:, 2]}


def _name_kaplan(theta: Floats, c: Floats, shift: Floats) -> dict[str, Floats]:
    found = _name_coupled(np.insert(theta, 1, 1.0, axis=1), c, shift)
    del found["beta"]
    return found


def _name_repeated(theta: Floats, c: Floats, shift: Floats) -> dict[str, Floats]:
    return _name_two(theta, c, shift) | {"R*": theta[:, 2], "S*": theta[:, 3]}


def _name_overfit(theta: Floats, c: Floats, shift: Floats) -> dict[str, Floats]:
    harm = c[:, 3] * np.exp(theta[:, 2] * (shift[2] - shift[0]))
    return _name_two(theta, c, shift) | {"C": harm, "kappa": theta[:, 2], "delta": theta[:, 3]}


_PAIR = ("params", "tokens")
LAWS = {
    law.name: law
    for law in (
        Law("data", "L(D) = E + B / D^beta", ("tokens",), (BETA,), 2, _one_term, _name_one("B", "beta")),
        Law("size", "L(N) = E + A / N^alpha", ("params",), (ALPHA,), 2, _one_term, _name_one("A", "alpha")),
        Law("joint", "L(N, D) = E + A / N^alpha + B / D^beta", _PAIR, (ALPHA, BETA), 3, _two_terms, _name_two),
        Law("kaplan", "L(N, D) = E + (A / N^alpha + B / D)^kappa", _PAIR, (STEEP, KAPPA, RATIO), 2, _kaplan, _name_kaplan),
        Law(
            "coupled",
            "L(N, D) = E + (A / N^alpha + B / D^beta)^kappa",
            _PAIR,
            (ALPHA, BETA, KAPPA, RATIO),
            2,
            _coupled,
            _name_coupled,
        ),
        Law(
            "repeated",
            "L(N, D, U) = E + A / N'^alpha + B / D'^beta",
            (*_PAIR, "unique_tokens"),
            (ALPHA, BETA, REPEATS, EXCESS),
            3,
            _repeated,
            _name_repeated,
        ),
        Law(
            "overfit",
            "L(N, D, U) = E + A / N^alpha + B / D^beta + C (N / U)^kappa (D / U - 1)^delta",
            (*_PAIR, "unique_tokens"),
            (ALPHA, BETA, CROWDED, AGAIN),
            4,
            _overfit,
            _name_overfit,
        ),
    )
}
