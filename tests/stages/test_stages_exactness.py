"""From Parquet to committed terms: Eq. 8 of arXiv 2511.13640 against a dense reference, for every switch and every route.

Tolerances are relative. Float64 rounding through a Cholesky of condition up to 1e4 stays below 1e-10. Llama's RMSNorm,
attention softmax and rotary angles are float32 in any module, so a row in a padded batch differs from the row alone by some
1e-8 there, and 1e-6 is asked; where every row is a batch of its own, that model is held to the same 1e-10.
"""

import itertools
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.dense import bound, content_keys, dense_terms, drawn
from benchmarks.dense_rows import DenseRows
from benchmarks.exactness import PASSES, case_errors, world_cases
from benchmarks.worlds import (
    N_REAL,
    N_SYNTHETIC,
    NAME,
    WORLDS,
    diagnostics,
    jobs,
    lay_out,
    make_config,
    measured_terms,
    outcome,
    relative_errors,
    run_stages,
)
from mixval.config.sample import SampleConfig
from mixval.stages.forward import forward_ref
from mixval.stages.gradients import gram_parts, gram_ref
from mixval.stages.reducing import reduce_terms

EXACT, FLOAT32_INSIDE = 1e-10, 1e-6
TOLERANCE = {"images": EXACT, "texts": EXACT, "gpt2": EXACT, "llama": FLOAT32_INSIDE, "lora": FLOAT32_INSIDE}
ALONE: list[tuple[str, dict[str, Any]]] = [
    ("loss", {"loss": {"average": "token"}}),
    ("loss", {"sample": {"count": 12}}),
    ("loss", {"sample": {"count": 12}, "seed": 1}),
    ("discrepancy", {"discrepancy": {"bandwidths": [0.7, 2.0]}}),
    ("discrepancy", {"discrepancy": {"multipliers": [0.5, 1.0]}}),
    ("discrepancy", {"discrepancy": {"combine": "sum"}}),
    ("discrepancy", {"discrepancy": {"estimator": "biased"}}),
    ("discrepancy", {"discrepancy": {"scale": "squared"}}),
    ("discrepancy", {"discrepancy": {"parts": "pooled"}}),
    ("discrepancy", {"discrepancy": {"target_sample": {"count": 5}}}),
    ("ntk", {"ntk": {"output": "margin"}}),
    ("ntk", {"ntk": {"residual": "one-minus-probability"}}),
    ("ntk", {"ntk": {"parameters": ["norm"]}}),
    ("ntk", {"ntk": {"damping": 1e-3}}),
    ("ntk", {"ntk": {"damping_mode": "absolute"}}),
    ("ntk", {"ntk": {"n_blocks": 3}}),
    ("ntk", {"ntk": {"sample": {"count": 9}}}),
]


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in WORLDS for case in world_cases(name)])
def test_every_switch_gives_the_dense_terms(name, case, world_folder, reference):
    errors = case_errors(world_folder(name), WORLDS[name], world_cases(name)[case], reference(name))
    assert max(errors.values()) < TOLERANCE[name], errors


@pytest.mark.parametrize(
    ("name", "batch_rows", "gradient_bytes", "shards"),
    # Worlds outermost, so that each backbone is loaded once; LoRA differs from its Llama in parameters only.
    [(name, *way) for name in WORLDS for way in PASSES[:: 4 if name == "lora" else 1]],
)
def test_batches_budgets_and_shards_give_the_dense_terms(name, batch_rows, gradient_bytes, shards, tmp_path, reference):
    lay_out(tmp_path, WORLDS[name], shards)
    switches = {"runtime": {"batch_rows": batch_rows, "gradient_bytes": gradient_bytes}}
    job, _ = jobs(make_config(tmp_path, WORLDS[name], switches))
    assert (len(gram_parts(job)) > 1) == (gradient_bytes is not None)
    assert len(job.contributor.shards) == (1 if shards == "one" else 3)
    errors = case_errors(tmp_path, WORLDS[name], switches, reference(name))
    assert max(errors.values()) < (EXACT if batch_rows == 1 else TOLERANCE[name]), errors


