"""The value under a preconditioned kernel, from Parquet to the committed value: against whole gradients, scaled one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_stages_regression_value import SKETCHED, MixedRows, exact, lake, prepared, ridge, sketched

from benchmarks.dense_rows import DenseRows, parameters_of
from benchmarks.worlds import WORLDS
from mixval.errors import ConfigError
from mixval.stages.forward import forward_ref
from mixval.stages.gradients import gram_ref, whole_gram
from mixval.stages.preconditioning import make_preconditioner, preconditioner_ref, preconditioner_steps, read_preconditioner
from mixval.stages.regression_coalitions import regression_game
from mixval.stages.statistics import statistics_ref
from mixval.stages.target_gradients import target_gradients_ref
from mixval.stages.terms import terms_ref
from tests.preconditioned_reference import dense_scales

ON: dict[str, Any] = {"ntk": {"preconditioner": "target", "preconditioner_floor": 0.2}}


class ScaledRows(MixedRows):
    """Dense rows whose gradients are scaled by those of `target`, which may be themselves."""

    def __init__(self, rows: DenseRows, target: MixedRows, kinds: tuple[str, ...], floor: float) -> None:
        super().__init__(rows.module, rows.rows, rows.classes)
        shapes = {name: rows.module.get_parameter(name).shape for name in parameters_of(rows.module, kinds)}
        whole = target._gradients("mix")
        gradients = {name: torch.from_numpy(whole[name]).unflatten(1, shape) for name, shape in shapes.items()}
        self.scales: Mapping[str, np.ndarray] = {
            name: one.flatten().numpy() for name, one in dense_scales(gradients, floor).items()
        }

    def gradients(self, kind: str, kinds: Any) -> np.ndarray:
        names = parameters_of(self.module, kinds)
        return np.concatenate([self._gradients(kind)[name] * self.scales[name] for name in names], axis=1)


@pytest.mark.parametrize("name", ["images", "texts", "gpt2"])
def test_exact_blocks_give_the_value_of_scaled_gradients(name: str, reference: Any, world_folder: Any) -> None:
    pair = prepared(world_folder(name), name, ON, {"value": {"damping": 0.05}})
    rows, target = reference(name)
    kinds, dense_target = WORLDS[name].parameters, MixedRows(target.module, target.rows, target.classes)
    own, of_target = (ScaledRows(one, dense_target, kinds, 0.2) for one in (rows, target))
    make_preconditioner(pair[1])
    found = exact(*pair)["regression_value"][0]
    # Scales are rounded to float32.
    assert found == pytest.approx(ridge(own, of_target, kinds, 0.05), rel=1e-5)
    plain = ridge(MixedRows(rows.module, rows.rows, rows.classes), dense_target, kinds, 0.05)
    assert found != pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("name", ["images", "gpt2"])
def test_sketches_approach_it_and_shards_merge_to_it(name: str, tmp_path: Path) -> None:
    rows = {"value": {"replicates": 4, "damping": 0.05}}
    values = {}
    for folder, edges in (("one", (0, 60)), ("cut", (0, 17, 60))):
        lake(tmp_path / folder, WORLDS[name], edges)
        pair = prepared(tmp_path / folder, name, ON, SKETCHED, rows, {"ntk": {"sketch_features": 2048}})
        make_preconditioner(pair[1])
        values[folder] = sketched(*pair)["regression_value"][0]
        assert regression_game([pair[0]], pair[1]).value(np.array([True])) == pytest.approx(values[folder], rel=1e-5, abs=1e-6)
    assert values["cut"] == pytest.approx(values["one"], rel=1e-6)
    pair = prepared(tmp_path / "one", name, ON, rows)
    make_preconditioner(pair[1])
    # As far as 2,048 features tell (`test_sketches_approach_the_exact_value` of the plain kernel).
    assert values["one"] == pytest.approx(exact(*pair)["regression_value"][0], abs=0.06)


def test_nothing_is_shared_with_another_geometry(tmp_path: Path) -> None:
    lake(tmp_path, WORLDS["texts"])
    higher = {"ntk": {"preconditioner_floor": 0.3}}
    plain, on, other = (prepared(tmp_path, "texts", *given) for given in ((), (ON,), (ON, higher)))
    for of in (gram_ref, terms_ref):
        assert len({of(*pair).fingerprint for pair in (plain, on, other)}) == 3
    sums = [prepared(tmp_path, "texts", SKETCHED, switches) for switches in ({}, ON, higher)]
    assert len({statistics_ref(*pair).fingerprint for pair in sums[:2]}) == 2
    assert len({target_gradients_ref(pair[1]).fingerprint for pair in sums[:2]}) == 2
    # Without a preconditioner its floor means nothing, and passes forward are of no geometry.
    assert statistics_ref(*sums[0]) == statistics_ref(*sums[2])
    assert forward_ref(plain[0]) == forward_ref(on[0])
    assert preconditioner_ref(on[1]) != preconditioner_ref(other[1])
    assert (preconditioner_steps(plain[1]), read_preconditioner(plain[1])) == ([], None)


def test_a_geometry_without_a_target_is_refused(tmp_path: Path) -> None:
    lake(tmp_path, WORLDS["texts"])
    job, _ = prepared(tmp_path, "texts", ON, {"value": {"method": "eq8"}})
    with pytest.raises(ConfigError, match=r"`ntk\.preconditioner: target` needs the target's gradients, found no target"):
        whole_gram(job)
