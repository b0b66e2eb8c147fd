"""The parts of the scaling benchmark, on runs of a known law: held-out errors, recorded means, covered breakpoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scaling_laws import breakpoints, tables
from benchmarks.scaling_laws.tables import cut, judged, mean_figures
from mixval.scaling.knowledge import Generator, Mixture


def test_runs_of_a_law_are_predicted_inside_their_intervals() -> None:
    tokens = np.geomspace(1e9, 1e11, 8)
    losses = (2 + 1.1 / (tokens / 1e9) ** 0.4) * np.exp(0.001 * np.random.default_rng(0).standard_normal(8))
    found = judged(cut("planted", "tokens", {"tokens": tokens}, losses, tokens > 6e10))
    assert found["ours"] < 0.005
    assert found["inside"] == 1.0


def test_means_are_over_recorded_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    values = {
        "extrapolation_error/a": 1.0,
        "extrapolation_error/b": 2.0,
        "extrapolation_error_plain/a": 4.0,
        "coverage/tables/a": 0.9,
    }
    held = [{"name": name, "figure": value} for name, value in values.items()]
    (tmp_path / "scaling.json").write_text(json.dumps(held), encoding="utf-8")
    error, coverage = mean_figures()
    assert (error["figure"], error["target"]) == (1.5, "< 4")
    assert coverage["figure"] == 0.9


def test_segments_break_where_the_formula_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakpoints, "TABLES", 5)
    monkeypatch.setattr(breakpoints, "DRAWS", 60)
    mixture, n = Mixture(2, 0.01, Generator("cut", 70)), np.geomspace(200, 1e7, 40)
    shares = breakpoints.covered(
        n, breakpoints.segments(mixture, n), (4_900.0, 490_000.0), np.random.default_rng(0), with_rival=False
    )
    assert shares["ours"] >= 0.7
