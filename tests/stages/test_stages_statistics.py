"""From Parquet to terms through mergeable sufficient statistics: any split, only the new shard read, the exact terms within the
error."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.worlds import NAME, WORLDS, World, jobs, make_config, run_stages
from mixval.contracts.terms import TERMS
from mixval.errors import NumericalError
from mixval.stages import shared_sketch, statistics
from mixval.stages.forward import forward_pass
from mixval.stages.jobs import MeasureJob
from mixval.stages.rows import threshold_rows
from mixval.stages.shared_sketch import make_shared_sketch, read_shared_sketch, shared_sketch_ref
from mixval.stages.terms import contributor_terms

SKETCHED: dict[str, Any] = {
    "ntk": {"method": "sketched", "sketch_features": 1024, "damping": 0.1},
    "discrepancy": {"method": "random-features", "frequencies": 64},
}
N = 60


def lake(folder: Path, world: World, edges: list[int] | None = None, order: int | None = None) -> None:
    """A contributor of 60 rows, two thirds real, in shards cut at `edges`; and T."""
    rows = pa.concat_tables([world.make(40, "real"), world.make(20, "synthetic")])
    if order is not None:
        rows = rows.take(np.random.default_rng(order).permutation(N))
    place = folder / "lake" / f"contributor={NAME}"
    place.mkdir(parents=True)
    for i, (low, high) in enumerate(itertools.pairwise(edges or [0, N])):
        pq.write_table(rows.slice(low, high - low), place / f"part-{i}.parquet")
    (folder / "target").mkdir()
    pq.write_table(world.make(30, "target"), folder / "target" / "part-0.parquet")


def prepared(folder: Path, world: World, switches: dict[str, Any] | None = None) -> tuple[MeasureJob, MeasureJob]:
    """The two jobs, T's pass and the shared sketch made."""
    job, target = jobs(make_config(folder, world, _merged(SKETCHED, switches or {})))
    forward_pass(target)
    make_shared_sketch(target)
    return job, target


def with_statistics(job: MeasureJob, target: MeasureJob) -> dict[str, np.ndarray]:
    """The committed terms, from sufficient statistics."""
    for chosen in statistics.batches(job):
        statistics.make_statistics(job, target, chosen)
    statistics.merged_statistics(job, target)
    return job.store.read_tensors(contributor_terms(job, target))


@pytest.mark.parametrize("name", ["images", "texts", "gpt2"])
def test_the_terms_are_the_exact_ones_within_their_error(name: str, tmp_path: Path) -> None:
    lake(tmp_path, WORLDS[name])
    job, target = prepared(tmp_path, WORLDS[name])
    found = dict(zip(TERMS, with_statistics(job, target)["terms"], strict=True))
    exact = jobs(make_config(tmp_path, WORLDS[name], {"ntk": {"damping": 0.1}}))
    truth = dict(zip(TERMS, job.store.read_tensors(run_stages(*exact))["terms"], strict=True))
    assert found["loss"] == pytest.approx(truth["loss"], rel=1e-10)
    assert found["composition"] == truth["composition"]
    table = job.store.read_table(contributor_terms(job, target), "terms").to_pylist()
    ntk = json.loads(next(row["diagnostics"] for row in table if row["term"] == "ntk"))
    assert abs(found["ntk"] - truth["ntk"]) < 4 * ntk["extrapolated_error"]
    assert ntk["extrapolated_error"] < 0.2 * truth["ntk"]
    exact_table = job.store.read_table(contributor_terms(*exact), "terms").to_pylist()
    for part in ("real", "synthetic"):
        mmd, of_exact = (
            next(json.loads(r["diagnostics"]) for r in rows if (r["term"], r["part"]) == ("discrepancy", part))
            for rows in (table, exact_table)
        )
        assert abs(mmd["squared"] - of_exact["squared"]) < 5 * mmd["approximation_error"]


