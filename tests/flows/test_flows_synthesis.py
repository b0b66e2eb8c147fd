"""The flow on the shared cluster: batches on workers, a request that ends its worker fails alone, what Prefect shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthesis.tiny import save_tiny
from mixval.config.synthesis import SynthesisConfig
from mixval_flows.front import run_synthesis
from mixval_flows.runner import LazyCluster
from mixval_flows.synthesis import synthesis
from mixval_tasks.cluster import use_cluster
from tests.synthesis.conftest import TEXTS, store


@pytest.fixture
def config(tmp_path: Path) -> SynthesisConfig:
    given: dict[str, Any] = {
        "source": {"documents": str(store(tmp_path / "documents.parquet", list(TEXTS)))},
        "output": str(tmp_path / "out"),
        "recipe": "hq-rephrase",
        "generator": {"kind": "transformers", "model": str(save_tiny(tmp_path / "model")), "batch_rows": 2},
        "sampling": {"max_tokens": 8},
        "filters": {"cut": False, "min_tokens": 0, "language": None},
    }
    return SynthesisConfig.model_validate(given)


def test_workers_answer_and_the_next_run_asks_nothing(cluster: LazyCluster, config: SynthesisConfig) -> None:
    with use_cluster(cluster):
        state = synthesis(config, return_state=True)
    summary = state.result()
    assert (summary.n_planned, summary.n_asked, summary.n_failed) == (6, 6, 0)
    again = run_synthesis(config)  # starts neither API nor cluster
    assert (again.run_id, again.n_asked) == (summary.run_id, 0)
