"""The runner: rankings of planted rows through the table, reasons for what is skipped, figures, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.evidence.run import checkpoint_of, command_of, figures, parsed, rank
from mixval.evidence.baselines.registry import methods_for
from mixval.evidence.comparison import compare
from mixval.evidence.results import MethodResult, SkippedMethod, WorldResult
from tests.evidence.planted_contributors import planted_inputs
from tests.evidence.planted_results import planted_worlds

TRUTH = {"good": [0.9, 0.91], "noisy": [0.3, 0.32], "tiny": [0.2, 0.19]}


def test_two_planted_worlds_go_through_every_method_to_the_table() -> None:
    torch.set_num_threads(1)
    results = []
    for task in ("image-classification", "language-modelling"):
        inputs = planted_inputs(task)
        wanted = {"size", "mmd", "raw-ridge", "word-similarity", "tangent-regression", "eq8-fitted"}
        ranked = list(rank(task, inputs, TRUTH, wanted))
        assert {one.method for one in ranked} == wanted & {one.name for one in methods_for(task)}
        skipped = [one for one in ranked if isinstance(one, SkippedMethod)]
        assert [one.method for one in skipped] == ["eq8-fitted"]  # nobody gave it weights
        assert "fitted" in skipped[0].reason
        methods = [one for one in ranked if isinstance(one, MethodResult)]
        results.append(WorldResult(world=task, task=task, truth=TRUTH, truth_seconds=1.0, methods=methods, skipped=skipped))
    found = compare(results, n_resamples=50)
    assert found.named("tangent-regression").mean.value > found.named("size").mean.value
    assert len(found.named("raw-ridge").by_world) == len(found.named("word-similarity").by_world) == 1


def test_figures_have_the_house_format() -> None:
    found = compare(planted_worlds(), n_resamples=200)
    by_name = {one["name"]: one for one in figures(found, "command")}
    assert set(by_name["mean_spearman"]) == {"name", "figure", "target", "unit", "command", "commit", "machine", "date"}
    mean = found.named("tangent-regression").mean
    for name, value in (("mean_spearman", mean.value), ("mean_spearman/low", mean.low), ("mean_spearman/high", mean.high)):
        assert by_name[name]["figure"] == pytest.approx(value, rel=1e-3)
    size = found.named("size")
    assert by_name["spearman/words/size"]["figure"] == pytest.approx(size.by_world["words"].value, rel=1e-3)
    assert by_name["rival_mean_spearman/size"]["figure"] == pytest.approx(size.mean.value, rel=1e-3)
    assert by_name["seconds/size"]["figure"] == pytest.approx(size.seconds)
    assert by_name["peak_bytes/size"]["unit"] == "bytes"
    assert by_name["ceiling/words"]["figure"] == pytest.approx(found.ceilings["words"], rel=1e-3)
    assert not [name for name in by_name if name.startswith("rival_mean_spearman/tangent")]
    assert np.isfinite([one["figure"] for one in by_name.values()]).all()


def test_the_command_line_refuses_what_cannot_run(capsys: pytest.CaptureFixture[str]) -> None:
    for words, reason in (
        (["mars", "--data", "d", "--out", "o"], "found mars"),
        (["cifar10", "--out", "o"], "--data"),
        (["sentiment", "--data", "d", "--out", "o", "--language-model", "m"], "'sentiment' needs its backbone: --encoder"),
        (["lm", "--data", "d", "--out", "o", "--encoder", "m"], "'lm' needs its backbone"),
        (["--out", "o", "--methods", "magic"], "magic"),
    ):
        with pytest.raises(SystemExit):
            parsed(words)
        assert reason in capsys.readouterr().err
    given = parsed(["lm", "sentiment", "cifar10", "--data", "d", "--out", "o", "--language-model", "l", "--encoder", "e"])
    assert [str(checkpoint_of(name, given)) for name in ("lm", "sentiment", "cifar10")] == ["l", "e", "None"]
    again = [*command_of("lm", given).split()[3:], "--data", "d", "--out", "o", "--language-model", "l"]
    assert (parsed(again).worlds, parsed(again).contributors) == (["lm"], given.contributors)
