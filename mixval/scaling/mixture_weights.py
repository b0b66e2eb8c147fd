"""Loss as a function of mixture weights: models that are fitted to small runs and rank mixtures for large ones.

    linear        L = w c
    log-linear    log L = w c
    exponential   L = E + exp(w c)                  (Ye et al., arXiv 2403.16952, Eq. 6, with one term for all sources)
    kernel        log L = w c + K(w, W) (K(W, W) + ridge I)^-1 (log L_W - W c),  K = exp(-|sqrt w - sqrt w'|^2 / (2 h^2))
    boosted       log L = trees of w                (`boosting.py`, where scikit-learn is installed)

w sums to one, so a linear model has no intercept. The kernel's distance is Hellinger's: a source's first per cent counts more
than its last; it learns what the log-linear model leaves, on log loss. Ridge and bandwidth, and which model, are those with
the least error left out: exact leave-one-out (Allen's PRESS), the kernel's with its trend held, and five folds for the
exponential and the trees. Letters: n runs, s sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize
from scipy.spatial.distance import cdist

from mixval.errors import ShapeError
from mixval.scaling.boosting import boosted_fit, is_installed
from mixval.scaling.laws import Floats

RIDGES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
BANDWIDTHS = (0.2, 0.4, 0.8, 1.6)
SHARES = (0.0, 0.3, 0.6, 0.8)
"""Asymptotes that are tried, as shares of the lowest loss."""
FOLDS = 5
NEAR_RUNS = 0.3
"""Dirichlet parameter of the shares of the runs that a tried mixture lies between: below 1, so that many lie near a run."""
TRIED, KEPT, JOINED = 20_000, 100, 3
"""Mixtures that are tried, those whose mean is proposed (as RegMix does, arXiv 2407.01492), and runs that each lies between."""


@dataclass(frozen=True)
class Weighted:
    """A fitted model."""

    name: str
    predict: Callable[[Floats], Floats]
    """Weights (m, s) -> losses (m,)."""
    left_out_error: float
    """Root mean square error of log loss for runs that were left out."""


def fit_weights(weights: Floats, losses: Floats) -> list[Weighted]:
    """All models, the one with the least error left out first.

    `weights` (n, s) and positive `losses` (n,). Raises ShapeError for other shapes, or fewer runs than twice the folds.
    """
    if weights.ndim != 2 or len(weights) != len(losses) or len(losses) < 2 * FOLDS:
        raise ShapeError(
            f"mixture weights: expected one row a run and at least {2 * FOLDS} runs, found weights of shape {weights.shape} "
            f"and {len(losses)} losses. Add runs."
        )
    made = [_linear(weights, losses), _log_linear(weights, losses), _kernel(weights, losses)]
    made.append(_folded("exponential", _exponential_fit, weights, losses))
    if is_installed():
        made.append(_folded("boosted", boosted_fit, weights, losses))
    return sorted(made, key=lambda one: one.left_out_error)


@dataclass(frozen=True)
class Proposal:
    """A mixture whose predicted loss is low."""

    weights: Floats  # (s,)
    low: Floats  # (s,), 5 % quantile over the mixtures that it is the mean of
    high: Floats  # (s,)
    loss: float


def propose(model: Weighted, weights: Floats, generator: np.random.Generator) -> Proposal:
    """The mean of the best mixtures between fitted runs: nothing outside of what was run is proposed."""
    places = generator.integers(len(weights), size=(TRIED, JOINED))
    shares = generator.dirichlet(np.full(JOINED, NEAR_RUNS), TRIED)
    tried = np.einsum("tj,tjs->ts", shares, weights[places])
    best = tried[np.argsort(model.predict(tried), kind="stable")[:KEPT]]
    middle = best.mean(axis=0)
    low, high = np.quantile(best, [0.05, 0.95], axis=0)
    return Proposal(middle, low, high, float(model.predict(middle[None])[0]))


def _linear(weights: Floats, losses: Floats) -> Weighted:
    c, left_out = _ridge(weights, losses)
    return Weighted("linear", lambda at: at @ c, _error(left_out, losses))


def _log_linear(weights: Floats, losses: Floats) -> Weighted:
    c, left_out = _ridge(weights, np.log(losses))
    return Weighted("log-linear", lambda at: np.exp(at @ c), _error(np.exp(left_out), losses))


def _ridge(weights: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Coefficients about the mean and left-out predictions of the best ridge."""
    middle = target.mean()
    best, found = np.inf, (np.zeros(weights.shape[1]), target)
    for ridge in RIDGES:
        gram = weights.T @ weights + ridge * np.eye(weights.shape[1])
        hat = weights @ np.linalg.solve(gram, weights.T)
        left_out = target - (target - middle - hat @ (target - middle)) / np.maximum(1 - np.diag(hat), 1e-6)
        error = float(np.mean((left_out - target) ** 2))
        if error < best:
            best = error
            found = (np.linalg.solve(gram, weights.T @ (target - middle)) + middle, left_out)
    return found


