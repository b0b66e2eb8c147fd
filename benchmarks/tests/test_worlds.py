"""Worlds: the same to the bit, every planted fact found again in the rows, and tables that the row contract takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pydantic import ValidationError

from benchmarks.evidence.worlds.design import Factor, WorldDesign, draw_plantings
from benchmarks.evidence.worlds.world import World, make_world
from benchmarks.evidence.worlds.world_files import write_world
from mixval.config.backbone import BackboneConfig
from mixval.config.load import load_config
from mixval.config.tasks import Task, spec_of
from mixval.contracts.rows import accepts
from mixval.errors import ConfigError, ContractError
from mixval.storage.listing import list_contributors, list_target
from mixval.storage.root import open_location
from tests.evidence.planted_tables import N_CLASSES, rows

TASKS: tuple[Task, ...] = get_args(Task)
FAULTS: dict[str, Any] = {
    "noise": Factor(affected=0.5, low=0.1, high=0.5),
    "duplicates": Factor(affected=0.5, low=0.2, high=0.5),
    "overlap": Factor(affected=0.3, low=0.2, high=0.5),
    "shift": Factor(affected=0.4, low=0.4, high=1.0),
}


def tables(task: Task) -> tuple[pa.Table, pa.Table, pa.Table]:
    return rows(task, "real", 900), rows(task, "made", 900), rows(task, "held", 81)


def world(task: Task, **changes: Any) -> World:
    design = {"contributors": 12, "size": (20, 120), "synthetic_groups": (2, 3), "sources": (1, 2), "seed": 3}
    return make_world(WorldDesign(task=task, **{**design, **changes}), *tables(task))


def originals(task: Task) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for table in tables(task) for one in table.to_pylist()}


@pytest.mark.parametrize("task", TASKS)
def test_the_same_design_gives_the_same_bits(task: Task) -> None:
    once, again, other = world(task, **FAULTS), world(task, **FAULTS), world(task, **FAULTS, seed=4)
    for first, second in zip(once.contributors, again.contributors, strict=True):
        assert first.table.equals(second.table)
        assert first.ledger.equals(second.ledger)
        assert first.facts == second.facts
    assert once.test.equals(again.test)
    assert not once.contributors[0].table.equals(other.contributors[0].table)


@pytest.mark.parametrize("task", TASKS)
def test_rows_keep_to_the_contract_and_counts_to_the_plan(task: Task) -> None:
    made = world(task, **FAULTS)
    for contributor in made.contributors:
        planting, facts = contributor.facts["planting"], contributor.facts
        for column in spec_of(task).columns:
            assert accepts(column, contributor.table.schema.field(column.name).type)
            assert contributor.table[column.name].null_count == 0
        origins = contributor.table["origin"].to_pylist()
        assert contributor.ledger["id"].equals(contributor.table["id"])
        assert contributor.ledger["origin"].to_pylist() == origins
        assert len(origins) == planting["n_rows"] == facts["n_rows"]
        assert origins.count("real") == round(planting["n_rows"] * planting["real_share"]) == facts["n_real"]


@pytest.mark.parametrize("task", TASKS)
def test_noise_is_on_the_flagged_rows_and_nowhere_else(task: Task) -> None:
    made, before = world(task, noise=Factor(affected=1.0, low=0.2, high=0.5)), originals(task)
    for contributor in made.contributors:
        planting = contributor.facts["planting"]
        flags = contributor.ledger["is_noisy"].to_pylist()
        for origin in ("real", "synthetic"):
            here = [flag for flag, one in zip(flags, contributor.ledger["origin"].to_pylist(), strict=True) if one == origin]
            assert sum(here) == round(planting["noise"] * len(here))
        for one, is_noisy in zip(contributor.table.drop_columns("origin").to_pylist(), flags, strict=True):
            if not is_noisy:
                assert one == before[one["id"]]
                continue
            changed = {name for name in one if one[name] != before[one["id"]][name]}
            if "label" in one:
                assert changed == {"label"}
                assert one["label"] in range(N_CLASSES)
            elif task == "instruction":  # one row alone has nobody to swap with
                assert changed <= {"response"}
            else:
                assert changed <= {"text"}
                assert sorted(one["text"].split()) == sorted(before[one["id"]]["text"].split())


def test_answers_are_swapped_in_one_circle_or_cut_in_half() -> None:
    made, before = world("instruction", noise=Factor(affected=1.0, low=0.5, high=0.5)), originals("instruction")
    kinds = set()
    for contributor in made.contributors:
        kind = contributor.facts["planting"]["answer_noise"]
        kinds.add(kind)
        for origin in ("real", "synthetic"):
            noisy = [
                one
                for one, is_noisy in zip(contributor.table.to_pylist(), contributor.ledger["is_noisy"].to_pylist(), strict=True)
                if is_noisy and one["origin"] == origin
            ]
            true = [before[one["id"]]["response"] for one in noisy]
            found = [one["response"] for one in noisy]
            if kind == "swapped":
                assert sorted(found) == sorted(true)
                assert len(noisy) < 2 or all(a != b for a, b in zip(found, true, strict=True))
            else:
                assert all(b.startswith(a) and len(a.split()) == len(b.split()) // 2 for a, b in zip(found, true, strict=True))
    assert kinds == {"swapped", "cut"}


def test_truncation_keeps_the_first_groups_and_few_sources() -> None:
    for task in TASKS:
        made = world(task, real_groups=(1, 2))
        for contributor in made.contributors:
            planting = contributor.facts["planting"]
            for one in contributor.table.to_pylist():
                group = one["label"] if "label" in one else int(one["group"][1:])
                is_real = one["origin"] == "real"
                assert group < planting["n_real_groups" if is_real else "n_synthetic_groups"]
            made_by = {one["source"] for one in contributor.table.to_pylist() if one["origin"] == "synthetic"}
            assert len(made_by) <= planting["n_sources"]
            assert sum(contributor.facts["sources"].values()) == contributor.facts["n_rows"]


def test_copies_and_shared_rows_are_as_many_as_planted_and_stand_elsewhere() -> None:
    made = world("text-classification", **FAULTS)
    by_name = {contributor.name: contributor for contributor in made.contributors}
    n_copiers = 0
    for contributor in made.contributors:
        facts, planting = contributor.facts, contributor.facts["planting"]
        lines = list(
            zip(
                contributor.table.drop_columns("origin").to_pylist(),
                contributor.ledger["is_copy"].to_pylist(),
                contributor.ledger["is_shared"].to_pylist(),
                strict=True,
            )
        )
        unique = [one for one, is_copy, _ in lines if not is_copy]
        assert len({one["id"] for one in unique}) == len(unique)
        assert all(one in unique for one, is_copy, _ in lines if is_copy)
        assert facts["n_copy"] == pytest.approx(planting["duplicates"] * facts["n_rows"], abs=2)
        shared = [one for one, is_copy, is_shared in lines if is_shared and not is_copy]
        if planting["overlap"] == 0:
            assert not shared
            continue
        n_copiers += 1
        donor = by_name[facts["donor"]]
        assert donor.facts["planting"]["overlap"] == 0
        lent = donor.table.drop_columns("origin").to_pylist()
        assert all(one in lent for one in shared)
        ceiling = planting["overlap"] * facts["n_rows"]
        assert 0 < len(shared) <= ceiling + 1
        if min(donor.facts["n_real"], donor.facts["n_rows"] - donor.facts["n_real"]) > ceiling * 2:
            assert len(shared) == pytest.approx(ceiling, abs=1)
    assert n_copiers == 4


def test_contributors_and_held_out_halves_are_disjoint_unless_overlap_is_planted() -> None:
    made = world("text-classification")
    names = [name for contributor in made.contributors for name in contributor.table["id"].to_pylist()]
    assert len(set(names)) == len(names)
    target, test = set(made.target["id"].to_pylist()), set(made.test["id"].to_pylist())
    assert not target & test
    assert len(target | test) == 81
    for label in range(N_CLASSES):
        halves = [sum(one == label for one in half["label"].to_pylist()) for half in (made.target, made.test)]
        assert abs(halves[0] - halves[1]) <= 1


def test_shifted_images_differ_and_worsen_with_strength() -> None:
    before = originals("image-classification")
    made = world("image-classification", shift=Factor(affected=1.0, low=0.9, high=1.0))
    for contributor in made.contributors:
        kind = contributor.facts["planting"]["shift_kind"]
        one = contributor.table.to_pylist()[0]
        new, old = (np.asarray(Image.open(io.BytesIO(image))) for image in (one["image"], before[one["id"]]["image"]))
        assert new.shape == old.shape
        if kind == "quantise":
            assert len(np.unique(new)) <= 8
        else:
            assert new.std() < 0.75 * old.std()


def test_factors_are_spread_over_their_ranges_and_do_not_move_each_other() -> None:
    design = WorldDesign(task="instruction", contributors=40, size=(100, 1000), noise=FAULTS["noise"])
    plantings = draw_plantings(design)
    sizes = np.array([one.n_rows for one in plantings])
    assert sizes.min() < 110
    assert sizes.max() > 900
    assert np.median(np.log(sizes)) == pytest.approx(np.log(100 * 1000) / 2, abs=0.05)  # log-uniform
    assert sum(one.noise > 0 for one in plantings) == 20
    noiseless = draw_plantings(design.model_copy(update={"noise": Factor()}))
    assert [one.n_rows for one in noiseless] == sizes.tolist()
    pure = draw_plantings(design.model_copy(update={"one_part": 0.5}))
    assert sum(one.real_share in (0.0, 1.0) for one in pure) == 20


def test_a_written_world_is_what_the_configuration_reads(tmp_path: Path) -> None:
    made = world("text-classification", **FAULTS)
    backbone = BackboneConfig.model_validate({"random_init": {"architecture": "bert"}, "tokenizer": "byte"})
    file = write_world(made, open_location(tmp_path), backbone, {"ntk": {"sample": {"count": 16}}})
    config = load_config(str(file.local_path()))
    assert config.ntk.sample.count == 16
    assert config.backbone == backbone
    listed = list_contributors(config.source)
    assert {name: sum(shard.n_rows for shard in shards) for name, shards in listed.items()} == {
        contributor.name: contributor.facts["n_rows"] for contributor in made.contributors
    }
    assert sum(shard.n_rows for shard in list_target(config.source)) == made.target.num_rows


def test_what_cannot_be_drawn_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match=r"pool must have .* rows left.*found"):
        world("text-classification", size=(800, 900))
    assert world("text-classification", size=(100, 300), pools="independent").contributors
    real, made, held = tables("text-classification")
    with pytest.raises(ContractError, match="'label' must be integer"):
        make_world(WorldDesign(task="text-classification", contributors=8), real.drop_columns("label"), made, held)
    with pytest.raises(ContractError, match="share one schema"):
        make_world(WorldDesign(task="text-classification", contributors=8), real, made.select(made.column_names[::-1]), held)
    with pytest.raises(ValidationError, match="every copy needs an original"):
        WorldDesign(task="instruction", contributors=8, overlap=Factor(affected=0.9, low=0.1, high=0.2))


@pytest.mark.parametrize("task", TASKS)
def test_near_copies_are_a_donors_rows_slightly_altered(task: Task) -> None:
    made = world(task, near_copies=Factor(affected=0.4, low=0.3, high=0.5))
    by_name = {one.name: one for one in made.contributors}
    inputs = spec_of(task).inputs[0]
    n_near = 0
    for contributor in made.contributors:
        flags = contributor.ledger["is_near_copy"].to_pylist()
        assert sum(flags) == contributor.facts["n_near_copy"]
        if not any(flags):
            continue
        donor = by_name[contributor.facts["donor"]]
        assert donor.facts["planting"]["near_copies"] == 0
        lent = {one["id"]: one for one in donor.table.to_pylist()}
        for one, is_near in zip(contributor.table.to_pylist(), flags, strict=True):
            if is_near:
                n_near += 1
                assert {name for name in one if one[name] != lent[one["id"]][name]} == {inputs}
    assert n_near > 20


def test_families_share_a_generator_and_its_faults_but_not_their_sizes() -> None:
    made = world("language-modelling", families=3, sources=(1, 1), noise=Factor(affected=1.0, low=0.1, high=0.5))
    families: dict[str, list[dict[str, Any]]] = {}
    for one in made.contributors:
        families.setdefault(one.facts["planting"]["family"], []).append(one.facts)
    assert sorted(map(len, families.values())) == [4, 4, 4]
    for members in families.values():
        assert len({one["planting"]["noise"] for one in members}) == 1
        assert len({one["planting"]["real_share"] for one in members}) == 1
        assert len({one["n_rows"] for one in members}) > 1
        generators = [{name for name in one["sources"] if name.startswith("made")} for one in members]
        assert len(set.union(*generators)) == 1
    assert len({members[0]["planting"]["noise"] for members in families.values()}) == 3


def test_few_contributors_are_large_and_the_others_small() -> None:
    design = WorldDesign(task="image-classification", contributors=12, size=(10, 1000), n_large=3, seed=5)
    sizes = sorted(one.n_rows for one in draw_plantings(design))
    assert sizes[8] <= 47  # 10 (1000 / 10)^(1/3)
    assert sizes[9] >= 398  # 10 (1000 / 10)^0.8
    with pytest.raises(ValidationError, match="must leave small ones"):
        WorldDesign(task="image-classification", contributors=3, n_large=3)
