"""The discrepancy term as configured, from Parquet to `terms.parquet`: every method, labels, answers, p-values, refusals.

Dense references and worlds are those of `test_stages_exactness.py`. What a clamped value would hide is compared before it is
clamped, as `squared` in the table's diagnostics.
"""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.dense import content_keys, drawn, squared_distances
from benchmarks.dense_mmd import bandwidths, compared, features, median_distance
from benchmarks.worlds import CLASSES, N_REAL, N_SYNTHETIC, N_TARGET, SIDE, WORLDS, jobs, lay_out, make_config, run_stages
from mixval.config.terms import DiscrepancyConfig
from mixval.config.valuation import ValuationConfig
from mixval.stages.forward import forward_pass, forward_ref
from mixval.stages.gradients import gram_ref
from mixval.terms.discrepancy.permutation import permutation_test

METHODS: dict[str, dict[str, Any]] = {
    "exact": {},
    "random-features": {"method": "random-features", "frequencies": 40},
}
WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "pooled": {"parts": "pooled"},
    "summed kernels of given widths": {"combine": "sum", "bandwidths": [0.7, 2.0]},
    "few rows of T": {"target_sample": {"count": 4}},
}
CONDITIONS: dict[str, dict[str, Any]] = {
    "labels": {"labels": 1.0},
    "labels far apart": {"labels": 3.0, "bandwidths": [0.7, 2.0]},
    "labels of two rows of T": {"labels": 0.5, "target_sample": {"count": 2}},
}


def table(config: ValuationConfig) -> dict[str, dict[str, Any]]:
    """The discrepancy's rows of the terms table by part, with their diagnostics beside."""
    job, target = jobs(config)
    listed = job.store.read_table(run_stages(job, target), "terms").to_pylist()
    return {row["part"]: row | json.loads(row["diagnostics"]) for row in listed if row["term"] == "discrepancy"}


def dense(config: ValuationConfig, reference: tuple[Any, Any]) -> dict[str, float]:
    """Squared MMD by part, `all` where they are pooled."""
    rows, target = reference
    of_target = drawn(target, config.discrepancy.target_sample, config.seed)
    widths = bandwidths(target, of_target, config.discrepancy)
    seen = drawn(rows, config.sample, config.seed)
    return {part or "all": value for part, value in squared_distances(rows, seen, target, of_target, widths, config).items()}


def assert_dense(config: ValuationConfig, reference: tuple[Any, Any]) -> None:
    found, truth = table(config), dense(config, reference)
    for part, squared in truth.items():
        assert found[part]["squared"] == pytest.approx(squared, rel=1e-9, abs=1e-13), part
        assert found[part]["estimate"] == pytest.approx(np.sqrt(max(squared, 0)), rel=1e-9, abs=1e-13)
        assert found[part]["method"] == config.discrepancy.method


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["images", "gpt2"])
def test_every_method_gives_the_dense_mmd(name: str, method: str, way: str, world_folder: Any, reference: Any) -> None:
    switches = {"discrepancy": METHODS[method] | WAYS[way], "seed": 2}
    assert_dense(make_config(world_folder(name), WORLDS[name], switches), reference(name))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", CONDITIONS)