def _folded(
    name: str, fit: Callable[[Floats, Floats], Callable[[Floats], Floats]], weights: Floats, losses: Floats
) -> Weighted:
    left_out = np.empty(len(losses))
    for fold in range(FOLDS):
        out = np.arange(len(losses)) % FOLDS == fold
        left_out[out] = fit(weights[~out], losses[~out])(weights[out])
    return Weighted(name, fit(weights, losses), _error(left_out, losses))


def _exponential_fit(weights: Floats, losses: Floats) -> Callable[[Floats], Floats]:
    """E is searched between 0 and the least loss; given it, exp(w c) is fitted by least squares from its log-linear fit."""
    best, asymptote, c = np.inf, 0.0, np.zeros(weights.shape[1])
    for share in SHARES:
        floor = share * float(losses.min())

        def gaps(x: Floats, floor: float = floor) -> Floats:
            relative: Floats = (floor + np.exp(weights @ x)) / losses - 1
            return relative

        def slopes(x: Floats) -> Floats:
            relative: Floats = np.exp(weights @ x)[:, None] * weights / losses[:, None]
            return relative

        done = optimize.least_squares(gaps, _ridge(weights, np.log(losses - floor))[0], slopes, max_nfev=50)
        if done.cost < best:
            best, asymptote, c = float(done.cost), floor, done.x
    return lambda at: asymptote + np.exp(at @ c)


def _kernel(weights: Floats, losses: Floats) -> Weighted:
    """On log loss; the residual of the log-linear model is what the kernel learns."""
    target = np.log(losses)
    trend, _ = _ridge(weights, target)
    rest = target - weights @ trend
    squares = cdist(np.sqrt(weights), np.sqrt(weights), "sqeuclidean")
    best, found, left_out = np.inf, (np.zeros(len(losses)), 1.0), target
    for bandwidth in BANDWIDTHS:
        kernel = np.exp(-squares / (2 * bandwidth**2))
        for ridge in RIDGES:
            inverse = np.linalg.inv(kernel + ridge * np.eye(len(losses)))
            dual = inverse @ rest
            missed = dual / np.diag(inverse)
            error = float(np.mean(missed**2))
            if error < best:
                best, found, left_out = error, (dual, bandwidth), target - missed

    def predict(at: Floats) -> Floats:
        near = np.exp(-cdist(np.sqrt(at), np.sqrt(weights), "sqeuclidean") / (2 * found[1] ** 2))
        made: Floats = np.exp(at @ trend + near @ found[0])
        return made

    return Weighted("kernel", predict, _error(np.exp(left_out), losses))


def _error(left_out: Floats, losses: Floats) -> float:
    positive = np.maximum(left_out, 1e-300)
    return float(np.sqrt(np.mean(np.log(positive / losses) ** 2)))
