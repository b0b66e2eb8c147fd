"""Every ranking method on a world whose order is planted: finite values, honest needs, honest charges, plain refusals."""

from __future__ import annotations

import dataclasses
import gc
import importlib.util
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from mixval.config.tasks import Task
from mixval.errors import ConfigError, NumericalError
from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.inputs import Contributor, Inputs
from mixval.evidence.baselines.metering import Ledger
from mixval.evidence.baselines.method import EVERY_TASK, Method, Scores
from mixval.evidence.baselines.registry import METHODS, method_named, methods_for
from tests.evidence.planted_contributors import SIZES, planted_inputs

TRAINED = {"tracin", "trak"}
MEASURED_ON_LABELS = {
    "raw-ridge",
    "raw-ridge-accuracy",
    "raw-probe",
    "raw-probe-accuracy",
    "linear-probe",
    "linear-probe-accuracy",
    "knn",
    "knn-shapley",
    "wide-head-regression",
    "optimal-transport",
    "kernel-mean-matching",
    "ntk-regression",
    "ntk-regression-accuracy",
}
GOOD_FIRST: dict[Task, set[str]] = {
    "image-classification": MEASURED_ON_LABELS | TRAINED,
    "text-classification": MEASURED_ON_LABELS | TRAINED,
    # TracIn tells right answers from wrong ones by a thousandth here, less than what another seed moves.
    "instruction": {"trak", "trackstar", "ngram", "character-ngram", "kernel-mean-matching", "tracin-initial"},
    "language-modelling": TRAINED
    | {"trackstar", "unigram", "ngram", "character-ngram", "word-similarity", "kernel-mean-matching", "ntk-regression", "mmd"},
}
"""Methods that must put `good` before both others."""
OF_ROWS = {"size", "real-rows", "mmd", "pixel-mmd", "data-distribution-valuation"}
TINY_LAST = OF_ROWS | {"davinz", "eq8-equal-z", "composition", "tracin"}
"""Methods that must put `tiny` after both others: few rows, far from T."""


def installed(method: Method) -> bool:
    return all(importlib.util.find_spec(name.partition(".")[0]) is not None for name in method.libraries)


@pytest.fixture(scope="module")
def libraries() -> None:
    """Loaded before anybody is charged, and out of every later collection: kronfluence asks for ten in an analysis."""
    for method in filter(installed, METHODS.values()):
        for library in method.libraries:
            optional(library)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", params=EVERY_TASK)
