"""Seconds of a plan: from a trial on a few rows of T, whichever rows are drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixval.stages import pacing
from mixval.stages.preparing import prepare_run
from tests.worlds import planted

SEEDS = range(6)


def test_seconds_are_measured_whichever_few_rows_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a slow model a trial has few rows, and a share of T draws now more of them, now fewer than an estimate needs."""
    monkeypatch.setattr(pacing, "PROBE_SECONDS", 0.0)
    monkeypatch.setattr(pacing, "LEAST_ROWS", 2)
    world = planted(tmp_path, "language-modelling")
    for seed in SEEDS:
        config = world.config(ntk={"method": "sketched", "sketch_features": 64}, seed=seed)
        plan = pacing.paced(config, prepare_run(config, 1, 2**33))
        assert not [note for note in plan.notes if "guess" in note], plan.notes
        assert all(one.seconds > 0 for one in plan.contributors)