@pytest.mark.parametrize("is_repeated", [True, False])
def test_a_target_of_repeated_rows_is_told_of(is_repeated: bool, tmp_path: Path) -> None:
    world = WORLDS["images"]
    lake(tmp_path, world)
    rows = world.make(30, "target").take([0] * 24 + list(range(6)) if is_repeated else list(range(30)))
    pq.write_table(rows, tmp_path / "target" / "part-0.parquet")
    job, target = prepared(tmp_path, world)
    with_statistics(job, target)
    table = job.store.read_table(contributor_terms(job, target), "terms").to_pylist()
    told = next(json.loads(r["diagnostics"]) for r in table if (r["term"], r["part"]) == ("discrepancy", "all"))
    assert told["target_repeated"] is is_repeated


@pytest.mark.parametrize(("edges", "order"), [([0, 1, 17, N], None), ([0, 30, N], 3), ([0, N], 4)])
def test_shards_and_their_order_change_nothing(edges: list[int], order: int | None, tmp_path: Path) -> None:
    world, switches = WORLDS["texts"], {"value": {"replicates": 20}}
    for folder, given in (("one", {}), ("cut", {"edges": edges, "order": order})):
        lake(tmp_path / folder, world, **given)
    one, cut = (with_statistics(*prepared(tmp_path / folder, world, switches)) for folder in ("one", "cut"))
    np.testing.assert_allclose(cut["terms"], one["terms"], rtol=1e-9)
    np.testing.assert_allclose(cut["deviations"], one["deviations"], rtol=1e-6, atol=1e-9)
    assert np.abs(one["deviations"][:, :3]).max(axis=0).min() > 0


def test_adding_a_shard_reads_only_that_shard(tmp_path: Path) -> None:
    """The first shards' files are emptied before the second round: whoever opened one would fail."""
    world = WORLDS["texts"]
    lake(tmp_path, world, edges=[0, 20, 40])
    job, target = prepared(tmp_path, world)
    before = with_statistics(job, target)
    place = tmp_path / "lake" / f"contributor={NAME}"
    pq.write_table(world.make(20, "synthetic"), place / "part-2.parquet")
    grown, target = prepared(tmp_path, world)
    for old in ("part-0.parquet", "part-1.parquet"):
        (place / old).write_bytes(b"")
    known = [ref for ref in statistics.piece_refs(grown, target) if grown.store.committed(ref) is not None]
    assert len(known) == 2
    after = with_statistics(grown, target)
    assert len(statistics.piece_refs(grown, target)) == 3
    lake(tmp_path / "fresh", world, edges=[0, 20, 40, N])
    np.testing.assert_allclose(after["terms"], with_statistics(*prepared(tmp_path / "fresh", world))["terms"], rtol=1e-9)
    assert before["terms"][0] != pytest.approx(after["terms"][0], rel=1e-6)


def test_a_large_shard_is_cut_into_pieces_that_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = WORLDS["gpt2"]
    lake(tmp_path, world)
    whole = with_statistics(*prepared(tmp_path, world))
    monkeypatch.setattr(statistics, "PIECE_ROWS", 16)
    monkeypatch.setattr(statistics, "TASK_ROWS", 25)
    job, target = prepared(tmp_path, world)
    assert [len(task) for task in statistics.batches(job)] == [2, 2]
    np.testing.assert_allclose(with_statistics(job, target)["terms"], whole["terms"], rtol=1e-9)


def test_rows_are_drawn_by_halves_of_the_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake(tmp_path, WORLDS["texts"])
    assert statistics.drawn_share(prepared(tmp_path, WORLDS["texts"], {"sample": {"count": 20}})[0]) == 1.0  # parts too small
    monkeypatch.setattr(statistics, "LEAST_DRAWN", 2)
    shares = [statistics.drawn_share(prepared(tmp_path, WORLDS["texts"], {"sample": {"count": n}})[0]) for n in (60, 59, 20)]
    assert shares == [1.0, 0.5, 0.25]
    drawn = []
    for switches in ({"sample": {"count": 59}}, {"sample": {"count": 20}}, {"sample": {"fraction": 0.4}}):
        job, _ = prepared(tmp_path, WORLDS["texts"], switches)
        share = statistics.drawn_share(job)
        drawn.append(set(threshold_rows(job, job.contributor.shards[0], [], share, (0, 1))["key"].to_pylist()))
    assert drawn[1] < drawn[0]
    assert max(drawn[1]) < 2**62
    assert 10 < len(drawn[0]) < 50