@pytest.mark.parametrize(("term", "switches"), ALONE, ids=str)
def test_a_switch_turned_alone_is_noticed(term, switches, world_folder, reference):
    """In a store that holds the defaults' artifacts: what was committed under other switches is never taken for this."""
    base, turned = (make_config(world_folder("gpt2"), WORLDS["gpt2"], given) for given in ({}, switches))
    before, after = (dense_terms(*reference("gpt2"), config) for config in (base, turned))
    assert after[term] != pytest.approx(before[term], rel=1e-5)
    assert measured_terms(*jobs(base))[term] == pytest.approx(before[term], rel=EXACT)
    assert measured_terms(*jobs(turned))[term] == pytest.approx(after[term], rel=EXACT)


@pytest.mark.parametrize("name", WORLDS)
def test_a_contributor_without_synthetic_rows(name, world_folder, reference):
    folder, dense = world_folder(name, only_real=True), reference(name, only_real=True)
    config = make_config(folder, WORLDS[name], {})
    found, truth = measured_terms(*jobs(config)), dense_terms(*dense, config)
    assert found["loss"] == found["loss/real"]
    assert found["composition"] == pytest.approx(math.sqrt(1 / N_REAL), rel=1e-15)
    assert max(relative_errors(found, truth).values()) < TOLERANCE[name]


@pytest.mark.parametrize("name", WORLDS)
def test_the_reference_tells_terms_and_parts_apart(name, world_folder, reference):
    """No term is 0 and no two cases agree, so that the comparisons above compare something."""
    cases = world_cases(name)
    configs = {case: make_config(world_folder(name), WORLDS[name], switches) for case, switches in cases.items()}
    truths = {case: dense_terms(*reference(name), config) for case, config in configs.items()}
    assert min(truths["defaults"].values()) > 1e-3
    for term, alike in (("ntk", 0), ("discrepancy", 1)):  # two ways to sample come to the same rows
        turned = [truth[term] for case, truth in truths.items() if case == "defaults" or term in cases[case]]
        assert len({round(value, 9) for value in turned}) == len(turned) - alike
    assert truths["defaults"]["loss/real"] != pytest.approx(truths["defaults"]["loss/synthetic"], rel=1e-4)


def test_rows_that_the_gate_dropped_count_nowhere(tmp_path, reference):
    world, (rows, target) = WORLDS["images"], reference("images")
    lay_out(tmp_path, world, "uneven")  # shards of rows 0, 1 to 7, 8 to 18
    bad = pa.table({"shard_index": [0, 1, 2], "row": [0, 3, 9]})
    kept = [row for i, row in enumerate(rows.rows) if i not in (0, 4, 17)]
    config = make_config(tmp_path, world, {})
    job, target_job = jobs(config)
    ref = job.store.commit(job.store.ref("bad-rows", 1, rows=[0, 4, 17]), inputs={}, tables={"bad_rows": bad})
    trimmed = job.model_copy(update={"bad_rows": ref, "n_real": N_REAL - 2, "n_synthetic": N_SYNTHETIC - 1})
    truth = dense_terms(DenseRows(rows.module, kept, rows.classes), target, config)
    assert max(relative_errors(measured_terms(trimmed, target_job), truth).values()) < EXACT


def test_the_bound_and_the_published_value(world_folder, reference):
    config = make_config(
        world_folder("texts"), WORLDS["texts"], {"value": {"method": "eq8", "weights": "published", "bound_constant": 1.7}}
    )
    job, target = jobs(config)
    ranking = reduce_terms(
        config, {NAME: run_stages(job, target)}, {NAME: _admitted()}, job.identity, job.classes
    ).ranking.to_pylist()[0]
    truth = dense_terms(*reference("texts"), config)
    assert ranking["bound"] == pytest.approx(bound(truth, N_REAL, N_REAL + N_SYNTHETIC, 0.05, 1.7), rel=EXACT)
    assert ranking["value"] == pytest.approx(-(truth["loss"] + truth["discrepancy"]) / 2, rel=EXACT)


