"""The ranking of planted rows: every method to the table, reasons for what is skipped, and methods by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mixval.errors import ConfigError
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.method import Method, Scores
from mixval.evidence.baselines.registry import methods_for
from mixval.evidence.comparison import compare
from mixval.evidence.fitted import FITTED, SINGLES
from mixval.evidence.ranking import chosen_methods, rank
from mixval.evidence.results import MethodResult, SkippedMethod, WorldResult
from tests.evidence.planted_contributors import planted_inputs

TRUTH = {"good": [0.9, 0.91], "noisy": [0.2, 0.19], "tiny": [0.3, 0.32]}
"""Most labels of `noisy` are wrong: worse than the few rows off the target."""


def test_two_planted_worlds_go_through_every_method_to_the_table(tmp_path: Path) -> None:
    results = []
    for task in ("image-classification", "language-modelling"):
        inputs = planted_inputs(task, tmp_path / task)
        wanted = {"size", "mmd", "raw-ridge", "word-similarity", "ntk-regression", FITTED}
        ranked = list(rank(task, inputs, TRUTH, wanted))
        assert {one.method for one in ranked} == (wanted - {FITTED} | {*SINGLES}) & {one.name for one in methods_for(task)}
        methods = [one for one in ranked if isinstance(one, MethodResult)]
        assert methods == ranked
        results.append(WorldResult(world=task, task=task, truth=TRUTH, truth_seconds=1.0, methods=methods))
    found = compare(results, n_resamples=50)
    assert found.named("ntk-regression").mean.value > found.named("size").mean.value
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
