"""The regression value from Parquet to the committed value: against dense gradients and a plain ridge, in any split, sketched
and exact."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks.dense_rows import DenseRows
from benchmarks.worlds import CLASSES, NAME, WORLDS, World, jobs, make_config
from mixval.config.valuation import merge
from mixval.contracts.results import NTK_REGRESSION
from mixval.contracts.terms import TERMS
from mixval.errors import ConfigError
from mixval.models.outputs import class_mix
from mixval.stages import statistics
from mixval.stages.forward import forward_pass, forward_ref
from mixval.stages.gradients import gram_parts, gram_ref, partial_gram, summed_gram, whole_gram
from mixval.stages.jobs import MeasureJob
from mixval.stages.regression_coalitions import regression_game
from mixval.stages.shared_sketch import make_shared_sketch
from mixval.stages.target_gradients import make_target_gradients
from mixval.stages.terms import contributor_terms, terms_ref
from mixval.terms.ntk.temperature import left_out_cross_entropy

REGRESSION: dict[str, Any] = {"value": {"method": "ntk-regression"}}
SKETCHED: dict[str, Any] = {"ntk": {"method": "sketched"}, "discrepancy": {"frequencies": 64}}
LABELLED, CAUSAL = ("images", "texts"), ("gpt2",)


class MixedRows(DenseRows):
    """Dense rows with the output `mix`: of the logits in classification, log p in a causal LM."""

    def _scalar(self, weights: dict[str, torch.Tensor], i: int, kind: str) -> torch.Tensor:  # noqa: ARG002  always the mix
        if self.classes is None:
            return super()._scalar(weights, i, "log-probability")
        logits, _ = self._decide(i, weights)
        return logits[0] @ class_mix(len(self.classes), 0)


def ridge(rows: MixedRows, target: MixedRows, kinds: tuple[str, ...], damping: float) -> float:
    """The value by whole gradients and a general solve."""
    own, of_target = rows.gradients("mix", kinds), target.gradients("mix", kinds)
    theta = own @ own.T
    if rows.classes is None:
        responses = ((1 - rows.probabilities) * rows.counts / target.counts.mean())[:, None]
    else:
        responses = np.eye(len(CLASSES))[[CLASSES.index(row["label"]) for row in rows.rows]]
    scale = np.trace(theta) / len(theta) if rows.classes is None else ((own - own.mean(0)) ** 2).sum(1).mean()
    change = of_target @ own.T @ np.linalg.solve(theta + damping * scale * np.eye(len(theta)), responses)
    if rows.classes is None:
        return float(np.average(change[:, 0], weights=target.counts))
    labels = np.array([CLASSES.index(row["label"]) for row in target.rows])
    return -float(
        left_out_cross_entropy(change / np.linalg.norm(of_target - of_target.mean(0), axis=1)[:, None], labels)[0].mean()
    )


def lake(folder: Path, world: World, edges: tuple[int, ...] = (0, 60)) -> None:
    """A contributor of 60 rows, two thirds real, in shards cut at `edges`; and T of 30."""
    rows = pa.concat_tables([world.make(40, "real"), world.make(20, "synthetic")])
    place = folder / "lake" / f"contributor={NAME}"
    place.mkdir(parents=True)
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        pq.write_table(rows.slice(low, high - low), place / f"part-{i}.parquet")
    (folder / "target").mkdir()
    pq.write_table(world.make(30, "target"), folder / "target" / "part-0.parquet")


def exact(job: MeasureJob, target: MeasureJob) -> dict[str, np.ndarray]:
    """The committed terms by exact kernels, in one task or in groups of layers."""
    forward_pass(target)
    forward_pass(job)
    parts = gram_parts(job, target)
    if len(parts) == 1:
        whole_gram(job, target)
    else:
        summed_gram(job, [partial_gram(job, part, target) for part in parts], target)
    return job.store.read_tensors(contributor_terms(job, target))


def sketched(job: MeasureJob, target: MeasureJob) -> dict[str, np.ndarray]:
    """The committed terms from sufficient statistics."""
    forward_pass(target)
    make_shared_sketch(target)
    if target.value.method == "ntk-regression":
        make_target_gradients(target)
    for chosen in statistics.batches(job):
        statistics.make_statistics(job, target, chosen)
    statistics.merged_statistics(job, target)
    return job.store.read_tensors(contributor_terms(job, target))


def prepared(folder: Path, name: str, *switches: dict[str, Any]) -> tuple[MeasureJob, MeasureJob]:
    merged: dict[str, Any] = REGRESSION
    for given in switches:
        merged = merge(merged, given)
    return jobs(make_config(folder, WORLDS[name], merged))


@pytest.mark.parametrize("name", [*LABELLED, *CAUSAL])
def test_exact_blocks_give_the_value_of_dense_gradients(name: str, tmp_path: Path, reference: Any, world_folder: Any) -> None:
    job, target = prepared(world_folder(name), name, {"value": {"damping": 0.05}})
    rows, of_target = (MixedRows(one.module, one.rows, one.classes) for one in reference(name))
    wanted = ridge(rows, of_target, WORLDS[name].parameters, 0.05)
    found = exact(job, target)
    assert found["regression_value"][0] == pytest.approx(wanted, rel=1e-6)
    told = [row for row in job.store.read_table(terms_ref(job, target), "terms").to_pylist() if row["term"] == NTK_REGRESSION]
    assert [row["estimate"] for row in told] == [found["regression_value"][0]]
    diagnostics = json.loads(told[0]["diagnostics"])
    assert (diagnostics["n"], diagnostics["m"]) == (len(rows), len(of_target))
    assert told[0]["standard_error"] == pytest.approx(diagnostics["gain_error" if name in CAUSAL else "cross_entropy_error"])


@pytest.mark.parametrize("name", LABELLED)
def test_rows_without_gradients_are_told_by_their_features(name: str, tmp_path: Path) -> None:
    """Against another way to the ratio: random features of the head, which near its closed form."""
    lake(tmp_path, WORLDS[name])
    given = {"ntk": {"sample": {"count": 20}}, "value": {"replicates": 12, "damping": 0.05}}
    job, target = prepared(tmp_path, name, given)
    found, told = exact(job, target), _of_the_regression(job, target)
    alone = prepared(tmp_path, name, given, {"value": {"rows": "gradients"}})
    measured = job.store.read_tensors(contributor_terms(*alone))
    assert terms_ref(*alone) != terms_ref(job, target)
    own, t = (job.store.read_tensors(forward_ref(one)) for one in (job, target))
    rows = np.isin(own["keys"], job.store.read_tensors(gram_ref(job, target))["keys"])
    assert (rows.sum(), len(rows), told["n"]) == (20, 60, 60)
    x, z = (_wide(one["features"], t["features"]) for one in (own, t))
    y = np.eye(len(CLASSES))[np.searchsorted(CLASSES, own["labels"])]
    labels = np.searchsorted(CLASSES, t["labels"])

    def cross_entropy(kept: np.ndarray) -> float:
        part, damping = x[kept], job.regression_damping * ((x[kept] - x[kept].mean(0)) ** 2).sum(1).mean()
        change = z @ part.T @ np.linalg.solve(part @ part.T + damping * np.eye(len(part)), y[kept])
        length = np.linalg.norm(z - z.mean(0), axis=1)[:, None]
        return float(left_out_cross_entropy(change / length, labels)[0].mean())

    ratio = cross_entropy(np.full(len(rows), fill_value=True)) / cross_entropy(rows)
    assert abs(math.log(ratio)) > 0.008
    plain, diagnostics = measured["regression_value"][0], json.loads(told["diagnostics"])
    # Whose rows with gradients gain nothing over guessing keeps their value.
    gains = plain > -math.log(len(CLASSES))
    assert found["regression_value"][0] == pytest.approx(plain * ratio if gains else plain, rel=0.002)
    assert (diagnostics["ratio_bounded"], gains) == (name == "texts", name == "images")
    assert (diagnostics["gradient_rows"], diagnostics["value_of_gradient_rows"]) == (20, measured["regression_value"][0])
    assert 0 < found["regression_deviations"].std() < 3 * measured["regression_deviations"].std()


def test_a_value_speaks_for_no_more_than_was_read(tmp_path: Path) -> None:
    lake(tmp_path, WORLDS["texts"])
    for i, (read, gradients, n) in enumerate(((30, 20, 30), (20, 20, 20), (20, 30, 30))):
        given = {"output": str(tmp_path / f"out-{i}"), "sample": {"count": read}, "ntk": {"sample": {"count": gradients}}}
        pair = prepared(tmp_path, "texts", given, {"value": {"replicates": 0}})
        found = exact(*pair)
        assert _of_the_regression(*pair)["n"] == n
        assert found["regression_deviations"].shape == (0,)
        assert _of_the_regression(*pair)["standard_error"] > 0


def _of_the_regression(job: MeasureJob, target: MeasureJob) -> dict[str, Any]:
    [told] = [row for row in job.store.read_table(terms_ref(job, target), "terms").to_pylist() if row["term"] == NTK_REGRESSION]
    return told


def _wide(features: np.ndarray, target: np.ndarray, width: int = 20_000) -> np.ndarray:
    """(N, D width + width + 1) gradients of a head of finite width on features as T has moved and scaled them."""
    mean = target.mean(0)
    x = (features - mean) / np.sqrt(((target - mean) ** 2).sum(1).mean())
    inner = np.random.default_rng(0).normal(size=(width, x.shape[1]))
    before = x @ inner.T
    # The inner layer's gradients are x where a unit is active, each times its outer weight: here in the mean over those.
    of_inner = ((before > 0)[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    return np.hstack([np.maximum(before, 0), of_inner, np.full((len(x), 1), np.sqrt(width / 2))]) * np.sqrt(2 / width)


@pytest.mark.parametrize("name", ["images", "gpt2"])
def test_groups_of_layers_and_batches_change_nothing(name: str, tmp_path: Path) -> None:
    lake(tmp_path, WORLDS[name])
    one = exact(*prepared(tmp_path, name, {"value": {"replicates": 12}}))
    narrow = {"output": str(tmp_path / "narrow"), "runtime": {"gradient_bytes": 90_000, "batch_rows": 7}}
    job, target = prepared(tmp_path, name, {"value": {"replicates": 12}}, narrow)
    assert len(gram_parts(job, target)) > 1
    cut = exact(job, target)
    for key in ("terms", "regression_value", "regression_deviations"):
        np.testing.assert_allclose(cut[key], one[key], rtol=1e-6, atol=1e-9)
    assert one["regression_deviations"].std() > 0


@pytest.mark.parametrize("name", ["images", "gpt2"])
def test_sketches_approach_the_exact_value(name: str, tmp_path: Path) -> None:
    lake(tmp_path, WORLDS[name])
    gaps: dict[int, list[float]] = {128: [], 2048: []}
    for seed in (0, 1):  # each draws its own mix and sketch
        # Replicates, so that rows are kept, which are fewer than features.
        rows = {"seed": seed, "value": {"replicates": 2, "damping": 0.03}}
        wanted = exact(*prepared(tmp_path, name, rows))["regression_value"][0]
        for q, found in gaps.items():
            pair = prepared(tmp_path, name, SKETCHED, rows, {"ntk": {"sketch_features": q}})
            found.append(abs(sketched(*pair)["regression_value"][0] - wanted))
    assert np.mean(gaps[2048]) < 0.03
    assert np.mean(gaps[2048]) < np.mean(gaps[128]) / 2


@pytest.mark.parametrize("name", ["texts", "gpt2"])
def test_shards_merge_to_the_same_value_and_coalitions_begin_with_it(name: str, tmp_path: Path) -> None:
    switches = (SKETCHED, {"ntk": {"sketch_features": 256}, "value": {"replicates": 20}})
    found = []
    for folder, edges in (("one", (0, 60)), ("cut", (0, 1, 17, 60))):
        lake(tmp_path / folder, WORLDS[name], edges)
        job, target = prepared(tmp_path / folder, name, *switches)
        found.append(sketched(job, target))
        game = regression_game([job], target)
        assert game.value(np.array([True])) == pytest.approx(found[-1]["regression_value"][0], rel=1e-5, abs=1e-6)
    for key in ("regression_value", "regression_deviations"):
        np.testing.assert_allclose(found[1][key], found[0][key], rtol=1e-6, atol=1e-8)
    assert found[0]["regression_deviations"].shape == (20,)
    assert found[0]["regression_deviations"].std() > 0


def test_kept_rows_and_sums_give_one_value(tmp_path: Path) -> None:
    """60 rows under 1,024 features are solved as rows where all were kept, and without replicates none is."""
    values = []
    for folder, replicates in (("rows", 4), ("sums", 0)):
        lake(tmp_path / folder, WORLDS["texts"])
        given = {"ntk": {"sketch_features": 1024}, "value": {"replicates": replicates}}
        values.append(sketched(*prepared(tmp_path / folder, "texts", SKETCHED, given))["regression_value"][0])
    assert values[0] == pytest.approx(values[1], rel=1e-8)


def test_methods_share_no_artifact_that_differs(tmp_path: Path) -> None:
    lake(tmp_path, WORLDS["texts"])
    same = {"ntk": {"output": "mix", "residual": "one-minus-probability"}}
    regression, other = prepared(tmp_path, "texts"), prepared(tmp_path, "texts", {"value": {"damping": 0.2}})
    bound, unmoved = (prepared(tmp_path, "texts", same, {"value": {"method": "eq8", "damping": d}}) for d in (0.03, 0.3))
    assert len({terms_ref(*pair).fingerprint for pair in (regression, other, bound)}) == 3
    assert terms_ref(*bound) == terms_ref(*unmoved)
    assert gram_ref(*regression) == gram_ref(*other) != gram_ref(*bound)
    whole_gram(bound[0])
    forward_pass(bound[0])
    by_regression = exact(*regression)
    terms = regression[0].store.read_tensors(contributor_terms(*bound))
    assert "regression_value" not in terms
    np.testing.assert_allclose(by_regression["terms"], terms["terms"], rtol=1e-9)
    assert dict(zip(TERMS, by_regression["terms"], strict=True))["ntk"] > 0


def test_a_regression_without_a_target_is_refused(tmp_path: Path) -> None:
    lake(tmp_path, WORLDS["texts"])
    with pytest.raises(ConfigError, match=r"contributor 'alder'.*needs Theta\(T, S\), found no target"):
        whole_gram(prepared(tmp_path, "texts")[0])
