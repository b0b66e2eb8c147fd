"""Which rows are held: exact while they are few, by a random share of them where they are many, and never more than that."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.valuation import held_rows
from mixval.valuation.held_rows import HeldRows, row_keys


def keys(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


def test_shares_are_exact_while_all_keys_are_kept() -> None:
    held = HeldRows.of(keys(0, 50)) + HeldRows.of(keys(1, 30))
    batch = np.concatenate([keys(0, 50)[:6], keys(2, 18)])
    found = held.share_of(batch, 0.95)
    assert found is not None
    assert (found.share, found.low, found.high, found.compared) == (0.25, 0.25, 0.25, 24)
    assert HeldRows.of(np.zeros(0, np.uint64)).share_of(batch, 0.95).share == 0  # type: ignore[union-attr]
    assert held.share_of(np.zeros(0, np.uint64), 0.95) is None


def test_many_rows_are_kept_by_a_share_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_rows, "MOST_KEYS", 1000)
    sources = [keys(seed, 900) for seed in range(20)]
    held = HeldRows.of(sources[0])
    for one in sources[1:]:
        held = held + HeldRows.of(one)
    whole = HeldRows.of(np.concatenate(sources))
    np.testing.assert_array_equal(held.keys, whole.keys)  # whatever the order in which they came
    assert 400 < len(held.keys) <= 1000
    assert held.halvings == whole.halvings == 5
    stored = HeldRows.from_arrays(held.to_arrays())
    inside, shares = 0, []
    for seed in range(40):
        batch = np.concatenate([sources[3][seed * 15 : seed * 15 + 300], keys(100 + seed, 700)])
        found = stored.share_of(batch, 0.95)
        assert found is not None
        inside += found.low <= 0.3 <= found.high
        shares.append(found.share)
    assert np.mean(shares) == pytest.approx(0.3, abs=0.05)
    assert inside >= 34
    # Of a batch of few rows hardly one is in the share.
    assert stored.share_of(keys(0, 60), 0.95) is None


def test_a_row_with_another_label_is_another_row() -> None:
    digests = np.random.default_rng(0).integers(0, 256, (50, 16)).astype(np.uint8)
    labels = np.arange(50)
    plain, labelled, other = row_keys(digests), row_keys(digests, labels), row_keys(digests, labels + 1)
    assert len(np.unique(np.concatenate([plain, labelled, other]))) == 150
    np.testing.assert_array_equal(row_keys(digests, labels), labelled)
    changed = digests.copy()
    changed[:, 15] ^= 1
    assert not np.isin(row_keys(changed, labels), labelled).any()
    with pytest.raises(ShapeError, match=r"expected \(N, 16\) uint8"):
        row_keys(digests[:, :8])
    with pytest.raises(ShapeError, match=r"expected \(N,\) uint64"):
        HeldRows.of(labels)
