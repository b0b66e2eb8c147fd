"""The comparison of peak rates: what is trained, which rate serves the median best, and how ours agrees with each."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.evidence.studies.rates import RateResult, agreement_with_ours, measure, rate_figures, table_text
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.truth import TruthJob, read_truth
from tests.evidence.planted_tables import N_CLASSES, rows

BACKBONE = {
    "random_init": {"architecture": "resnet", "settings": {"embedding_size": 8, "hidden_sizes": [8], "depths": [1]}},
    "stem": "3x3",
}
SHORT = TrainingRecipe(batch_rows=16, min_steps=6, max_steps=6, validation_share=0.0)
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[TruthJob]:
    folder = tmp_path_factory.mktemp("rates")
    for at, name in enumerate((*NAMES, "test")):
        (folder / name).mkdir()
        pq.write_table(rows("image-classification", "real", 60).slice(at * 5, 40), folder / name / "part-0.parquet")
    return [
        TruthJob.model_validate(
            {
                "contributor": name,
                "rows": [str(folder / name)],
                "test": str(folder / "test"),
                "output": str(folder / "out"),
                "task": "image-classification",
                "backbone": BACKBONE,
                "classes": list(range(N_CLASSES)),
                "recipe": SHORT,
            }
        )
        for name in NAMES
    ]


def test_a_rate_of_almost_nothing_leaves_the_backbone_as_it_was(jobs: list[TruthJob]) -> None:
    still = measure(jobs, 1e-12)
    assert still.metrics == pytest.approx(dict.fromkeys(NAMES, still.untrained), abs=1e-6)
    assert still.helped == 0.0


def test_a_rate_is_trained_with_and_judged_by_its_median(jobs: list[TruthJob]) -> None:
    found = measure(jobs, 2e-2)
    rated = [one.model_copy(update={"recipe": SHORT.model_copy(update={"learning_rate": 2e-2})}) for one in jobs]
    metrics = read_truth(rated)["metric"].to_pylist()
    assert list(found.metrics.values()) == metrics
    assert found.median == sorted(metrics)[1]
    assert found.helped == sum(metric > found.untrained for metric in metrics) / 3 > 0


def test_agreement_is_with_our_scores_by_name(tmp_path: Path) -> None:
    result = RateResult(1e-3, {"b": 0.2, "a": 0.1, "c": 0.4}, 0.0)
    file = tmp_path / "results.json"
    assert agreement_with_ours(result, file) is None
    statistics = {name: {"value": 1.0, "low": 1.0, "high": 1.0} for name in ("spearman", "kendall", "pearson", "top_regret")}
    method = {"world": "w", "method": "ntk-regression", "scores": {"c": 5.0, "a": 3.0, "b": 4.0}, "statistics": statistics}
    method |= {"seconds": 1.0, "peak_bytes": 1, "needs": [], "note": ""}
    world = {"world": "w", "task": "instruction", "truth": {name: [0.0] for name in NAMES}, "truth_seconds": 1.0}
    file.write_text(json.dumps(world | {"methods": [method]}), encoding="utf-8")
    assert agreement_with_ours(result, file) == pytest.approx(1.0)
    assert agreement_with_ours(RateResult(1e-3, {"a": 0.4, "b": 0.2, "c": 0.1}, 0.0), file) == pytest.approx(-1.0)


def test_figures_and_table_say_what_each_rate_gives() -> None:
    results = [RateResult(3e-5, {"a": -4.0, "b": -4.2}, -4.1), RateResult(1e-4, {"a": -4.3, "b": -4.2}, -4.1)]
    figures = {one["name"]: one["figure"] for one in rate_figures("w", results, [0.9, None])}
    assert figures == {
        "rate/w/untrained": -4.1,
        "rate/w/3e-05/median_gain": 0.0,
        "rate/w/3e-05/helped": 0.5,
        "rate/w/3e-05/spearman": 0.9,
        "rate/w/0.0001/median_gain": pytest.approx(-0.15),
        "rate/w/0.0001/helped": 0.0,
        "rate/w/0.0001/spearman": None,
    }
    assert [line.endswith("<- best") for line in table_text("w", results, [0.9, None]).splitlines()] == [
        False,
        True,
        False,
    ]
