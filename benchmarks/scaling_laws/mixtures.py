"""Ranks of held-out mixtures on Pile-CC by mixture weights, fitted to RegMix's 512 runs of 1M parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.figures import Figure, figure
from benchmarks.scaling_laws.tables import read
from mixval.scaling.laws import Floats
from mixval.scaling.mixture_weights import fit_weights

COMMAND = "python -m benchmarks.scaling_laws --data FOLDER --part regmix"
COLUMN = "metric/the_pile_pile_cc_val_loss"
PLAIN = {"1m": 0.90, "60m": 0.89, "1B": 0.88}
"""A plain linear regression's."""


def regmix_figures(folder: Path) -> list[Figure]:
    """Spearman of predicted and measured losses: by the model with the least error left out, and by each."""
    models = fit_weights(weights(folder, "train_mixture_1m"), read(folder / "regmix_train_pile_loss_1m.csv")[COLUMN])
    figures = []
    for size, plain in PLAIN.items():
        at, losses = weights(folder, f"test_mixture_{size}"), read(folder / f"regmix_test_pile_loss_{size}.csv")[COLUMN]
        ranked = {one.name: float(spearmanr(one.predict(at), losses)[0]) for one in models}
        figures.append(figure(f"regmix_spearman/{size}", ranked[models[0].name], f">= {plain:g}", models[0].name, COMMAND))
        figures += [figure(f"regmix_spearman_{name}/{size}", value, "-", "Spearman", COMMAND) for name, value in ranked.items()]
    errors = [figure(f"regmix_left_out/{one.name}", 100 * one.left_out_error, "-", "%", COMMAND) for one in models]
    return [*figures, *errors]


def weights(folder: Path, name: str) -> Floats:
    """Weights of a table, one row a run, that sum to one."""
    rows = read(folder / f"regmix_{name}.csv")
    found: Floats = np.stack([values for source, values in rows.items() if source.startswith("train_")], axis=1)
    return found / found.sum(axis=1, keepdims=True)
