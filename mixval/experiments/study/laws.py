"""Scaling laws of a study's mixtures, fitted by `mixval.scaling`, or why none is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.errors import ContractError, NumericalError
from mixval.experiments.study.evaluated import Evaluated
from mixval.experiments.study.trained import mixture_name
from mixval.scaling.runs import Runs
from mixval.scaling.studying import Study as Fits
from mixval.scaling.studying import study as fit
from mixval.scaling.table_checks import check_runs

FEWEST = 3
"""Values of an input that an exponent and an asymptote need."""
DRAWS = 300


@dataclass(frozen=True)
class Laws:
    """One law for all mixtures that it can be fitted to, or none."""

    fits: Fits | None
    reason: str
    """Why none is fitted; empty where one is."""
    left_out: dict[str, str]
    """Mixture -> why no law is fitted to it."""


def fit_laws(found: Evaluated) -> Laws:
    """L(N, D) where there are sizes and budgets enough; else L(D) of the largest size, or L(N) of the largest budget."""
    config = found.study.config
    n_sizes, n_budgets = len(config.shapes), len(config.budgets)
    if n_sizes < FEWEST and n_budgets < FEWEST:
        return Laws(None, f"a law needs {FEWEST} budgets or {FEWEST} sizes; there are {n_budgets} and {n_sizes}.", {})
    law = "joint" if min(n_sizes, n_budgets) >= FEWEST else "data" if n_budgets >= FEWEST else "size"
    kept, left_out = list[Runs](), dict[str, str]()
    for runs in _runs(found, law):
        try:
            check_runs(runs)
        except ContractError as error:
            left_out[runs.mixture] = str(error)
        else:
            kept.append(runs)
    if not kept:
        return Laws(None, "no mixture has losses that a law can be fitted to.", left_out)
    try:
        return Laws(fit(kept, law, n_draws=DRAWS, seed=config.seed), "", left_out)
    except (ContractError, NumericalError) as error:
        return Laws(None, str(error), left_out)


def _runs(found: Evaluated, law: str) -> list[Runs]:
    """A table a mixture: parameters without embeddings, tokens, and losses."""
    config, tables = found.study.config, []
    shapes = config.shapes[-1:] if law == "data" else config.shapes
    budgets = config.budgets[-1:] if law == "size" else config.budgets
    for at, (name, per_cent) in enumerate(found.mixtures):
        places = [(shape, tokens) for shape in shapes for tokens in budgets]
        losses = [found.cells[shape.name, tokens].losses[:, at] for shape, tokens in places]
        n_replicates = config.replicates
        columns = {
            "params": np.repeat([float(shape.params) for shape, _ in places], n_replicates),
            "tokens": np.repeat([float(tokens) for _, tokens in places], n_replicates),
        }
        kept = {key: values for key, values in columns.items() if law == "joint" or key == _INPUT[law]}
        lines = np.arange(1, len(places) * n_replicates + 1)
        tables.append(Runs(mixture_name(name, per_cent), kept, np.concatenate(losses), lines))
    return tables


_INPUT = {"data": "tokens", "size": "params"}