@pytest.mark.parametrize("name", ["images", "texts"])
def test_labels_join_the_features(name: str, method: str, way: str, world_folder: Any, reference: Any) -> None:
    """Also where T's sampled rows have not all classes."""
    config = make_config(world_folder(name), WORLDS[name], {"discrepancy": METHODS[method] | CONDITIONS[way]})
    assert_dense(config, reference(name))
    target, of_target = reference(name)[1], drawn(reference(name)[1], config.discrepancy.target_sample, 0)
    median = median_distance(features(target, of_target, config.discrepancy))
    assert table(config)["all"]["label_distance"] == pytest.approx(config.discrepancy.labels * median, rel=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_answers_join_the_features(method: str, world_folder: Any, reference: Any) -> None:
    switches = {"discrepancy": METHODS[method] | {"features": "backbone-and-answer"}}
    assert_dense(make_config(world_folder("gpt2"), WORLDS["gpt2"], switches), reference("gpt2"))


@pytest.mark.parametrize("batch_rows", [1, 4, 64])
def test_answers_are_told_from_prompts_in_any_batch(batch_rows: int, world_folder: Any, reference: Any) -> None:
    switches = {"discrepancy": {"features": "backbone-and-answer"}, "runtime": {"batch_rows": batch_rows}, "seed": batch_rows}
    job, _ = jobs(make_config(world_folder("gpt2"), WORLDS["gpt2"], switches))
    rows, _ = reference("gpt2")
    order = np.argsort(np.array(content_keys(rows, batch_rows), dtype=np.uint64))
    found = job.store.read_tensors(forward_pass(job))["features"]
    truth = np.concatenate([rows.features, rows.answer_features], axis=1)[order]
    np.testing.assert_allclose(found, truth, rtol=1e-9, atol=1e-12)
    assert not np.allclose(rows.features, rows.answer_features, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "turned"),
    [
        ("texts", {"method": "random-features"}),
        ("texts", {"method": "random-features", "frequencies": 60}),
        ("texts", {"labels": 1.0}),
        ("texts", {"labels": 0.4}),
        ("gpt2", {"features": "backbone-and-answer"}),
        ("gpt2", {"method": "random-features", "features": "backbone-and-answer"}),
    ],
    ids=str,
)
def test_a_switch_turned_alone_is_noticed(name: str, turned: dict[str, Any], world_folder: Any, reference: Any) -> None:
    """In a store that holds the other's artifacts, before and after."""
    base, changed = (make_config(world_folder(name), WORLDS[name], {"discrepancy": given}) for given in ({}, turned))
    before, after = dense(base, reference(name)), dense(changed, reference(name))
    assert after["real"] != pytest.approx(before["real"], rel=1e-5)
    for config in (base, changed, base):
        assert_dense(config, reference(name))


def test_another_method_or_label_distance_recomputes_no_pass(world_folder: Any) -> None:
    plain, *others = (
        jobs(make_config(world_folder("images"), WORLDS["images"], {"discrepancy": given}))
        for given in ({}, {"method": "random-features"}, {"labels": 1.0}, {"permutations": 9})
    )
    for other in others:
        for one, same in zip(plain, other, strict=True):
            assert forward_ref(one) == forward_ref(same)
            assert gram_ref(one) == gram_ref(same)


@pytest.mark.parametrize("name", ["images", "texts", "gpt2"])
def test_a_pass_keeps_labels_where_rows_have_them(name: str, world_folder: Any, reference: Any) -> None:
    job, _ = jobs(make_config(world_folder(name), WORLDS[name], {}))
    stored, (rows, _) = job.store.read_tensors(forward_pass(job)), reference(name)
    if name == "gpt2":
        assert "labels" not in stored
        return
    by_key = dict(zip(content_keys(rows, 0), (row["label"] for row in rows.rows), strict=True))
    assert stored["labels"].dtype == np.int64
    assert stored["labels"].tolist() == [by_key[int(key)] for key in stored["keys"]]
    assert set(stored["labels"]) == set(CLASSES)


@pytest.mark.parametrize("method", METHODS)
def test_the_table_says_how_each_part_was_measured(method: str, world_folder: Any) -> None:
    switches = {"discrepancy": METHODS[method] | {"permutations": 19}, "value": {"replicates": 8}}
    found = table(make_config(world_folder("images"), WORLDS["images"], switches))
    assert list(found) == ["all", "real", "synthetic"]
    assert "p_value" not in found["all"]
    for part, n in (("real", N_REAL), ("synthetic", N_SYNTHETIC)):
        row = found[part]
        assert (row["method"], row["n"], row["n_permutations"]) == (method, n, 19)
        assert row["tested_rows"] == [N_TARGET, n]
        assert row["squared_se"] > 0
        assert row["standard_error"] > 0
        assert 1 / 20 <= row["p_value"] <= 1
        assert ("approximation_error" in row) == (method == "random-features")
    pooled = table(
        make_config(world_folder("images"), WORLDS["images"], {"discrepancy": METHODS[method] | {"parts": "pooled"}})
    )
    assert list(pooled) == ["all"]
    assert pooled["all"]["method"] == method
    assert pooled["all"]["squared_se"] > 0
    assert "p_value" not in pooled["all"]


