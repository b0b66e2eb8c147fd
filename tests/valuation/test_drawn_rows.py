"""Random shares of rows: against many draws, each regressed by itself."""

from __future__ import annotations

import numpy as np
import pytest
from test_mixtures import DAMPING, Q, Rows, mixtures, side

from mixval.terms.ntk.regression import kernel_regression
from mixval.valuation.mixtures import MixedPart, Mixtures

TARGET = Rows(0, 200)
PARTS = {"real": Rows(1, 160), "synthetic": Rows(2, 160, share_wrong=0.6)}
SHARES = {"real": 0.15, "synthetic": 0.4}


def over_draws(shares: dict[str, float], is_causal: bool, n_draws: int = 150) -> tuple[float, float]:
    """Mean value, and root of the mean squared displacement, of draws, at the lambda of the mean row."""
    drawn, objective, found = np.random.default_rng(5), TARGET.objective(is_causal), []
    weights = np.concatenate([np.full(len(one.phi), shares[name]) for name, one in PARTS.items()])
    every = np.concatenate([one.phi for one in PARTS.values()])
    mean = np.zeros(Q) if is_causal else np.average(every, axis=0, weights=weights)
    lam = DAMPING * float(np.average((every**2).sum(axis=1), weights=weights) - mean @ mean)
    for _ in range(n_draws):
        taken = [(one, drawn.random(len(one.phi)) < shares[name]) for name, one in PARTS.items()]
        phi = np.concatenate([one.phi[chosen] for one, chosen in taken])
        right = np.concatenate([one.right(is_causal)[chosen] for one, chosen in taken])
        change = kernel_regression(phi @ phi.T, TARGET.phi @ phi.T, right).change(lam, "absolute")
        found.append((objective.value(change.values), change.displacement**2))
    value, squared = np.mean(found, axis=0)
    return float(value), float(np.sqrt(squared))


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("shares", [SHARES, {"real": 0.15, "synthetic": 0.0}, {"real": 1.0, "synthetic": 0.2}])
def test_a_share_is_worth_what_draws_of_it_are_in_the_mean(shares: dict[str, float], is_causal: bool) -> None:
    value, moved = over_draws(shares, is_causal)
    whole = mixtures(PARTS, TARGET, is_causal)
    found, counted = whole.drawn(shares), whole.worth(shares)
    empty = TARGET.objective(is_causal).empty_value
    assert found.value.value - empty == pytest.approx(value - empty, rel=0.12)
    assert found.displacement.value == pytest.approx(moved, rel=0.05)
    if shares is SHARES and not is_causal:  # rows counted by a fraction have less noise than any that are drawn
        assert abs(counted.value.value - value) > 2 * abs(found.value.value - value)


def test_all_rows_drawn_are_all_rows_and_more_are_counted() -> None:
    whole = mixtures(PARTS, TARGET)
    for shares in ({}, {"synthetic": 0.0}, {"real": 2.0, "synthetic": 3.0}):
        one, other = whole.drawn(shares), whole.worth(shares)
        assert one.value.value == other.value.value
        np.testing.assert_array_equal(one.value.deviations, other.value.deviations)
    near = whole.drawn({"real": 1 - 1e-9}).value.value
    assert near == pytest.approx(whole.worth({}).value.value, abs=1e-4)


def test_a_share_without_rows_to_look_at_is_counted() -> None:
    whole = Mixtures({"real": MixedPart.of(PARTS["real"].player(replicates=0))}, side(TARGET))
    assert whole.drawn({"real": 0.5}).value.value == whole.worth({"real": 0.5}).value.value
