"""Shards by content, and plans that travel without theirs."""

import pickle
from dataclasses import FrozenInstanceError

import pytest

from mixval.contracts.plan import ContributorPlan, ShardRef, content_digest


def shard(name: str, digest: str = "d", rows_of: str | None = None) -> ShardRef:
    return ShardRef(url=f"file:///data/{name}", name=name, size_bytes=1, digest=digest, n_rows=10, rows_of=rows_of)


def plan(*shards: ShardRef) -> ContributorPlan:
    sizes = {"n_rows": 10, "n_sampled": 10, "n_gradient_rows": 5, "n_passes": 1, "task_bytes": 1, "seconds": 0.1}
    return ContributorPlan(name="news", shards=list(shards), **sizes)


def test_digest_is_of_the_content_in_any_order() -> None:
    one, other = shard("a"), shard("b", "e")
    assert plan(one, other).digest == plan(other, one).digest == content_digest([one, other])
    assert len({content_digest([shard("a")]), content_digest([shard("a", "e")]), content_digest([shard("b")])}) == 3
    assert content_digest([shard("a", rows_of="news")]) != content_digest([shard("a")])


def test_a_copy_without_shards_keeps_the_digest_on_its_way() -> None:
    whole = plan(shard("a"), shard("b", "e"))
    light = whole.without_shards()
    assert light.shards == []
    assert len(whole.shards) == 2
    arrived = pickle.loads(pickle.dumps(light))
    assert arrived.digest == light.digest == whole.digest == content_digest(whole.shards)
    assert (arrived.name, arrived.n_rows, arrived.seconds) == (whole.name, whole.n_rows, whole.seconds)


def test_a_copy_without_shards_weighs_the_same_at_any_size() -> None:
    small, large = (plan(*(shard(f"part-{i:05d}") for i in range(n))) for n in (1, 1000))
    assert len(pickle.dumps(large.without_shards())) == len(pickle.dumps(small.without_shards()))
    assert len(pickle.dumps(large)) > 50 * len(pickle.dumps(large.without_shards()))


def test_a_shard_travels_and_stays_as_it_is() -> None:
    one = shard("a", rows_of="news")
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(FrozenInstanceError):
        one.digest = "other"  # type: ignore[misc]