def test_dropped_rows_count_nowhere(tmp_path: Path) -> None:
    world = WORLDS["texts"]
    lake(tmp_path, world, edges=[0, 25, N])
    job, target = prepared(tmp_path, world)
    rows = {"shard_index": [0, 1], "row": [3, 34]}
    ref = job.store.commit(job.store.ref("bad-rows", 1, rows=rows), inputs={}, tables={"bad_rows": pa.table(rows)})
    trimmed = job.model_copy(update={"bad_rows": ref, "n_real": 39, "n_synthetic": 19})
    with_statistics(trimmed, target)
    by_part = statistics.read_statistics(trimmed, statistics.statistics_ref(trimmed, target))
    assert {part: one.n for part, one in by_part.items()} == {"real": 39, "synthetic": 19}


def test_q_is_doubled_until_the_asked_error_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, asked = WORLDS["gpt2"], {"sketch_features": 64, "sketch_error": 0.1}
    lake(tmp_path, world)
    _, target = prepared(tmp_path, world, {"ntk": asked})
    record = target.store.committed(shared_sketch_ref(target))
    assert record is not None
    assert record.numbers["sketch_features"] == read_shared_sketch(target).plan.width > 64
    assert float(record.numbers["pilot_error"] or 1) <= 0.1
    monkeypatch.setattr(shared_sketch, "MOST_DOUBLINGS", 1)
    with pytest.raises(NumericalError, match="is not reached with 128 features"):
        prepared(tmp_path, world, {"ntk": asked | {"sketch_error": 1e-9}})


def test_labels_join_the_features_of_statistics_too(tmp_path: Path) -> None:
    lake(tmp_path, WORLDS["texts"])
    plain = with_statistics(*prepared(tmp_path, WORLDS["texts"]))
    job, target = prepared(tmp_path, WORLDS["texts"], {"discrepancy": {"labels": 1.0}})
    block = read_shared_sketch(target).labels
    assert block is not None
    assert block.classes.tolist() == [2, 5, 9]
    labelled = with_statistics(job, target)
    assert labelled["terms"][1] != pytest.approx(plain["terms"][1], rel=1e-3)
    assert labelled["terms"][0] == plain["terms"][0]


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {key: {**value, **over[key]} for key, value in base.items() if key in over}
    return {**base, **over, **both}


def test_the_ntk_term_from_kept_rows_is_the_one_from_sums(tmp_path: Path) -> None:
    """60 rows under 1,024 features: rows are the cheaper way when all were kept, and without replicates none is."""
    world, found = WORLDS["texts"], {}
    for name, replicates in (("rows", 20), ("sums", 0)):
        lake(tmp_path / name, world)
        job, target = prepared(tmp_path / name, world, {"value": {"replicates": replicates}})
        with_statistics(job, target)
        table = job.store.read_table(contributor_terms(job, target), "terms").to_pylist()
        found[name] = next(json.loads(row["diagnostics"]) for row in table if row["term"] == "ntk")
    for key in ("term", "extrapolated", "extrapolated_error", "effective_rank"):
        assert found["rows"][key] == pytest.approx(found["sums"][key], rel=1e-9), key
    # The condition is that of n x n against q x q, which tells the ways apart.
    assert found["rows"]["condition"] != pytest.approx(found["sums"]["condition"], rel=1e-3)


def test_a_part_of_which_too_little_was_drawn_is_refused_by_name(tmp_path: Path) -> None:
    lake(tmp_path, WORLDS["texts"])
    job, target = prepared(tmp_path, WORLDS["texts"], {"sample": {"fraction": 0.001}})
    with pytest.raises(NumericalError, match=r"at least 2 drawn real rows, found 0 of 40.*`sample.fraction`"):
        with_statistics(job, target)
