"""Who notices an attack: the real gate, near rows, coalitions, on a tiny world cut from the bundled images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.evidence.attacks.catalogue import ATTACKS, AttackerView
from benchmarks.evidence.attacks.gate import Gate
from benchmarks.evidence.attacks.inputs import RowPool
from benchmarks.evidence.attacks.measure import Arena, middling, truth_change
from benchmarks.evidence.attacks.near_rows import near_rows
from benchmarks.evidence.attacks.results import WorldAttacks, read_attacks, summaries, write_attacks
from benchmarks.evidence.attacks.section import attack_sections
from benchmarks.evidence.attacks.table import attacks_text
from benchmarks.evidence.worlds.inputs import sketched_values
from mixval.config.backbone import BackboneConfig, RandomInitConfig
from mixval.config.gate import GateConfig
from mixval.config.tasks import LABEL_DAMPING
from mixval.errors import ContractError
from mixval.evidence.baselines.inputs import Budget, Contributor, Inputs
from mixval.evidence.baselines.registry import METHODS
from mixval.models.load import load_backbone
from mixval.storage.root import open_location
from mixval.storage.tables import decode_table
from mixval.terms.ntk.objective import lengths
from mixval.terms.ntk.target_metrics import one_hot, target_metrics_exact

DATA = Path(__file__).parents[2] / "examples" / "images" / "data"
BACKBONE = BackboneConfig(
    random_init=RandomInitConfig(
        architecture="resnet", settings={"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    ),
    stem="3x3",
)
TRIED = ("copy-target", "copy-target-altered", "pad-duplicates", "pad-altered", "copy-other")
METHODS_TRIED = ("ntk-regression", "eq8-equal-z", "mmd", "knn-shapley")


def rows(folder: Path, n: int) -> pa.Table:
    files = open_location(folder).files(".parquet")
    return pa.concat_tables([decode_table(file, file.read_bytes()) for file in files]).slice(0, n).combine_chunks()


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    target = rows(DATA / "target", 40)
    backbone = load_backbone(BACKBONE, "image-classification", sorted(set(target["label"].to_pylist())))
    held = [Contributor(name, rows(DATA / "contributors" / f"contributor={name}", 30)) for name in ("atlas", "birch", "cedar")]
    return Inputs("image-classification", held, target, backbone, Budget(sketch_features=256, batch_rows=40))


@pytest.fixture(scope="module")
def altered(inputs: Inputs) -> dict[str, pa.Table]:
    own, donor = (one.table for one in inputs.contributors[:2])
    sight = AttackerView(inputs.task, inputs.target, donor, inputs.backbone)
    return {name: ATTACKS[name].apply(own, sight) for name in TRIED}


@pytest.fixture(scope="module")
def arena(inputs: Inputs, altered: dict[str, pa.Table]) -> Arena:
    gate = Gate(inputs.task, inputs.target, GateConfig(max_target_overlap_share=0.05), BACKBONE)
    return Arena.of(inputs, list(altered.values()), gate, METHODS_TRIED, orders=4)


@pytest.fixture(scope="module")
def result(arena: Arena, altered: dict[str, pa.Table]) -> WorldAttacks:
    truth = {"atlas": 0.3, "birch": 0.4, "cedar": 0.2}
    change = truth_change(truth, "atlas", 0.3)
    return WorldAttacks(
        world="planted <world>",
        task="image-classification",
        n_contributors=3,
        n_seeds=1,
        ours="ntk-regression",
        methods=list(METHODS_TRIED),
        strengths={name: ATTACKS[name].strength for name in TRIED},
        honest_near={"target": 0.0, "earlier": 0.0, "others": 0.0},
        attacks=[arena.outcome(name, "atlas", table, change, (0.3, 0.3)) for name, table in altered.items()],
        command="measure",
    )


def test_a_pool_gives_what_the_rows_themselves_give(inputs: Inputs, arena: Arena) -> None:
    ours = sketched_values(inputs).of([one.name for one in inputs.contributors])
    for name in ("ntk-regression", "loss", "mmd", "knn-shapley"):
        expected = ours if name == "ntk-regression" else METHODS[name].rank(inputs).values
        assert np.allclose(METHODS[name].rank(arena.world).values, expected, rtol=1e-4, atol=1e-6), name  # float32 passes
    exact, sketched = inputs.grams()[0], arena.world.grams()[0]
    assert np.allclose(sketched.outputs, exact.outputs, rtol=1e-4)
    assert np.linalg.norm(sketched.theta - exact.theta) < 0.2 * np.linalg.norm(exact.theta)  # 256 features of a sketch


def test_a_pool_lacks_rows_that_nobody_gave_it(inputs: Inputs) -> None:
    with pytest.raises(ContractError, match="'stranger': expected rows of the pool, found 40"):
        RowPool.of(inputs).world({"stranger": inputs.target})


def test_the_gate_catches_a_verbatim_copy_of_the_target_and_lets_an_altered_one_in(result: WorldAttacks) -> None:
    verbatim, disguised = result.of("copy-target")[0], result.of("copy-target-altered")[0]
    assert verbatim.verdict == "rejected"
    assert verbatim.checks["target_overlap_share"] == "reject"
    assert verbatim.after_gate == {}
    assert (disguised.verdict, disguised.checks) == ("admitted", {})
    for one in (verbatim, disguised):
        assert one.scores["ntk-regression"].after > one.scores["ntk-regression"].before + 0.1


def test_features_tell_altered_copies_and_leave_the_score_as_it_was(result: WorldAttacks) -> None:
    for name, kind, share in (("copy-target-altered", "target", 1 / 3), ("pad-altered", "earlier", 1 / 2)):
        one = result.of(name)[0]
        assert one.near[kind] == pytest.approx(share)
        assert one.near_before[kind] == 0
        left = one.after_near["ntk-regression"]
        assert left.after == pytest.approx(left.before, rel=1e-3)  # rows in another order, an altered twin for a few
    assert result.of("copy-other")[0].near["others"] == pytest.approx(1 / 3)


def test_repeats_are_rejected_and_change_the_value_exactly_as_half_the_damping(result: WorldAttacks, arena: Arena) -> None:
    assert result.of("pad-duplicates")[0].checks["duplicate_share"] == "reject"
    assert result.of("pad-altered")[0].verdict == "admitted"
    verbatim, disguised = (result.of(name)[0].scores["ntk-regression"].after for name in ("pad-duplicates", "pad-altered"))
    assert verbatim == pytest.approx(disguised, rel=0.02)
    sketches, labels = arena.world.gradients("mix"), arena.world.labels()
    rows, of_target = sketches.contributors[0].astype(np.float64), sketches.target.astype(np.float64)
    responses = one_hot(labels.contributors[0], arena.world.n_classes)
    norms = lengths(of_target)
    halved = target_metrics_exact(
        rows @ rows.T, of_target @ rows.T, responses, labels.target, LABEL_DAMPING / 2, "centred", norms=norms
    )
    assert verbatim == pytest.approx(-halved.cross_entropy, rel=1e-9)


def test_coalitions_are_valued_before_and_after(result: WorldAttacks, arena: Arena) -> None:
    one = result.of("copy-other")[0]
    assert set(one.coalitions) == {"shapley/eq8", "leave-one-out/eq8", "shapley/ntk-regression", "leave-one-out/ntk-regression"}
    coalitions = [
        pa.concat_tables([arena.tables[name] for name in names], promote_options="default")
        for names in (("atlas", "birch", "cedar"), ("birch", "cedar"))
    ]
    # The same sketches as one contributor's: at 256 features nothing is folded.
    values = [METHODS["ntk-regression"].rank(arena.pool.world({"all": coalition})).values[0] for coalition in coalitions]
    assert one.coalitions["leave-one-out/ntk-regression"].before == pytest.approx(values[0] - values[1], abs=1e-6)


def test_near_rows_are_those_of_close_prints() -> None:
    random = np.random.default_rng(0)
    target, others, own = (random.normal(size=(n, 128)) for n in (30, 20, 6))
    own[0], own[1] = target[3] + 0.1 * random.normal(size=128), target[4] + random.normal(size=128)
    own[2], own[4] = others[5] + 0.1 * random.normal(size=128), own[3] + 0.1 * random.normal(size=128)
    found = near_rows(own, target, others)
    assert found.target.tolist() == [True, False, False, False, False, False]
    assert found.others.tolist() == [False, False, True, False, False, False]
    assert found.earlier.tolist() == [False, False, False, False, True, False]
    assert found.kept.tolist() == [False, True, True, True, False, True]


def test_ranks_and_attackers() -> None:
    truth = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.5}
    found = truth_change(truth, "b", 0.45)
    assert (found.rank_before, found.rank_after, found.gain) == (4, 2, 2)
    assert middling(truth, ["a", "b", "d", "e"], 2) == ["b", "d"]


def test_results_are_stored_summed_up_and_shown(result: WorldAttacks, tmp_path: Path) -> None:
    write_attacks(result, open_location(tmp_path))
    assert read_attacks(open_location(tmp_path)) == result
    (tmp_path / "attacks.json").write_text("{}")
    with pytest.raises(ContractError, match="expected results of attacks"):
        read_attacks(open_location(tmp_path))
    found = {one.attack: one for one in summaries(result)}
    copied = found["copy-target"]
    assert copied.works == (copied.gains["ntk-regression"] >= 1)
    assert copied.caught_by[0] == "gate: target_overlap_share (reject)"
    assert copied.after_gate is None
    assert copied.beside_change == 0
    assert found["copy-target-altered"].caught_by == ["warning: near-target (0.33 of the rows)"]
    text = attacks_text(result)
    assert all(name in text for name in TRIED)
    assert "rejected" in text
    [section] = attack_sections([result])
    page = section.heading + section.body
    assert page.count("<tr") == 1 + len(TRIED)
    assert "planted &lt;world&gt;" in page
    assert "<script" not in page
    assert attack_sections([]) == []
