"""Simulated runs, whose law is known: coefficients inside their intervals, twofold extrapolation, and what a fit costs."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.figures import Figure, figure
from mixval.scaling.fitting import few_starts, fit_law
from mixval.scaling.laws import LAWS, Floats
from mixval.scaling.resampling import redraw
from mixval.scaling.runs import Runs
from mixval.scaling.studying import spread, study

COMMAND = "python -m benchmarks.scaling_laws --data FOLDER --part simulated"
TABLES, DRAWS, NOISE = 100, 200, 0.003
TRUTH = {"E": 1.7, "alpha": 0.34, "beta": 0.28}


def simulated_figures() -> list[Figure]:
    """Coverage of coefficients from runs with 0.3 % noise, the error at twice the data of one size, and CPU seconds."""
    draw, errors = np.random.default_rng(0), []
    held: dict[str, list[bool]] = {name: [] for name in TRUTH}
    columns, clean = runs()
    law = LAWS["joint"]
    for _ in range(TABLES):
        losses = clean * np.exp(NOISE * draw.standard_normal(len(clean)))
        fit = fit_law(law, columns, losses, begun=few_starts(law))
        drawn = redraw(fit, columns, draw, DRAWS).named
        for name, value in TRUTH.items():
            low, high = spread(drawn[name])
            held[name].append(low <= value <= high)
        budgets = np.geomspace(1e9, 1e11, 10)
        one_size = (1.8 + 1.1 / (budgets / 1e9) ** 0.4) * np.exp(NOISE * draw.standard_normal(10))
        twice = fit_law(LAWS["data"], {"tokens": budgets}, one_size).predict({"tokens": np.array([2e11])})[0]
        errors.append(abs(twice / (1.8 + 1.1 / 200**0.4) - 1))
    return [
        *(
            figure(f"coverage/coefficients/{name}", float(np.mean(ones)), "0.80 to 0.97", "share", COMMAND)
            for name, ones in held.items()
        ),
        figure("extrapolation_error_simulated/twice_the_data", 100 * float(np.mean(errors)), "<= 0.5", "%", COMMAND),
        figure("cpu_seconds/choice_fit_and_1000_draws", cost(columns, clean, draw), "<= 10", "s", COMMAND),
    ]


def runs() -> tuple[dict[str, Floats], Floats]:
    """Five sizes at seven budgets, and their losses without noise."""
    size, tokens = (one.ravel() for one in np.meshgrid(np.geomspace(1e8, 2e9, 5), np.geomspace(1e9, 1e11, 7)))
    clean = TRUTH["E"] + 0.45 / (size / 1e9) ** TRUTH["alpha"] + 1.1 / (tokens / 1e9) ** TRUTH["beta"]
    return {"params": size, "tokens": tokens}, clean


def cost(columns: dict[str, Floats], clean: Floats, draw: np.random.Generator) -> float:
    """Processor seconds of choice, fit and 1,000 draws for one such table."""
    losses = clean * np.exp(NOISE * draw.standard_normal(len(clean)))
    began = time.process_time()
    study([Runs("simulated", columns, losses, np.arange(len(losses)))])
    return time.process_time() - began