@pytest.mark.parametrize("labels", [None, 1.0])
@pytest.mark.parametrize("parts", ["split", "pooled"])
def test_p_values_are_those_of_the_compared_rows(labels: float | None, parts: str, world_folder: Any, reference: Any) -> None:
    chosen = {"permutations": 49, "labels": labels, "parts": parts}
    config = make_config(world_folder("texts"), WORLDS["texts"], {"discrepancy": chosen, "seed": 4})
    rows, target = reference("texts")
    switches, of_target, seen = config.discrepancy, *(drawn(one, config.sample, 4) for one in (target, rows))
    median = median_distance(features(target, of_target, switches))
    t = compared(target, of_target, switches, median)
    halves = {"real": [i for i in seen if rows.is_real[i]], "synthetic": [i for i in seen if not rows.is_real[i]]}
    for part, places in halves.items() if parts == "split" else [("all", seen)]:
        s = compared(rows, places, switches, median)
        truth = permutation_test(t, s, bandwidths(target, of_target, switches), n_permutations=49, seed=4)
        assert table(config)[part]["p_value"] == truth.p_value


@pytest.mark.parametrize("method", METHODS)
def test_p_tells_shifted_rows_from_rows_like_the_target(method: str, tmp_path: Any) -> None:
    """The real part is drawn as T is, the synthetic one is brighter."""

    def images(n: int, origin: str) -> pa.Table:
        draw = np.random.default_rng({"target": 0, "real": 1, "synthetic": 2}[origin])
        values = draw.normal(120 if origin == "synthetic" else 100, 40, (n, SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
        image = pa.FixedShapeTensorArray.from_numpy_ndarray(values)
        labels = [CLASSES[i % 3] for i in range(n)]
        return pa.table({"image": image, "label": labels, "origin": ["real" if origin == "target" else origin] * n})

    world = replace(WORLDS["images"], make=images)
    lay_out(tmp_path, world)
    chosen = METHODS[method] | {"features": "pixels", "permutations": 199}
    found = table(make_config(tmp_path, world, {"discrepancy": chosen}))
    assert found["real"]["p_value"] > 0.05
    assert found["synthetic"]["p_value"] == 1 / 200


def test_few_rows_are_tested_of_many(world_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("target", "discrepancy"):
        monkeypatch.setattr(f"mixval.stages.{module}.TESTED_ROWS", 5)
    switches = {"discrepancy": {"permutations": 9}, "seed": 11}
    found = table(make_config(world_folder("images"), WORLDS["images"], switches))
    assert found["real"]["tested_rows"] == [5, 5]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "random-features", "frequencies": 9}, "at least 2 for each of 5 bandwidths, found 9. Ask for 10 or more"),
        ({"labels": 0.0}, "greater than 0"),
        ({"permutations": -1}, "greater than or equal to 0"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DiscrepancyConfig(**given)


def test_few_frequencies_matter_only_where_they_are_used() -> None:
    assert DiscrepancyConfig(frequencies=9).method == "exact"
    assert DiscrepancyConfig(method="random-features", frequencies=4, bandwidths=[1.0, 2.0]).frequencies == 4


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("gpt2", {"labels": 1.0}, "`discrepancy.labels` needs rows with a label; the task is instruction. Leave it out"),
        ("texts", {"features": "backbone-and-answer"}, "needs prompts and responses; the task is text-classification"),
    ],
)
def test_a_choice_that_does_not_fit_the_task_is_refused(name: str, given: dict[str, Any], words: str, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match=words):
        make_config(tmp_path, WORLDS[name], {"discrepancy": given})
