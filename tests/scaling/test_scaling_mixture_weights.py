"""Loss as a function of mixture weights: each model on data of its own form, left-out errors, proposals, bad tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from mixval.errors import ContractError, SchemaError, ShapeError
from mixval.scaling.laws import Floats
from mixval.scaling.mixture_weights import fit_weights, propose
from mixval.scaling.runs import read_weights
from tests.cli.command_line import invoke


def mixtures(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).dirichlet(np.full(4, 0.7), n)


def test_each_form_is_found_where_it_is_true() -> None:
    w, c = mixtures(120), np.array([0.9, 1.2, 1.5, 1.1])
    assert fit_weights(w, w @ c + 2)[0].left_out_error < 1e-5
    errors = {one.name: one.left_out_error for one in fit_weights(w, 2 + np.exp(w @ (3 * c - 4)))}
    assert errors["exponential"] < 0.5 * errors["linear"]


def test_saturating_sources_are_ranked_by_the_kernel() -> None:
    """A source's first per cents help most: no model that is linear in the weights sees that."""
    w, new = mixtures(200), mixtures(100, seed=1)

    def losses(at: Floats) -> Floats:
        made: Floats = 3 - 0.5 * np.sqrt(at[:, 0]) - 0.3 * np.sqrt(at[:, 1]) + 0.1 * at[:, 2]
        return made

    models = {one.name: one for one in fit_weights(w, losses(w))}
    found = {name: spearmanr(one.predict(new), losses(new))[0] for name, one in models.items()}
    assert next(iter(models)) == "kernel"
    assert found["kernel"] > 0.99 > found["linear"]
    best = propose(models["kernel"], w, np.random.default_rng(0))
    assert best.weights.sum() == pytest.approx(1)
    assert losses(best.weights[None])[0] < np.quantile(losses(w), 0.05)
    assert np.all(best.low <= best.high)


def test_left_out_errors_are_those_of_leaving_out() -> None:
    w = mixtures(30)
    losses = 2 + w @ np.array([0.1, 0.5, 0.2, 0.9]) + 0.02 * np.random.default_rng(2).standard_normal(30)
    linear = next(one for one in fit_weights(w, losses) if one.name == "linear")
    missed = []
    for at in range(30):
        kept = np.arange(30) != at
        c = np.linalg.lstsq(w[kept], losses[kept], rcond=None)[0]
        missed.append(np.log(w[at] @ c / losses[at]))
    # the chosen ridge is at most as large in error as the smallest one tried, which is nearly none
    assert linear.left_out_error <= np.sqrt(np.mean(np.square(missed))) * 1.01


def test_trees_see_a_threshold_that_no_smooth_model_does() -> None:
    """A source that harms beyond half of the mixture; the chosen model is the one with the least error left out."""
    w, new = mixtures(150, seed=3), mixtures(100, seed=4)

    def losses(at: Floats) -> Floats:
        made: Floats = 2 + 0.5 * (at[:, 0] > 0.5) + 0.2 * (at[:, 1] > 0.3)
        return made

    models = {one.name: one for one in fit_weights(w, losses(w))}
    assert next(iter(models)) == "boosted"
    off = {name: np.abs(one.predict(new) / losses(new) - 1).mean() for name, one in models.items()}
    assert off["boosted"] == min(off.values())


def test_few_runs_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least 10 runs"):
        fit_weights(mixtures(5), np.ones(5))


def test_tables_of_weights(tmp_path: Path) -> None:
    file, w = tmp_path / "runs.csv", mixtures(40)
    lines = ["w_a,w_b,w_c,w_d,loss"] + [",".join(f"{x:.4f}" for x in [*row, 3 - row[0]]) for row in w]
    file.write_text("\n".join(lines))
    document = json.loads(invoke("scaling", "weights", file, "--loss", "loss", "--prefix", "w_", "--json").stdout)
    assert document["proposal"][0]["source"] == "w_a"
    assert document["proposal"][0]["weight"] > 0.6
    assert "Proposed by" in invoke("scaling", "weights", file, "--loss", "loss", "--prefix", "w_").stdout
    with pytest.raises(SchemaError, match="at least two that begin with 'v_'"):
        read_weights(file, "loss", "v_")
    file.write_text("w_a,w_b,loss\n0,0,3\n")
    with pytest.raises(ContractError, match="line 2: expected weights of which some are positive"):
        read_weights(file, "loss", "w_")
