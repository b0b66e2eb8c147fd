"""The flow ranks planted contributors in the planted order, for every task; its temporary API is no dearer than it must be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from prefect.settings import PREFECT_HOME

from mixval.config.tasks import Task, spec_of
from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval.publish.stored_run import open_run
from tests.worlds import PLANTED, planted


@pytest.mark.parametrize("task", get_args(Task))
def test_planted_contributors_come_out_in_the_planted_order(
    task: Task, tmp_path: Path, value: Callable[[ValuationConfig], RunSummary]
) -> None:
    is_text = spec_of(task).is_text
    summary = value(planted(tmp_path, task).config(value={"corpus": is_text}))

    stored = open_run(summary.url)
    ranking = stored.ranking
    assert ranking["contributor"].to_pylist() == list(PLANTED)
    assert ranking["rank"].to_pylist() == [1, 2, 3]
    near, _, far = ranking.to_pylist()
    assert near["tie_group"] != far["tie_group"]
    assert near["value_low"] > far["value_high"]
    assert near["discrepancy"] < far["discrepancy"]
    assert (summary.n_planned, summary.n_ranked, summary.n_rejected, summary.n_failed) == (3, 3, 0, 0)
    if is_text:  # counted on the workers
        assert stored.corpora is not None
        distances = dict(zip(stored.corpora["contributor"].to_pylist(), stored.corpora["kl"].to_pylist(), strict=True))
        assert distances["near"] < distances["far"]


def test_the_temporary_api_does_not_look_for_packages_of_blocks(prefect_api: None) -> None:
    """It would import each of them, and remember here what it has found."""
    assert not (PREFECT_HOME.value() / "memo_store.toml").exists()
