"""What has been published is a success, whatever fails afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from prefect import Flow

from mixval import stopping
from mixval.config.base import FrozenModel
from mixval_flows.outcome import published, run_to_publication


class Summary(FrozenModel):
    """What a run returns."""

    url: str = "memory://run"


@dataclass
class Named:
    """As much of a flow as is looked at: its name, and the call."""

    call: Callable[[], Summary]
    name: str = "outer"

    def __call__(self, _config: FrozenModel) -> Summary:
        return self.call()


@pytest.fixture(autouse=True)
def _begun() -> Iterator[None]:
    yield
    stopping.begin()


def run(call: Callable[[], Summary]) -> FrozenModel:
    return run_to_publication(cast("Flow[..., Any]", Named(call)), Summary())


def test_a_failure_after_publication_returns_the_summary() -> None:
    def call() -> Summary:
        published("outer", Summary(url="memory://published"))
        raise ConnectionError("the API has gone")

    assert run(call) == Summary(url="memory://published")
    assert stopping.is_over()


def test_a_failure_before_is_raised_also_where_a_flow_inside_has_published() -> None:
    def call() -> Summary:
        published("inner", Summary())
        assert not stopping.is_over()
        raise ConnectionError("the API has gone")

    with pytest.raises(ConnectionError):
        run(call)


def test_the_next_run_is_not_over_when_it_begins() -> None:
    stopping.over()
    seen = []

    def call() -> Summary:
        seen.append(stopping.is_over())
        return Summary()

    run(call)
    assert seen == [False]
