"""Hashes against their definition as whole matrices, their first two moments over seeds, and known values."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ntk_reference import relative
from ntk_sketch_reference import sketch_matrix
from torch import Tensor

from mixval.terms.ntk.hashing import count_hash, tensor_hash


@pytest.mark.parametrize("room", [16, 32])
@pytest.mark.parametrize("size", [5, 16, 23, 100])
def test_pieces_add_up_to_the_matrix(room: int, size: int) -> None:
    hashed = count_hash(16, size, 3, "a.weight")
    values = torch.randn(4, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    truth = values @ sketch_matrix(hashed, (size, 1)).T
    for step in (1, 7, 16, size):
        sums = torch.zeros(4, room, dtype=torch.float64)
        for low in range(0, size, step):
            high = min(low + step, size)
            hashed.add(sums, values[:, low:high], low, hashed.signs(low, high, values))
        assert relative(sums[:, :16] + (sums[:, 16:] if room > 16 else 0), truth) <= 1e-12, step


@pytest.mark.parametrize("room", [16, 32])
def test_rows_by_number_add_up_to_the_matrix(room: int) -> None:
    hashed, generator = count_hash(16, 12 * 7, 3, "table"), torch.Generator().manual_seed(0)
    rows = torch.randint(12, (3, 5), generator=generator)
    values = torch.randn(3, 5, 7, generator=generator, dtype=torch.float64)
    dense = torch.zeros(3, 12, 7, dtype=torch.float64)
    for i, t in np.ndindex(3, 5):
        dense[i, rows[i, t]] += values[i, t]
    sums = torch.zeros(3, room, dtype=torch.float64)
    hashed.add_rows(sums, rows, values)
    found = sums[:, :16] + (sums[:, 16:] if room > 16 else 0)
    assert relative(found, dense.flatten(1) @ sketch_matrix(hashed, (12, 7)).T) <= 1e-12


@pytest.mark.parametrize("shape", [(5, 7), (6, 40), (40, 3)])
def test_spectrum_of_an_outer_product(shape: tuple[int, int]) -> None:
    hashed, generator = tensor_hash(16, shape, 3, "a.weight"), torch.Generator().manual_seed(0)
    left, right = (torch.randn(4, side, generator=generator, dtype=torch.float64) for side in shape)
    short = torch.zeros(4, 16, dtype=torch.float64)
    hashed.columns.add(short, right, 0, hashed.columns.signs(0, shape[1], right))
    found = torch.fft.irfft(hashed.spectrum(left) * torch.fft.rfft(short), n=16)
    outer = (left[:, :, None] * right[:, None, :]).flatten(1)
    assert relative(found, outer @ sketch_matrix(hashed, shape).T) <= 1e-12


def _same_place(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """All weight on coordinates a whole number of runs apart, the worst for runs that were not rotated."""
    x = torch.zeros(*shape, dtype=torch.float64)
    x.view(-1)[::16] = 1
    return x, x


def _one_column(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    x = torch.zeros(*shape, dtype=torch.float64)
    x[:, 1] = 1
    return x, x


def _outer(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.outer(*(torch.randn(side, generator=generator, dtype=torch.float64) for side in shape)) for _ in range(2))
    return x, y


def _half_apart(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A rectangle whose columns lie q / 2 apart: both of its diagonals meet at once."""
    x = torch.zeros(*shape, dtype=torch.float64)
    x[:2, 0] = x[:2, 8] = 1
    return x, x


@pytest.mark.parametrize("made", [_same_place, _one_column, _outer, _half_apart])
@pytest.mark.parametrize("kind", ["count", "tensor"])
def test_products_are_unbiased_with_the_stated_variance(
    kind: str, made: Callable[[tuple[int, int]], tuple[Tensor, Tensor]]
) -> None:
    shape, width, draws = (12, 20), 16, 3000
    x, y = made(shape)
    scale, exact = float(x.norm() * y.norm()), float((x * y).sum())
    found = np.empty(draws)
    for seed in range(draws):
        hashed = tensor_hash(width, shape, seed, "w") if kind == "tensor" else count_hash(width, 240, seed, "w")
        sketched = torch.stack([x.flatten(), y.flatten()]) @ sketch_matrix(hashed, shape).T
        found[seed] = float(sketched[0] @ sketched[1]) / scale
    deviation = float(found.std())
    # Four standard errors; the variance of a variance is that of its fourth moment, 1.3 is beyond it here.
    assert abs(found.mean() - exact / scale) <= 4 * deviation / draws**0.5
    assert deviation**2 <= 1.3 * (2 if kind == "count" else 8) / width


def test_sketches_are_keyed_by_seed_and_name() -> None:
    one, again = (count_hash(64, 1000, 3, "a.weight") for _ in range(2))
    assert np.array_equal(one.bits, again.bits)
    assert np.array_equal(one.rotations, again.rotations)
    for other in (count_hash(64, 1000, 4, "a.weight"), count_hash(64, 1000, 3, "b.weight")):
        share = np.unpackbits(one.bits ^ other.bits).mean()
        assert 0.4 < share < 0.6
    # Known values: a sketch stored by one release must mean the same to the next.
    assert one.bits[:4].tolist() == KNOWN_BITS
    product = tensor_hash(64, (4, 3), 3, "a.weight")
    assert product.buckets.tolist() == KNOWN_BUCKETS
    assert product.columns.rotations.tolist() == KNOWN_ROTATIONS


KNOWN_BITS = [235, 192, 191, 114]
KNOWN_BUCKETS = [27, 41, 3, 52]
KNOWN_ROTATIONS = [42]
