"""One Prefect API, one cluster of two processes, and planted worlds, for all tests of the flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from mixval.config.runtime import RuntimeConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval_flows.runner import LazyCluster
from mixval_flows.valuation import valuation
from mixval_tasks.cluster import use_cluster
from tests.worlds import World, planted, rows

Value = Callable[[ValuationConfig], RunSummary]


@pytest.fixture(scope="session")
def cluster(prefect_api: None) -> Iterator[LazyCluster]:
    """Two worker processes that every test shares."""
    lazy = LazyCluster(RuntimeConfig(workers=2))
    lazy.client()
    yield lazy
    lazy.close()


@pytest.fixture(scope="session")
def value(cluster: LazyCluster) -> Value:
    """The real flow on the shared cluster."""

    def run(config: ValuationConfig) -> RunSummary:
        with use_cluster(cluster):
            return valuation(config)

    return run


@dataclass(frozen=True)
class Ran:
    """A world that was valued once, and by which flow run."""

    world: World
    config: ValuationConfig
    summary: RunSummary
    flow_run: UUID

    @property
    def folder(self) -> Path:
        """What the run left."""
        return self.world.output / "runs" / self.summary.run_id


@pytest.fixture(scope="session")
def ran(cluster: LazyCluster, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The planted contributors and `tiny`, which is refused, valued once. Tests read it, or copy it before they change it."""
    world = planted(tmp_path_factory.mktemp("ran"), "language-modelling", gate={"data_docs": True})
    world.contribute("tiny", rows("language-modelling", 3, start=9_000))
    config = world.config()
    with use_cluster(cluster):
        state = valuation(config, return_state=True)
    flow_run = state.state_details.flow_run_id
    assert flow_run is not None
    return Ran(world, config, state.result(), flow_run)
