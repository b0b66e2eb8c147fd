"""The studies on a small world: what they read of it, and that their scores are those of the methods that they take apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence.studies.ablation_eq8 import EQ_8, SWITCHES, Valuations
from benchmarks.evidence.studies.ablation_ntk_regression import Reading, RegressionWorld, readings
from benchmarks.evidence.studies.ntk_kernels import Gradients, exact_kernels, folded, kernels_of, parameter_names, sketches
from benchmarks.evidence.studies.stability import switch_agreements
from benchmarks.evidence.studies.subsets import GRADIENTS, READ, Eq8Subsets, RegressionSubsets, all_rows, first_rows
from benchmarks.evidence.worlds.design import Factor, WorldDesign
from benchmarks.evidence.worlds.inputs import sketched_values
from benchmarks.evidence.worlds.world import make_world
from benchmarks.evidence.worlds.world_files import write_world
from benchmarks.evidence.worlds.world_folder import WorldFolder, read_world, recorded_truth
from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import Task
from mixval.config.valuation import ValuationConfig, merge
from mixval.errors import ContractError
from mixval.evidence.baselines import eq8
from mixval.evidence.baselines.inputs import Budget, Inputs
from mixval.storage.commit import ArtifactStore
from mixval.storage.root import open_location
from tests.evidence.planted_tables import rows

TASK: Task = "image-classification"
RESNET = {
    "random_init": {
        "architecture": "resnet",
        "settings": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
    },
    "stem": "3x3",
}
WIDTH = 512


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldFolder:
    folder = tmp_path_factory.mktemp("worlds") / "small"
    copies = Factor(affected=0.34, low=0.3, high=0.4)
    design = WorldDesign(task=TASK, contributors=3, size=(24, 60), real_share=(0.4, 0.6), duplicates=copies, seed=1)
    made = make_world(design, rows(TASK, "real", 120), rows(TASK, "made", 120), rows(TASK, "held", 200).slice(120))
    write_world(made, open_location(folder), BackboneConfig.model_validate(RESNET))
    return read_world(folder)


def as_inputs(world: WorldFolder) -> Inputs:
    budget = Budget(sketch_features=WIDTH, gram_bytes=2**24)
    return Inputs(TASK, world.contributors, world.target, world.backbone, budget)


def commit_truth(world: WorldFolder, name: str, seed: int, metric: float, recipe: str = "short") -> None:
    digests = {
        part: [world.root.child(*path, "part-000.parquet").content_digest()]
        for part, path in (("test", ("test",)), ("rows", ("contributors", f"contributor={name}")))
    }
    inputs = {"rows": [digests["rows"]], "test": digests["test"], "seed": seed, "recipe": recipe}
    store = ArtifactStore(world.root.child("truth"))
    store.commit(store.ref("truth", 1, **inputs), inputs=inputs, numbers={"metric": metric})


def test_recorded_truth_is_that_of_every_contributor_and_seed(world: WorldFolder) -> None:
    names = [one.name for one in world.contributors]
    assert (world.name, names, world.classes) == ("small", ["c000", "c001", "c002"], [0, 1, 2, 3])
    for at, name in enumerate(names):
        commit_truth(world, name, 0, 0.1 * at)
    commit_truth(world, "c000", 1, 0.5)
    with pytest.raises(ContractError, match="'c001', 'c002'"):
        recorded_truth(world)
    for at, name in enumerate(names[1:]):
        commit_truth(world, name, 1, 0.6 + 0.1 * at)
    assert recorded_truth(world) == {"c000": [0.0, 0.5], "c001": [0.1, 0.6], "c002": [0.2, 0.7]}
    commit_truth(world, "c002", 1, 0.9, "long")
    with pytest.raises(ContractError, match="found two"):
        recorded_truth(world)


def test_the_base_is_the_method_itself(world: WorldFolder) -> None:
    side, base = RegressionWorld(world), kernels_of(sketches(world, Gradients(), WIDTH))
    inputs = as_inputs(world)
    expected, names = sketched_values(inputs), [one.name for one in inputs.contributors]
    for values, reading in (
        (expected.of(names), Reading()),
        (expected.regression(names, "accuracy"), Reading(metric="accuracy")),
    ):
        np.testing.assert_allclose(list(side.scores(base, reading).values()), values, rtol=1e-9)


def test_a_repeat_counts_once_where_asked(world: WorldFolder) -> None:
    side, base = RegressionWorld(world), kernels_of(sketches(world, Gradients(), WIDTH))
    found, distinct = side.scores(base, Reading()), side.scores(base, Reading(distinct=True))
    has_repeats = {one.name: len(set(one.table["id"].to_pylist())) < one.n_rows for one in world.contributors}
    assert sum(has_repeats.values()) == 1
    for name, has in has_repeats.items():
        assert (found[name] != distinct[name]) == has


def test_folded_and_exact_kernels_are_near_the_sketch(world: WorldFolder) -> None:
    wide = sketches(world, Gradients(), 4 * WIDTH)
    narrow = folded(wide, WIDTH)
    assert [one.shape for one in narrow] == [(len(one), WIDTH) for one in wide]
    exact = exact_kernels(world)
    for own, tolerance in ((kernels_of(wide), 0.1), (kernels_of(narrow), 0.2)):
        for found, true in zip(own, exact, strict=True):
            scale = np.sqrt(np.outer(true.own.diagonal(), true.own.diagonal()))
            assert np.sqrt((((found.own - true.own) / scale) ** 2).mean()) < tolerance
            assert found.target.shape == true.target.shape == (world.target.num_rows, len(true.own))
    doubled = exact[0] + exact[0]
    np.testing.assert_array_equal(doubled.target, 2 * exact[0].target)
    assert parameter_names(world.backbone, "head") == [parameter_names(world.backbone, ("linear",))[-1]]


def test_every_reading_differs_from_the_base_in_one_switch() -> None:
    for is_causal in (False, True):
        for _, name, settings, reading in readings(is_causal):
            changed = [key for key, held in vars(reading).items() if held != getattr(Reading(), key)]
            assert len(changed) == 1, name
            assert settings
    assert len({name for _, name, _, _ in readings(False)}) == len(readings(False))


def test_subsets_score_as_a_world_of_those_rows(world: WorldFolder) -> None:
    side = RegressionSubsets(world)
    cut = first_rows(world, 40, seed=2)
    assert [one.n_rows for one in cut.contributors] == [min(40, one.n_rows) for one in world.contributors]
    nested, is_cut = side.nested(40, seed=2), all_rows(world) > 40
    np.testing.assert_allclose(nested[GRADIENTS], RegressionSubsets(cut).whole, rtol=1e-6)
    np.testing.assert_array_equal(nested[READ] != nested[GRADIENTS], is_cut)
    assert 0 < is_cut.sum() < len(is_cut)
    for form in (READ, GRADIENTS):
        np.testing.assert_array_equal(side.nested(100, seed=2)[form], side.whole)


def test_eq8_from_all_rows_is_the_method_itself(world: WorldFolder) -> None:
    side = Eq8Subsets(world)
    expected = eq8.weighted(as_inputs(world), 0, "equal-z")
    np.testing.assert_allclose(side.scores(None, seed=1), expected, atol=1e-6)
    np.testing.assert_allclose(side.scores(100, seed=1, counts_all=False), expected, atol=1e-6)
    assert not np.allclose(side.scores(12, seed=1), side.scores(12, seed=1, counts_all=False))


def test_other_settings_are_held_against_the_same_rows(world: WorldFolder) -> None:
    found = switch_agreements(world, n_seeds=1)
    assert {one.switch for one in found} == {"lambda", "q", "sketch", "mix of logits", "initialisation"}
    assert all(-1 <= one.kendall <= 1 for one in found)


def test_a_switch_moves_its_own_term_alone(world: WorldFolder, tmp_path: Path) -> None:
    valuations = Valuations(world, tmp_path, {})
    _, base = valuations.reduced({})
    _, damped = valuations.reduced({"ntk": {"damping": 1.0}})
    assert base.estimates.contributors == tuple(one.name for one in world.contributors)
    moved = ~np.isclose(base.estimates.terms, damped.estimates.terms).all(0)
    np.testing.assert_array_equal(moved, [False, False, True, False])
    terms = eq8.term_estimates(as_inputs(world), 0).terms
    whole = [at for at, one in enumerate(world.contributors) if len(set(one.table["id"].to_pylist())) == one.n_rows]
    np.testing.assert_allclose(base.estimates.terms[whole], terms[whole], rtol=1e-4)  # the gate drops repeats


def test_every_switch_is_a_configuration(world: WorldFolder) -> None:
    given = world.config.model_dump(mode="json", exclude_unset=True)
    mine = [switch for switch in SWITCHES if TASK in switch.tasks]
    configs = [ValuationConfig.model_validate(merge(merge(given, EQ_8), switch.settings)) for switch in mine]
    base = ValuationConfig.model_validate(merge(given, EQ_8))
    assert all(config != base for config in configs)
    assert len({switch.name for switch in SWITCHES}) == len(SWITCHES)
