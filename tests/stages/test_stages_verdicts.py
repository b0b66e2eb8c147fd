"""Verdicts of whole runs: a contributor that a serious warning names keeps value and rank, and is not to be taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.plain_stages import gate_here
from mixval.stages.in_process import value_gated
from tests.worlds import planted


def test_rows_that_nearly_repeat_the_target_are_not_taken_whatever_their_value(tmp_path: Path) -> None:
    config = planted(tmp_path, "language-modelling").config(value={"method": "ntk-regression", "replicates": 40})
    gated = gate_here(config)

    def ranked(near_target: float) -> dict[str, dict[str, object]]:
        near = gated.outcomes["near"].model_copy(update={"near_target": near_target})
        ranking = value_gated(replace(gated, outcomes=gated.outcomes | {"near": near})).reduced.ranking
        return {row["contributor"]: row for row in ranking.to_pylist()}

    honest, accused = ranked(0.0), ranked(0.2)
    assert (honest["near"]["verdict"], honest["near"]["doubted_by"], honest["near"]["rank"]) == ("take", None, 1)
    assert accused["near"] == honest["near"] | {"verdict": "cannot say", "doubted_by": "near-target"}
    assert {name: accused[name] for name in ("mixed", "far")} == {name: honest[name] for name in ("mixed", "far")}
