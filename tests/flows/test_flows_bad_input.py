"""Bad input, end to end: the run goes on, the others are valued, and each message says where, what and what to do."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from benchmarks.plain_stages import gate_here
from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.contracts.run import RunSummary
from mixval.publish.stored_run import StoredRun, open_run
from mixval.stages.forward import forward_ref
from mixval_flows.runner import LazyCluster
from mixval_flows.valuation import valuation
from mixval_tasks.cluster import use_cluster
from tests.worlds import SIDE, World, planted, rows

Value = Callable[[ValuationConfig], RunSummary]

REASONS: dict[str, list[str]] = {
    "cut": ["part-0.parquet", "found"],
    "sheet": ["part-0.parquet", "Parquet", "found"],
    "typed": ["part-0.parquet", "column 'label'", "integer or string", "double", "Write labels as integers"],
    "lacking": ["part-0.parquet", "column 'label'", "add it"],
    "empty": ["found", "shard"],
    "alien": ["column 'label'", "target's labels 0, 1, 2, 3", "found", "Map the labels"],
    "single": ["at least 2 distinct labels", "found 1", "gate.min_classes"],
    "nan": ["column 'image'", "finite pixels", "found", "part-0.parquet"],
    "garbled": ["column 'image'", "must be a complete PNG or JPEG", "found", "part-0.parquet"],
    "uneven": ["the target's height and width", "backbone.image_size", "part-0.parquet"],
}
"""Contributor -> what its reasons must say, together."""


def add_bad_images(world: World) -> None:
    """One contributor for each way in which images and their shards go wrong."""
    whole = world.contribute("cut", rows(world.task, 20, start=10_000))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (world.source / "contributor=sheet").mkdir()
    (world.source / "contributor=sheet" / "part-0.parquet").write_text("image,label\nnone,1\n")
    typed = [row | {"label": row["label"] + 0.5} for row in rows(world.task, 20, start=11_000)]
    world.shard("typed", pa.Table.from_pylist(typed, schema=world.schema(label=pa.float64())))
    lacking = pa.Table.from_pylist(rows(world.task, 20, start=12_000), schema=world.schema())
    world.shard("lacking", lacking.drop_columns(["label"]))
    (world.source / "contributor=empty").mkdir()
    world.contribute("alien", [row | {"label": 97} for row in rows(world.task, 20, start=13_000)])
    world.contribute("single", [row | {"label": 1} for row in rows(world.task, 20, start=14_000)])
    pixels = np.random.default_rng(0).random((20, SIDE, SIDE, 3), dtype=np.float32)
    pixels[:, 0, 0, 0] = np.nan
    tensors = {"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels), "label": [i % 4 for i in range(20)]}
    world.shard("nan", pa.table(tensors | {"origin": ["real"] * 20}))
    garbled = [row | {"image": row["image"][:60]} for row in rows(world.task, 20, start=15_000)]
    world.contribute("garbled", garbled)


def uneven(world: World) -> list[dict[str, Any]]:
    """Rows half of which have another size than the target's."""
    small = rows(world.task, 20, start=16_000)
    wide = np.random.default_rng(1).integers(0, 256, (20, SIDE + 4, SIDE, 3), dtype=np.uint8)
    return [row if i % 2 else row | {"image": _png(wide[i])} for i, row in enumerate(small)]


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def forward_of(world: World, name: str) -> ArtifactRef:
    """This contributor's forward pass, of a world that was not run yet."""
    alone = World(world.root / "alone", world.task, world.settings)
    shutil.copytree(world.source / f"contributor={name}", alone.source / f"contributor={name}")
    shutil.copytree(world.root / "target", alone.root / "target")
    return forward_ref(gate_here(alone.config()).jobs[name])


class Spoilt(NamedTuple):
    """A run over good contributors, bad ones, and one that cannot be measured."""

    world: World
    run: StoredRun
    flow_run: Any
    obstacle: Path
    """What keeps that one from being measured."""


@pytest.fixture(scope="module")
def spoilt(cluster: LazyCluster, tmp_path_factory: pytest.TempPathFactory) -> Spoilt:
    """One run over good contributors, bad ones, and one that cannot be measured."""
    world = planted(tmp_path_factory.mktemp("spoilt"), "image-classification")
    add_bad_images(world)
    world.contribute("uneven", uneven(world))
    world.contribute("blocked", rows(world.task, 20, start=16_000))
    obstacle = world.obstruct(forward_of(world, "blocked"))
    with use_cluster(cluster):
        state = valuation(world.config(), return_state=True)
    return Spoilt(world, open_run(state.result().url), state.state_details.flow_run_id, obstacle)


def outcome(run: StoredRun, name: str) -> GateOutcome:
    return next(one for one in run.manifest.outcomes if one.contributor == name)


def test_the_good_ones_are_valued_and_everybody_is_accounted_for(spoilt: Spoilt) -> None:
    run = spoilt.run
    assert run.ranking["contributor"].to_pylist() == ["near", "mixed", "far"]
    verdicts = {one.contributor: one.verdict for one in run.manifest.outcomes}
    assert verdicts == dict.fromkeys(("near", "mixed", "far"), "admitted") | dict.fromkeys(REASONS, "rejected") | {
        "blocked": "failed"
    }
    assert set(run.rejected["contributor"].to_pylist()) == {*REASONS, "blocked"}


