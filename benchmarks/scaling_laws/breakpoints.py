"""Breakpoints from data: how often intervals hold them, beside piecewise-regression's, and how far a fit is from k^beta.

Two truths. *Segments*: errors drawn from three power laws that break at k^beta and k^beta / pi, with the slopes far away and
the flattest one of Lemma 1's curve. *Curve*: errors drawn from the exact curve; what is estimated is the fit to it without
noise. Both have noise of 2 % and forty points from k^beta / 30 to 30 k^beta / pi. Where another number of pieces is chosen,
neither breakpoint counts as held.
"""

from __future__ import annotations

import importlib
import itertools
import math
import warnings

import numpy as np

from benchmarks.figures import Figure, figure
from mixval.scaling.expected_error import expected_error
from mixval.scaling.knowledge import Generator, Mixture
from mixval.scaling.laws import Floats
from mixval.scaling.phases import bends, breakpoints, slope_far_away
from mixval.scaling.segments import find_breakpoints, fit_pieces

COMMAND = "python -m benchmarks.scaling_laws --data FOLDER --part breakpoints"
SHARES, CUTS = (0.0625, 0.01, 0.001), {1.5: 200, 2.0: 70, 3.0: 20}
"""pi; beta with the last rank k of synthetic data."""
TABLES, POINTS, NOISE, DRAWS = 40, 40, 0.02, 200
RIVAL = "piecewise_regression"
NOWHERE = [(math.inf, -math.inf)] * 2
"""Of a fit without two breakpoints: these intervals hold nothing."""
NORMAL = 1.6449
"""Of a two-sided interval at 90 %."""


def breakpoint_figures() -> list[Figure]:
    """Coverage by truth over the grid, the rival's where it is installed, and the bias of noise-free fits."""
    found: dict[str, list[float]] = {}
    cells = list(itertools.product(SHARES, CUTS.items()))
    for at, (real, (beta, cut)) in enumerate(cells):
        mixture = Mixture(beta, real, Generator("cut", cut))
        first, second = breakpoints(mixture)
        n = np.geomspace(first / 30, second * 30, POINTS)
        curve = expected_error(mixture, n)
        place = f"pi={real:g},beta={beta:g}"
        noise_free = fit_pieces(np.log(n), np.log(curve), 2).breakpoints
        for name, value, formula in zip(("first", "second"), noise_free, (first, second), strict=True):
            found[f"breakpoint_bias/{name}/{place}"] = [value / formula]
        truths = {"segments": (segments(mixture, n), (first, second)), "curve": (curve, noise_free)}
        for truth, (clean, places) in truths.items():
            draw = np.random.default_rng((at, truth == "curve"))
            for name, share in covered(n, clean, places, draw, with_rival=truth == "segments").items():
                found[f"coverage/breakpoints_{name}/{truth}/{place}"] = [share]
                found.setdefault(f"coverage/breakpoints_{name}/{truth}", []).append(share)
    return [
        figure(name, float(np.mean(values)), target(name), "ratio" if "bias" in name else "share", COMMAND)
        for name, values in found.items()
    ]


def target(name: str) -> str:
    """What ours must reach; the rival's and the bias have none."""
    return "0.85 to 0.95" if name.startswith("coverage/breakpoints_ours/segments") else "-"


def segments(mixture: Mixture, n: Floats) -> Floats:
    """Errors that follow three power laws exactly."""
    steep, flat = slope_far_away(mixture.beta), bends(mixture).flattest
    first, second = (math.log(one) for one in breakpoints(mixture))
    x = np.log(n)
    made: Floats = np.exp(steep * x + (flat - steep) * (np.maximum(x - first, 0) - np.maximum(x - second, 0)))
    return made


def covered(
    n: Floats, clean: Floats, places: tuple[float, ...], draw: np.random.Generator, with_rival: bool
) -> dict[str, float]:
    """Share of breakpoints inside the intervals of each method."""
    held: dict[str, list[bool]] = {"ours": []}
    for _ in range(TABLES):
        errors = clean * np.exp(NOISE * draw.standard_normal(len(n)))
        found = find_breakpoints(n, errors, draw, DRAWS).intervals
        ends = {"ours": list(found) if len(found) == 2 else NOWHERE}
        if with_rival and importlib.util.find_spec(RIVAL):
            ends[RIVAL] = rival_intervals(n, errors)
        for name, pairs in ends.items():
            inside = [low <= place <= high for place, (low, high) in zip(places, pairs, strict=True)]
            held.setdefault(name, []).extend(inside)
    return {name: float(np.mean(ones)) for name, ones in held.items()}


def rival_intervals(n: Floats, errors: Floats) -> list[tuple[float, float]]:
    """piecewise-regression's estimate and 1.64 of its standard errors; an empty interval where it does not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(RIVAL)
        fit = module.Fit(np.log(n).tolist(), np.log(errors).tolist(), n_breakpoints=2, n_boot=20)
    found = fit.get_results()["estimates"]
    if not found:
        return NOWHERE
    pairs = sorted((found[f"breakpoint{at}"]["estimate"], found[f"breakpoint{at}"]["se"]) for at in (1, 2))
    return [(math.exp(middle - NORMAL * error), math.exp(middle + NORMAL * error)) for middle, error in pairs]
