"""What a plan refuses for want of memory, and whether the way out that it names is. Listings are made up: no row is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixval.contracts.outcomes import planned_failures
from mixval.contracts.plan import ShardRef, WorkPlan
from mixval.errors import CapacityError
from mixval.stages.footprint import Footprint
from mixval.stages.memory import machine_bytes
from mixval.stages.planning import make_plan
from tests.worlds import World, planted

FOOTPRINT = Footprint(
    n_parameters=11_000_000,
    model_bytes=44_000_000,
    n_dimensions=512,
    weight_bytes={f"weight-{i}": 290_000 for i in range(21)},
    activation_bytes=20_000_000,
    forward_seconds_per_row=0.01,
    gradient_seconds_per_row=0.03,
)
"""About ResNet-18's; no model is loaded."""
WORKER_BYTES = 8 * 2**30
N_ROWS = 40_000
"""Their Gram matrix alone takes 12 GiB in float64."""

ALL = {"count": None}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return planted(tmp_path, "text-classification")


def shards(name: str, n_rows: int) -> list[ShardRef]:
    return [ShardRef(url=f"s3://lake/{name}/{i}", name=f"{i}", size_bytes=10**6, digest="00", n_rows=n_rows) for i in range(4)]


def planned(world: World, **changes: Any) -> WorkPlan:
    inputs = {"large": shards("large", N_ROWS // 4)}, shards("target", 100)
    return make_plan(world.config(**changes), inputs, FOOTPRINT, 2, WORKER_BYTES)


def test_a_gram_matrix_beyond_memory_is_refused_and_the_way_out_that_is_named_fits(world: World) -> None:
    with pytest.raises(CapacityError, match=r"40,000 gradients.*Set `ntk\.method: sketched`, which holds sums"):
        planned(world, sample=ALL, ntk={"sample": ALL})
    plan = planned(world, sample=ALL, ntk={"method": "sketched"})
    assert plan.contributors[0].n_gradient_rows == N_ROWS
    assert plan.contributors[0].task_bytes < WORKER_BYTES / 2


def test_a_sketch_beyond_memory_is_not_told_to_sketch(world: World) -> None:
    with pytest.raises(CapacityError, match=r"Lower `ntk\.sketch_features`") as caught:
        planned(world, sample=ALL, ntk={"method": "sketched", "sketch_features": 2**14}, value={"coalitions": 0})
    assert "Set `ntk.method: sketched`" not in str(caught.value)


def test_a_limit_that_halving_stays_below_is_told(world: World) -> None:
    told = planned(world, sample={"count": 30_000}, ntk={"method": "sketched"}).notes
    assert any("`sample.count: 30000` is a limit" in note and "20,000 of 40,000 rows of large" in note for note in told), told
    assert planned(world, sample={"count": 20_000}, ntk={"method": "sketched"}).notes == []
    assert not any("is a limit" in note for note in planned(world, sample={"count": 30_000}).notes)


def test_the_machine_has_no_more_memory_than_its_container(tmp_path: Path) -> None:
    unlimited, limited = tmp_path / "memory.max", tmp_path / "memory.high"
    unlimited.write_text("max\n")
    limited.write_text(f"{2**20}\n")
    without = machine_bytes([unlimited, tmp_path / "none"])
    assert without > 2**20
    assert machine_bytes([unlimited, limited]) == 2**20


def test_who_does_not_fit_is_told_and_stops_nobody(world: World) -> None:
    inputs = {"large": shards("large", N_ROWS // 4), "small": shards("small", 10)}, shards("target", 100)
    plan = make_plan(world.config(sample=ALL, ntk={"sample": ALL}), inputs, FOOTPRINT, 2, WORKER_BYTES)
    large, small = plan.contributors
    assert "40,000 rows of large do not fit a worker" in str(large.problem)
    assert (large.seconds, small.problem) == (0.0, None)
    assert small.seconds > 0
    assert plan.to_check == [small]
    assert {name: (one.verdict, one.reason) for name, one in planned_failures(plan).items()} == {
        "large": ("failed", large.problem)
    }


@pytest.mark.parametrize("n_rows", [10**8, 2**62])
@pytest.mark.parametrize("ntk", [{"sample": ALL}, {"method": "sketched"}])
def test_rows_that_are_only_said_stop_nobody(world: World, n_rows: int, ntk: dict[str, Any]) -> None:
    said = [ShardRef(url="s3://lake/said", name="said", size_bytes=685_000, digest="00", n_rows=n_rows)]
    inputs = {"said": said, "small": shards("small", 10)}, shards("target", 100)
    plan = make_plan(world.config(ntk=ntk), inputs, FOOTPRINT, 2, WORKER_BYTES)
    assert plan.contributors[1].problem is None
    assert (plan.contributors[0].problem is None) == ("method" in ntk)


def test_a_budget_below_one_batch_of_gradients_fails_those_alone_who_have_so_many_rows(world: World) -> None:
    config = world.config(runtime={"gradient_bytes": 2**21, "batch_rows": 32}, ntk={"sample": ALL})
    inputs = {"more": shards("more", 10), "few": shards("few", 1)[:1]}, shards("target", 100)
    plan = make_plan(config, inputs, FOOTPRINT, 2, WORKER_BYTES)
    assert "do not fit the budget" in str(plan.contributors[0].problem)
    assert plan.contributors[1].problem is None
    alone = {"more": inputs[0]["more"]}, inputs[1]
    with pytest.raises(CapacityError, match="do not fit the budget"):
        make_plan(config, alone, FOOTPRINT, 2, WORKER_BYTES)


def test_a_pass_beyond_memory_is_refused_and_fewer_rows_of_it_fit(world: World) -> None:
    """As of a language model of 135 million weights, which keeps half a GiB of each row of 256 tokens."""
    large = FOOTPRINT.model_copy(update={"activation_bytes": 2**29})
    inputs = {"a": shards("a", 100)}, shards("target", 100)
    with pytest.raises(CapacityError, match=r"16\.0 GiB for a pass of `runtime\.batch_rows` rows.*`runtime\.batch_rows`"):
        make_plan(world.config(ntk={"method": "sketched"}), inputs, large, 1, WORKER_BYTES)
    few = world.config(ntk={"method": "sketched"}, runtime={"batch_rows": 4})
    plan = make_plan(few, inputs, large, 1, WORKER_BYTES)
    assert plan.contributors[0].pass_bytes == plan.target.pass_bytes == 2**31
    alone = large.model_copy(update={"is_alone": True})
    assert make_plan(world.config(), inputs, alone, 1, WORKER_BYTES).contributors[0].pass_bytes == 2**29