def inputs(request: pytest.FixtureRequest, libraries: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inputs]:
    """dattri compiles its projection for one task: four compilations take as long as everything else together."""
    with torch.compiler.set_stance("default" if request.param == EVERY_TASK[-1] else "force_eager"):
        yield planted_inputs(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def ranked(inputs: Inputs) -> dict[str, Scores]:
    return {method.name: method.rank(inputs) for method in filter(installed, methods_for(inputs.task))}


@pytest.fixture(scope="module")
def texts() -> Inputs:
    return planted_inputs("language-modelling")


def test_every_method_ranks_the_planted_order_or_refuses_by_name(inputs: Inputs, ranked: dict[str, Scores]) -> None:
    for name, method in METHODS.items():
        if not method.applies(inputs.task):
            with pytest.raises(ConfigError, match=f"'{name}'.*does not apply to the task '{inputs.task}'"):
                method.rank(inputs)
        elif not installed(method):
            with pytest.raises(ConfigError, match=r"Install it with `pip install .*\[attribution\]'`"):
                method.rank(inputs)
        else:
            values = ranked[name].values
            good, noisy, tiny = values
            assert np.isfinite(values).all(), name
            assert name not in GOOD_FIRST[inputs.task] or good > max(noisy, tiny), (name, values)
            assert name not in TINY_LAST or tiny < min(good, noisy), (name, values)


def test_a_method_uses_no_more_than_it_says_and_again_gives_the_same(inputs: Inputs, ranked: dict[str, Scores]) -> None:
    for method in filter(installed, methods_for(inputs.task)):
        values, charge = inputs.ledger.charged(lambda method=method: method.compute(inputs, 0))
        used = {key[0] if isinstance(key, tuple) else key for key in charge.used} & {"features", "gradients", "checkpoints"}
        assert used <= method.needs, method.name
        assert ("checkpoints" in method.needs) == ("checkpoints" in used), method.name
        np.testing.assert_array_equal(values, ranked[method.name].values, err_msg=method.name)


def test_what_was_kept_is_charged_to_whoever_uses_it(texts: Inputs) -> None:
    first, again = method_named("tracin").rank(texts), method_named("tracin").rank(texts)
    _, training = texts.ledger.charged(lambda: texts.checkpoints(0))
    assert training.seconds > 0
    # The training, and gradients at two checkpoints: what was made for `first` costs `again` as much.
    assert min(first.seconds, again.seconds) > training.seconds
    assert method_named("size").rank(texts).seconds < training.seconds


def test_nested_quantities_are_charged_once_and_by_their_maker() -> None:
    class Told(Ledger):
        """A clock that stands still but for the seconds that work says it took."""

        now = 0.0

        def _clock(self) -> float:
            return self.now

    def work(seconds: float) -> float:
        ledger.now += seconds
        return seconds

    def outer() -> float:
        return work(20.0) + ledger.take("inner", lambda: work(50.0)) + ledger.take("inner", lambda: work(900.0))

    ledger = Told(torch.device("cpu"))
    _, charge = ledger.charged(lambda: work(3.0) + ledger.take("outer", outer) + ledger.take("inner", lambda: work(900.0)))
    _, of_inner = ledger.charged(lambda: ledger.take("inner", lambda: work(900.0)))
    assert charge.used == {"outer", "inner"}
    assert (charge.seconds, of_inner.seconds) == (73.0, 50.0)


def test_a_ledger_counts_what_was_computed_and_not_what_was_waited_for() -> None:
    def work() -> float:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        return end

    before = time.process_time()
    _, charge = Ledger(torch.device("cpu")).charged(work)
    assert 0.05 <= charge.seconds <= time.process_time() - before


def test_memory_is_counted_above_what_was_held(texts: Inputs) -> None:
    ledger = Ledger(torch.device("cpu"))
    _, charge = ledger.charged(lambda: np.ones(2**23).sum())
    assert 2**26 * 0.9 < charge.peak_bytes < 2**26 * 1.5
    held = np.ones(2**23)
    _, nothing = ledger.charged(lambda: held[0])
    assert nothing.peak_bytes < 2**24


def test_checkpoints_are_trained_copies_and_the_backbone_stays_as_it_was(texts: Inputs) -> None:
    before = {name: value.clone() for name, value in texts.backbone.module.state_dict().items()}
    middle, last = texts.checkpoints(3)
    for name, value in texts.backbone.module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(parameter.requires_grad for one in (middle, last) for parameter in one.module.parameters())

    def loss(backbone: Any) -> float:
        batch = backbone.encode(texts.target)
        return float(backbone.losses(backbone.forward(batch), batch)[0].mean())

    assert loss(last) < loss(middle) < loss(texts.backbone)


def test_labels_are_needed_by_name(texts: Inputs) -> None:
    with pytest.raises(ConfigError, match=r"'knn-shapley', which needs class labels, does not apply.*'language-modelling'"):
        method_named("knn-shapley").rank(texts)


def test_what_cannot_be_ranked_is_refused(texts: Inputs) -> None:
    with pytest.raises(ConfigError, match="one of random, size"):
        method_named("best")
    with pytest.raises(ConfigError, match="'nobody'"):
        dataclasses.replace(texts, contributors=[Contributor("nobody", texts.target.slice(0, 0))])
    with pytest.raises(NumericalError, match=r"'broken': expected finite values.*\['noisy'\]"):
        Method("broken", lambda *_: np.array([0.0, np.nan, 1.0])).rank(texts)
    with pytest.raises(NumericalError, match="one value for each of 3"):
        Method("short", lambda *_: np.zeros(2)).rank(texts)


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ot", None)
    with pytest.raises(ConfigError, match=r"'ot'.*pip install .*\[evidence\]'`"):
        optional("ot")


def test_contributors_know_their_real_rows(texts: Inputs) -> None:
    assert [(one.n_rows, one.n_real) for one in texts.contributors] == [(n, n // 2) for n in SIZES.values()]
    np.testing.assert_array_equal(method_named("real-share").rank(texts).values, [0.5, 0.5, 0.5])
    assert not np.array_equal(method_named("random").rank(texts, 0).values, method_named("random").rank(texts, 1).values)
