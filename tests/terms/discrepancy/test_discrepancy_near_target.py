"""Rows near T: those within the radius of one of T's, however many rows there are, and nobody where T tells nothing."""

import numpy as np
import pytest

from mixval.errors import NumericalError
from mixval.terms.discrepancy.near_target import BLOCK_ROWS, RADIUS, nearest, neighbourhood


def test_the_share_is_of_rows_within_the_radius() -> None:
    random = np.random.default_rng(0)
    target = random.normal(size=(30, 5))
    median = np.median([np.linalg.norm(a - b) for at, a in enumerate(target) for b in target[:at]])
    step = np.eye(5)[0] * RADIUS * median
    rows = np.stack([target[3], target[4] + 0.9 * step, target[5] + 1.1 * step, random.normal(size=5) + 9])
    assert neighbourhood(target).near(rows).tolist() == [True, True, False, False]
    far = neighbourhood(target.astype(np.float32) + 1000)  # from the origin
    assert far.count(rows.astype(np.float32) + 1000) == 2
    assert neighbourhood(target).count(np.zeros((0, 5))) == 0


def test_blocks_of_rows_change_nothing() -> None:
    random = np.random.default_rng(1)
    rows, others = random.normal(size=(BLOCK_ROWS + 5, 3)), random.normal(size=(40, 3))
    plain = np.linalg.norm(rows[:, None] - others[None], axis=2).min(axis=1)
    np.testing.assert_allclose(nearest(rows, others), plain, rtol=1e-12)
    assert np.isinf(nearest(rows, others[:0])).all()


def test_a_target_without_distances_tells_nothing() -> None:
    assert neighbourhood(np.ones((4, 2))).count(np.ones((3, 2))) is None
    with pytest.raises(NumericalError, match="NaN or infinite"):
        neighbourhood(np.eye(2)).count(np.full((1, 2), np.nan))