@pytest.mark.parametrize("name", REASONS)
def test_the_reason_says_who_where_what_and_what_to_do(spoilt: Spoilt, name: str) -> None:
    run = spoilt.run
    said = "\n".join(row["reason"] for row in run.rejected.to_pylist() if row["contributor"] == name)
    said += "\n".join(finding.message for finding in outcome(run, name).findings)
    assert f"contributor '{name}'" in said
    missing = [words for words in REASONS[name] if words not in said]
    assert not missing, said


def test_a_contributor_that_cannot_be_measured_fails_alone(spoilt: Spoilt) -> None:
    run, flow_run = spoilt.run, spoilt.flow_run
    reason = outcome(run, "blocked").reason or ""
    assert "artifacts/forward" in reason
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run])))
    states = {one.name: one.state_name for one in runs if one.name.endswith(" blocked")}
    assert states["gate blocked"] == "Completed"
    assert states["forward blocked"] == "Failed"
    assert "Running" not in states.values()
    assert {one.state_name for one in runs if one.name.endswith((" near", " mixed", " far", " target"))} == {"Completed"}


def test_a_run_in_which_somebody_failed_does_not_stand(spoilt: Spoilt, value: Value) -> None:
    world, run = spoilt.world, spoilt.run
    again = value(world.config())
    assert not again.up_to_date
    assert again.recomputed_contributors == ["blocked"]
    assert again.recomputed == {"gate": 0, "forward": 1, "gram": 0, "terms": 1}
    assert open_run(again.url).ranking.equals(run.ranking)

    spoilt.obstacle.unlink()
    healed = value(world.config())
    assert (healed.n_ranked, healed.n_failed) == (4, 0)
    assert value(world.config()).up_to_date


NAMES = ("..%2F..%2Fetc", "a b", "ünïcode", "🦦 otter", "con", "n" * 200, "$(touch pwned)", "{job.contributor.name}")
SPELT = {"..%2F..%2Fetc": "../../etc"}
"""Hive escapes names, so that folder names a contributor that could lead out of anywhere."""


def test_names_lead_nowhere_but_into_the_output(tmp_path: Path, value: Value) -> None:
    world = planted(tmp_path / "world", "language-modelling", gate={"data_docs": True})
    for i, name in enumerate(NAMES):
        world.contribute(name, rows(world.task, 9, start=20_000 + 100 * i), folder=f"contributor={name}")
    before = sorted(path for path in tmp_path.rglob("*"))

    summary = value(world.config())

    assert sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(world.output)) == before
    run = open_run(summary.url)
    expected = {"near", "mixed", "far", *(SPELT.get(name, name) for name in NAMES)}
    assert set(run.ranking["contributor"].to_pylist()) == expected
    assert set(run.terms["contributor"].to_pylist()) == expected
    assert not any(path.name == "pwned" for path in Path.cwd().iterdir())


def test_names_in_a_column_lead_nowhere_either(tmp_path: Path, value: Value) -> None:
    world = World(tmp_path / "world", "language-modelling")
    world.hold_out(rows(world.task, 40, start=0))
    names = ("../../x", "/etc/passwd", "plain")
    content = [row | {"who": name} for i, name in enumerate(names) for row in rows(world.task, 12, start=30_000 + 100 * i)]
    (world.source).mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(content), world.source / "all.parquet")
    before = sorted(tmp_path.rglob("*"))

    summary = value(world.config(source={"layout": "column", "contributor_column": "who"}))

    assert set(open_run(summary.url).ranking["contributor"].to_pylist()) == set(names)
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(world.output)) == before


def test_silent_and_overlong_responses_are_counted(tmp_path: Path, value: Value) -> None:
    world = planted(tmp_path, "instruction")
    quiet = rows(world.task, 20, start=40_000)
    world.contribute("quiet", [row | {"response": ""} if i == 3 else row for i, row in enumerate(quiet)])
    world.contribute("mute", [row | {"response": ""} for row in rows(world.task, 20, start=41_000)])
    talk = rows(world.task, 20, start=42_000)
    world.contribute("talk", [row | {"response": row["response"] * 20} if i < 4 else row for i, row in enumerate(talk)])

    run = open_run(value(world.config()).url)

    assert {one.contributor: one.verdict for one in run.manifest.outcomes if one.contributor in ("quiet", "mute", "talk")} == {
        "quiet": "trimmed",
        "mute": "rejected",
        "talk": "admitted",
    }
    assert (outcome(run, "quiet").n_rows, outcome(run, "quiet").n_dropped) == (20, 1)
    assert outcome(run, "talk").n_truncated == 4
    assert "'response'" in (outcome(run, "mute").reason or "") + str(outcome(run, "mute").findings)
    assert next(row["n_rows"] for row in run.ranking.to_pylist() if row["contributor"] == "quiet") == 19
