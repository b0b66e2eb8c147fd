"""Passes on a device are those of the CPU, from Parquet on. Without a device, a stand-in checks where tensors lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.worlds import WORLDS, jobs, lay_out, make_config
from mixval.contracts.record import ArtifactRef
from mixval.stages import resident
from mixval.stages.forward import forward_pass
from mixval.stages.gradients import gram_parts, whole_gram
from mixval.stages.jobs import MeasureJob
from mixval.stages.shared_sketch import make_shared_sketch
from mixval.stages.statistics import make_statistics, merged_statistics, pieces
from tests.device_stand_in import STAND_IN, StandIn, moved

# peft asks a transformers model for a property that transformers has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
Arrays = dict[str, np.ndarray]
SKETCHED: dict[str, Any] = {
    "ntk": {"method": "sketched", "sketch_features": 256},
    "discrepancy": {"method": "random-features", "frequencies": 64},
    "value": {"replicates": 10},
}
TOLERANCE = {"float64": 1e-6, "float32": 1e-3, "bfloat16": 0.1}
"""Relative to an array's largest number. transformers' text models take softmax and norms in float32, whatever their type."""
on_cuda = pytest.mark.gpu
ON_CUDA = [pytest.param("cuda", dtype, marks=on_cuda) for dtype in TOLERANCE]
everywhere = pytest.mark.parametrize(("device", "dtype"), [("stand-in", "float64"), *ON_CUDA])


@pytest.fixture(autouse=True)
def _float32_products() -> Iterator[None]:
    """cuDNN and cuBLAS in float32 and not in TF32, and no backbone left behind."""
    settings = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [one.fp32_precision for one in settings]
    for one in settings:
        one.fp32_precision = "ieee"
    yield
    resident.RESIDENT.keep("nothing", None)  # one place: the backbone goes
    for one, precision in zip(settings, before, strict=True):
        one.fp32_precision = precision


def prepared(folder: Path, name: str, device: str, dtype: str, switches: dict[str, Any]) -> tuple[MeasureJob, MeasureJob]:
    """The two jobs with an output for each device: what was made on one is taken as it is on another."""
    given = switches | {"output": str(folder / device), "backbone": {"dtype": dtype}}
    given["runtime"] = {"device": "cuda" if device == "cuda" else "cpu"}
    return jobs(make_config(folder, WORLDS[name], given))


@contextmanager
def running_on(device: str, job: MeasureJob) -> Iterator[None]:
    """For the stand-in, the process's backbone is moved there."""
    if device != "stand-in":
        yield
        return
    backbone = resident.resident_backbone(job)
    with StandIn():
        there = replace(backbone, module=moved(backbone.module), device=STAND_IN)
        resident.RESIDENT.keep(resident.resident_name(job), there)
        yield
    resident.RESIDENT.keep("nothing", None)  # one place: the backbone goes


def assert_within_rounding(found: Arrays, truth: Arrays, dtype: str) -> None:
    assert found.keys() == truth.keys()
    for name, array in truth.items():
        if array.dtype.kind != "f":
            np.testing.assert_array_equal(found[name], array, err_msg=name)
            continue
        scale = np.abs(array).max() if array.size else 0.0
        np.testing.assert_allclose(found[name], array, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=name)


@on_cuda
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", WORLDS)
def test_losses_and_features(name: str, dtype: str, tmp_path: Path) -> None:
    lay_out(tmp_path, WORLDS[name])
    found, truth = (_read(job, forward_pass(job)) for job in _both(tmp_path, name, dtype, {}))
    assert_within_rounding(found, truth, dtype)


@everywhere
@pytest.mark.parametrize("name", ["images", "llama"])
def test_the_gram_matrix(name: str, dtype: str, device: str, tmp_path: Path) -> None:
    lay_out(tmp_path, WORLDS[name])
    here, there = (prepared(tmp_path, name, place, dtype, {})[0] for place in ("cpu", device))
    truth = _read(here, whole_gram(here))
    assert gram_parts(there)
    with running_on(device, there):
        found = _read(there, whole_gram(there))
    assert_within_rounding(found, truth, dtype)


@everywhere
@pytest.mark.parametrize("name", WORLDS)
def test_statistics_end_to_end(name: str, dtype: str, device: str, tmp_path: Path) -> None:
    """T's pass and the shared sketch are made on each device by itself; the stand-in cannot, since they run without any
    autograd."""
    lay_out(tmp_path, WORLDS[name])
    found = []
    for place in ("cpu", device):
        job, target = prepared(tmp_path, name, place, dtype, SKETCHED)
        forward_pass(target)
        make_shared_sketch(target)
        with running_on(place, job):
            make_statistics(job, target, pieces(job))
        found.append(_read(job, merged_statistics(job, target)))
    assert_within_rounding(found[1], found[0], dtype)


def _both(folder: Path, name: str, dtype: str, switches: dict[str, Any]) -> Iterator[MeasureJob]:
    for device in ("cuda", "cpu"):
        yield prepared(folder, name, device, dtype, switches)[0]


def _read(job: MeasureJob, ref: ArtifactRef) -> Arrays:
    return job.store.read_tensors(ref)
