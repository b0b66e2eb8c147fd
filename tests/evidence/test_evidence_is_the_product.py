"""What is evidenced is what ships: the evidence's own column is the `value` column that a run publishes on the same rows."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.house.evidence_difference import CASES, CONTRIBUTORS, Case, Ground
from mixval.errors import ConfigError


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("same"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_evidences_own_column_is_the_published_value(case: Case, ground: Ground) -> None:
    published, judged = ground.product(case), ground.evidence(case)
    assert published.keys() == judged.keys() == CONTRIBUTORS.keys()
    assert len(set(published.values())) > 2
    for name, value in published.items():
        # Passes are in float32, whose sums round otherwise where buffers lie otherwise: 1e-7 was seen with two threads. What
        # a default that is read in another way changes is more than 1e-6 (below).
        assert judged[name] == pytest.approx(value, rel=0, abs=5e-7)


def test_who_has_truth_but_no_value_is_left_out_by_name(ground: Ground) -> None:
    case = Case("text-classification", "sketched", "random")
    result = ground.rated(case, gate={"min_rows": 13})
    assert result.without_value.keys() == {"few"}
    assert "12" in result.without_value["few"]
    assert [*result.truth] == [*result.methods[0].scores] == [name for name in CONTRIBUTORS if name != "few"]
    with pytest.raises(ConfigError, match=r"at least 6 contributors with truth and a value, found 5.*\n  few: .*\n  spare: "):
        ground.rated(case, gate={"min_rows": 19})


def test_the_cases_would_notice_a_default_that_is_read_in_another_way(ground: Ground) -> None:
    """The gain of a random causal LM, lambda, and which rows a value counts."""
    assert len(set(CASES)) == 16
    causal, labelled = Case("language-modelling", "exact", "random"), Case("text-classification", "exact", "random")
    changes: tuple[tuple[Case, dict[str, Any]], ...] = (
        (causal, {"gain": "trained"}),
        (causal, {"damping": 0.01}),
        (labelled, {"rows": "gradients"}),
    )
    for case, value in changes:
        plain, changed = ground.product(case), ground.product(case, value=value)
        assert any(abs(plain[name] - changed[name]) > 1e-6 for name in plain), (case.name, value)
