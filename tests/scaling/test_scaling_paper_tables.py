"""What the paper's own coefficients say, recomputed: crossings, data saved, and where its two tables contradict each other."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.experiments.study.paper import TABLE_4
from mixval.scaling.advice import crossings_of, curve, tokens_for
from tests.scaling.paper_coefficients import DATA, SIZE, TABLE_5


def loss(name: str, tokens: float) -> float:
    return float(curve(DATA[name], np.array([tokens]), None)[0])


def size_loss(name: str, params: float) -> float:
    return float(SIZE[name].predict({"params": np.array([params])})[0])


@pytest.mark.parametrize(("mixture", "places"), [("33TX", [0.47, 21.67]), ("67TX", [0.19, 651.5]), ("HQ", [0.085, 119.6])])
def test_curves_cross_web_where_they_do(mixture: str, places: list[float]) -> None:
    """Those below 1 (billion tokens) lie outside the paper's data; 651.5 is beyond it, by 3.3 times."""
    found = crossings_of(DATA["CC"], DATA[mixture], 0.02, 2000)
    assert found == pytest.approx(places, rel=0.02)
    assert found[-1] == pytest.approx(places[-1], rel=1e-3)


@pytest.mark.parametrize(
    ("plan", "mixture", "tokens", "ratio"),
    [
        (200, "33HQ", 20.22, 9.89),
        (200, "67HQ", None, 8.79),
        (200, "33QA", None, 9.64),
        (200, "67QA", None, 11.19),
        (100, "33HQ", 16.48, 6.07),
        (100, "67HQ", None, 5.43),
        (100, "33QA", None, 6.00),
        (100, "67QA", None, 6.87),
        (50, "33HQ", None, 3.97),
        (200, "QA", None, 3.45),
        (8000, "33HQ", None, 254),
    ],
)
def test_data_that_a_mixture_saves(plan: float, mixture: str, tokens: float | None, ratio: float) -> None:
    """Web's loss at the plan is reached by the mixture with fewer tokens; at 8,000 the formula alone gives 254 times fewer."""
    found = tokens_for(DATA[mixture], loss("CC", plan), 0.5, 1e5)
    assert found is not None
    assert plan / found == pytest.approx(ratio, rel=6e-3)
    assert tokens is None or found == pytest.approx(tokens, rel=1e-3)


def test_a_loss_below_the_asymptote_is_never_reached() -> None:
    assert loss("CC", 200) == pytest.approx(2.9192, abs=1e-4)
    assert loss("33HQ", 34) == pytest.approx(TABLE_4["CC"][2], abs=2e-3)
    assert tokens_for(DATA["CC"], loss("33HQ", 40), 0.5, 1e9) is None


def test_sizes_cross_where_they_do() -> None:
    gap = [size_loss("QA", n) - size_loss("CC", n) for n in (0.4, 0.485, 1.0, 2.03, 3.0)]
    assert gap[1] == pytest.approx(0, abs=1e-3)
    assert gap[3] == pytest.approx(0, abs=1e-3)
    assert np.sign([gap[0], gap[2], gap[4]]).tolist() == [1, -1, 1]


def test_the_gap_of_a_third_of_textbooks_narrows_with_size() -> None:
    """By Table 5: 0.073 below web at one billion parameters, 0.032 at two hundred, which is far outside its data."""
    gaps = [size_loss("CC", n) - size_loss("33TX", n) for n in (1.0, 200.0)]
    assert gaps == pytest.approx([0.073, 0.032], abs=5e-4)


def test_the_two_tables_meet_at_one_billion_parameters_and_fifty_billion_tokens() -> None:
    apart = {name: loss(name, 50) / size_loss(name, 1) - 1 for name in TABLE_4}
    far = {name for name, one in apart.items() if abs(one) > 0.009}
    assert far == {"QA", "67QA"}
    assert abs(apart["QA"]) == pytest.approx(0.035, abs=2e-3)
    assert abs(apart["67QA"]) == pytest.approx(0.017, abs=2e-3)


def test_irreducible_losses_rank_otherwise_in_either_table() -> None:
    by_data = sorted(TABLE_4, key=lambda name: TABLE_4[name][2])
    assert by_data == ["33HQ", "67HQ", "67QA", "33QA", "33TX", "QA", "67TX", "HQ", "CC", "TX"]
    by_size = sorted(TABLE_5, key=lambda name: TABLE_5[name][2])
    assert by_size[0] == "33QA"
    assert {name for name in TABLE_5 if TABLE_5[name][2] > TABLE_5["CC"][2]} == {"TX", "QA", "HQ", "67TX"}


def test_rephrased_data_alone_is_faster_than_web_in_table_4() -> None:
    """Against the paper's sentence that it is not: beyond 3.1 billion tokens."""
    found = crossings_of(DATA["CC"], DATA["QA"], 1, 1000)
    assert found == pytest.approx([3.1], rel=0.02)