def test_the_davinz_preset_is_its_formula(world_folder, reference):
    """One Gaussian of width 5 on pixels, biased, both parts together; the diagonal of Theta, since n is below 100 blocks."""
    rows, target = reference("images")
    config = make_config(world_folder("images"), WORLDS["images"], {"preset": "davinz"})
    job, of_target = jobs(config)
    found = measured_terms(job, of_target)
    t, s = target.pixels, rows.pixels

    def mean_kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([[math.exp(-((x - y) ** 2).sum() / 50) for y in b] for x in a]))

    mmd = math.sqrt(mean_kernel(t, t) + mean_kernel(s, s) - 2 * mean_kernel(t, s))
    theta = (rows.gradients("logit", ["linear", "conv"]) ** 2).sum(axis=1)
    ntk = math.sqrt(np.mean((1 - rows.outputs("logit")) ** 2 / (theta + 1e-4)))
    assert found["discrepancy"] == pytest.approx(mmd, rel=EXACT)
    assert found["ntk"] == pytest.approx(ntk, rel=EXACT)
    assert diagnostics(job, of_target, "ntk")["n_blocks"] == len(rows)
    value = reduce_terms(
        config, {NAME: run_stages(job, of_target)}, {NAME: _admitted()}, job.identity, job.classes
    ).valuation.values[0]
    assert value == pytest.approx(-(mmd / ntk) * ntk - mmd, rel=EXACT)  # kappa = mean MMD / mean NTK


def test_shard_split_and_row_order_change_no_bit(tmp_path):
    switches = {
        "value": {"replicates": 5},
        "sample": {"count": 14},
        "ntk": {"sample": {"count": 10}},
        "runtime": {"gradient_bytes": 20_000},
    }
    stored = []
    for shards in ("one", "uneven", "shuffled"):
        lay_out(tmp_path / shards, WORLDS["texts"], shards)
        job, target = jobs(make_config(tmp_path / shards, WORLDS["texts"], switches))
        terms = job.store.read_tensors(run_stages(job, target))
        stored.append({**terms, **_keys(job), "theta": job.store.read_tensors(gram_ref(job))["theta"]})
    for name, other in itertools.product(stored[0], stored[1:]):
        assert np.array_equal(stored[0][name], other[name]), name


@pytest.mark.parametrize(
    ("sample", "n_real"),
    [({}, 11), ({"count": 12}, 7), ({"count": 5}, 3), ({"fraction": 0.6}, 7), ({"fraction": 0.25}, 3)],
)
def test_a_sample_is_drawn_by_content_stratified_and_in_order(sample, n_real, tmp_path, reference):
    rows, _ = reference("texts")
    keys, places = content_keys(rows, 3), drawn(rows, SampleConfig(**sample), 3)
    for batch_rows, shards in ((1, "shuffled"), (64, "one")):
        lay_out(tmp_path / shards, WORLDS["texts"], shards)
        switches = {"seed": 3, "sample": sample, "ntk": {"sample": sample}, "runtime": {"batch_rows": batch_rows}}
        job, target = jobs(make_config(tmp_path / shards, WORLDS["texts"], switches))
        run_stages(job, target)
        for found in _keys(job).values():
            assert found.tolist() == [keys[i] for i in places]
        assert job.store.read_tensors(forward_ref(job))["is_real"].sum() == rows.is_real[places].sum() == n_real


def test_samples_are_nested_and_gradient_rows_are_rows_that_were_read(world_folder):
    drawn_keys: list[set[int]] = []
    for count in (5, 9, 14, 19):
        switches = {"sample": {"count": count}, "ntk": {"sample": {"count": count - 1}}, "seed": 8}
        job, target = jobs(make_config(world_folder("images"), WORLDS["images"], switches))
        run_stages(job, target)
        read, with_gradient = (set(keys.tolist()) for keys in _keys(job).values())
        assert (len(read), len(with_gradient)) == (count, count - 1)
        assert with_gradient < read
        drawn_keys.append(read)
    assert all(small < large for small, large in itertools.pairwise(drawn_keys))


@pytest.mark.parametrize("name", ["images", "texts"])
def test_a_float32_backbone_costs_little(name, world_folder, reference):
    """Rounding of float32 is 6e-8; kernels and solve lose two digits at most."""
    errors = case_errors(world_folder(name), WORLDS[name], {"backbone": {"dtype": "float32"}}, reference(name))
    assert 1e-10 < errors["ntk"] < 1e-5
    assert 1e-10 < errors["discrepancy"] < 1e-5
    assert 1e-10 < errors["loss"] < 1e-6


def _admitted() -> Any:
    return outcome(["real"] * N_REAL + ["synthetic"] * N_SYNTHETIC)


def _keys(job: Any) -> dict[str, np.ndarray]:
    return {f"{ref.kind} keys": job.store.read_tensors(ref)["keys"] for ref in (forward_ref(job), gram_ref(job))}
