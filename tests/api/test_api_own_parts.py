"""A term and a rival of one's own, registered from outside by what `mixval` exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixval
from mixval.errors import ConfigError
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.registry import METHODS
from mixval.evidence.ranking import rank
from tests.evidence.planted_contributors import SIZES, planted_inputs
from tests.worlds import BACKBONES, rows

TASK = "language-modelling"
SPEC = mixval.TermSpec(
    name="brevity",
    label="Brevity",
    unit="tokens",
    sentence="minus the mean number of predicted tokens a row",
    lever="longer rows",
    light="#112233",
    dark="#ddeeff",
    rows="read",
)


def measured(job: Any, _target: Any, stored: Any) -> mixval.Measured:
    """From the forward pass that the exact route stores."""
    counts = stored[0]["counts"]
    return mixval.Measured(-float(counts.mean()), np.zeros(job.value.replicates), len(counts), None, {})


def test_a_term_is_a_column_while_it_is_registered(tmp_path: Path) -> None:
    near, target = (pd.DataFrame(rows(TASK, 24, start)) for start in (1_000, 0))
    options: dict[str, Any] = {
        "gate": {"min_rows": 8, "data_docs": False},
        "ntk": {"method": "exact", "sample": {"count": 16}},
        "value": {"replicates": 8},
    }
    with mixval.register_term(SPEC, {"exact": measured}):
        result = mixval.value({"near": near}, target, BACKBONES[TASK], output=tmp_path, **options)
        tokens = near["text"].str.encode("utf-8").str.len().clip(upper=47).mean()  # 48 tokens, of which the first is none
        assert -result.ranking["brevity"][0] == pytest.approx(tokens, rel=1e-12)
        assert "weighted_brevity" in result.ranking
        assert "Brevity" in Path(result.report(tmp_path / "report.html")).read_text(encoding="utf-8")
        with pytest.raises(ConfigError, match="term 'brevity': expected a name that no term has yet"):
            mixval.register_term(SPEC, {})
    again = mixval.value({"near": near}, target, BACKBONES[TASK], output=tmp_path, **options)
    assert "brevity" not in again.ranking


def test_a_contributor_on_which_ones_own_code_breaks_fails_alone(tmp_path: Path) -> None:
    def broken(job: Any, target: Any, stored: Any) -> mixval.Measured:
        if job.contributor.name == "odd":
            raise KeyError("no such thing")
        return measured(job, target, stored)

    given = {name: pd.DataFrame(rows(TASK, 24, start)) for name, start in {"near": 1_000, "odd": 3_000}.items()}
    options: dict[str, Any] = {
        "gate": {"min_rows": 8, "data_docs": False},
        "ntk": {"method": "exact", "sample": {"count": 16}},
        "value": {"replicates": 8},
    }
    with mixval.register_term(SPEC, {"exact": broken}):
        found = mixval.value(given, pd.DataFrame(rows(TASK, 24, 0)), BACKBONES[TASK], output=tmp_path, **options)
    assert list(found.ranking["contributor"]) == ["near"]
    assert found.rejected[["contributor", "verdict", "reason"]].to_numpy().tolist() == [
        ["odd", "failed", "KeyError: 'no such thing'"]
    ]


def longest(inputs: Inputs, _seed: int) -> np.ndarray:
    return np.array([float(one.n_rows) for one in inputs.contributors])


def test_a_rival_is_ranked_beside_the_others_while_it_is_registered() -> None:
    inputs = planted_inputs(TASK)
    truth = {name: [float(size)] for name, size in SIZES.items()}
    with mixval.register_rival(mixval.Method("most-rows", longest, source="this test")):
        found = [*rank("here", inputs, truth, {"most-rows", "size"})]
        assert [one.method for one in found] == ["size", "most-rows"]
        assert found[1].scores == found[0].scores  # type: ignore[union-attr]
        with pytest.raises(ConfigError, match="rival 'most-rows': expected a name that no method has yet"):
            mixval.register_rival(mixval.Method("most-rows", longest))
    assert "most-rows" not in METHODS
