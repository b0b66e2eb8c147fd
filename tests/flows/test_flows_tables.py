"""`mixval.value(..., cluster=True)`: tables on the flow's cluster have the values that they have in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import mixval
from mixval_flows.runner import LazyCluster
from tests.worlds import BACKBONES, rows

TASK = "language-modelling"


def test_tables_are_valued_on_a_cluster_as_in_this_process(cluster: LazyCluster, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "near": pd.DataFrame(rows(TASK, 24, 1_000)),
        "far": pa.Table.from_pylist(rows(TASK, 24, 2_000, is_near=False)),
        "few": pd.DataFrame(rows(TASK, 3, 3_000)),
    }
    target = pd.DataFrame(rows(TASK, 24, 0)).drop(columns="origin")
    options: dict[str, Any] = {
        "gate": {"min_rows": 8, "data_docs": False},
        "ntk": {"sketch_features": 64},
        "value": {"replicates": 8},
        "runtime": {"cluster": cluster.client().scheduler.address},
    }
    found = mixval.value(given, target, BACKBONES[TASK], output=tmp_path / "cluster", cluster=True, **options)
    here = mixval.value(given, target, BACKBONES[TASK], output=tmp_path / "here", **options)
    assert list(found.ranking["contributor"]) == list(here.ranking["contributor"]) == ["near", "far"]
    # Workers sum pieces in another order.
    assert list(found.ranking["value"]) == pytest.approx(list(here.ranking["value"]), abs=1e-9)
    assert set(found.rejected["contributor"]) == {"few"}
    assert found.coalitions is not None
    assert found.value_of(["near", "far"]) == pytest.approx(here.value_of(["near", "far"]), abs=1e-9)
    again = mixval.value(given, target, BACKBONES[TASK], output=tmp_path / "cluster", cluster=True, **options)
    assert again.url == found.url
