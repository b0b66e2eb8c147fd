"""The runner: rankings of planted rows through the table, reasons for what is skipped, figures, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.evidence.run import checkpoint_of, command_of, figures, parsed
from benchmarks.figures import figure, write_beside
from mixval.errors import ConfigError
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.method import Method, Scores
from mixval.evidence.baselines.registry import methods_for
from mixval.evidence.comparison import compare
from mixval.evidence.fitted import FITTED, SINGLES
from mixval.evidence.ranking import chosen_methods, rank
from mixval.evidence.results import MethodResult, SkippedMethod, WorldResult
from tests.evidence.planted_contributors import planted_inputs
from tests.evidence.planted_results import planted_worlds

TRUTH = {"good": [0.9, 0.91], "noisy": [0.3, 0.32], "tiny": [0.2, 0.19]}


def test_two_planted_worlds_go_through_every_method_to_the_table() -> None:
    results = []
    for task in ("image-classification", "language-modelling"):
        inputs = planted_inputs(task)
        wanted = {"size", "mmd", "raw-ridge", "word-similarity", "tangent-regression", FITTED}
        ranked = list(rank(task, inputs, TRUTH, wanted))
        assert {one.method for one in ranked} == (wanted - {FITTED} | {*SINGLES}) & {one.name for one in methods_for(task)}
        methods = [one for one in ranked if isinstance(one, MethodResult)]
        assert methods == ranked
        results.append(WorldResult(world=task, task=task, truth=TRUTH, truth_seconds=1.0, methods=methods))
    found = compare(results, n_resamples=50)
    assert found.named("tangent-regression").mean.value > found.named("size").mean.value
    assert len(found.named("raw-ridge").by_world) == len(found.named("word-similarity").by_world) == 1


def test_a_method_that_cannot_run_is_skipped_by_name_and_the_others_go_on() -> None:
    def score(method: Method, inputs: Inputs) -> Scores:
        if method.name == "size":
            raise ConfigError("expected the library 'rows'. Install it with `pip install 'mixval[rows]'`.")
        return method.rank(inputs)

    first, second = rank("w", planted_inputs("language-modelling"), TRUTH, {"random", "size"}, score)
    assert (first.method, isinstance(first, MethodResult)) == ("random", True)
    assert isinstance(second, SkippedMethod)
    assert second.method == "size"
    assert "pip install 'mixval[rows]'" in second.reason


def test_a_method_whose_library_meets_a_singular_matrix_is_skipped_too() -> None:
    def score(method: Method, inputs: Inputs) -> Scores:
        torch.linalg.inv(torch.zeros(2, 2)) if method.name == "random" else np.linalg.inv(np.zeros((2, 2)))
        return method.rank(inputs)

    for one in rank("w", planted_inputs("language-modelling"), TRUTH, {"random", "size"}, score):
        assert isinstance(one, SkippedMethod)
        assert f"{one.method} could not be computed on these rows: " in one.reason
        assert "singular" in one.reason.lower()


def test_methods_are_chosen_by_task_and_by_name() -> None:
    assert chosen_methods("instruction", None) == methods_for("instruction")
    assert [one.name for one in chosen_methods("instruction", {"knn", "ngram", "size"})] == ["size", "ngram"]  # no labels there
    assert {one.name for one in chosen_methods("text-classification", {FITTED})} == {*SINGLES}
    with pytest.raises(ConfigError, match=r"expected a ranking method, one of random, .*found 'magic'"):
        chosen_methods("instruction", {"magic"})


def test_figures_stand_beside_those_of_other_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.figures.RESULTS", tmp_path)
    for name, command in (("old", "run a"), ("b", "run"), ("c", "runner a"), ("d", "reduced a")):
        file = write_beside("evidence", [figure(name, 1.0, "-", "1", command)], "none")
    write_beside("evidence", [figure("new", 2.0, "-", "1", "run b c")], "run")
    assert [(one["name"], one["command"]) for one in json.loads(file.read_text())] == [
        ("c", "runner a"),
        ("d", "reduced a"),
        ("new", "run b c"),
    ]


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
    again = [*command_of("lm", given, ["size"]).split()[3:], "--data", "d", "--out", "o", "--language-model", "l"]
    assert (parsed(again).worlds, parsed(again).contributors) == (["lm"], given.contributors)
