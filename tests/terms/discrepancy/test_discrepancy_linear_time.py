"""The linear-time MMD against a loop over pairs, its independence of blocks, its standard error, its hashed order."""

import math

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.discrepancy.kernel import Kernel, make_kernel
from mixval.terms.discrepancy.linear_time import hashed_order, linear_time_mmd
from mixval.terms.discrepancy.mmd import mmd

BANDWIDTHS = (0.5, 1.0, 3.0)


def features(n: int, shift: float = 0.0, seed: int = 0, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)) + shift


def kernel(combine: str = "mean", block_rows: int = 512, width: int = 3) -> Kernel:
    return make_kernel(features(4, width=width), BANDWIDTHS, combine, block_rows)


def pairs_by_loops(target: np.ndarray, part: np.ndarray, combine: str) -> list[float]:
    def k(x: np.ndarray, y: np.ndarray) -> float:
        values = [math.exp(-float(((x - y) ** 2).sum()) / (2 * s**2)) for s in BANDWIDTHS]
        return sum(values) / (len(values) if combine == "mean" else 1)

    pairs = range(min(len(target), len(part)) // 2)
    chosen = [(target[2 * i], target[2 * i + 1], part[2 * i], part[2 * i + 1]) for i in pairs]
    return [k(a, b) + k(c, d) - k(a, d) - k(b, c) for a, b, c, d in chosen]


@pytest.mark.parametrize("combine", ["mean", "sum"])
@pytest.mark.parametrize(("m", "n"), [(2, 2), (9, 6), (6, 9), (21, 40)])
@pytest.mark.parametrize("block_rows", [1, 3, 100])
def test_equals_a_loop_however_the_rows_arrive(combine: str, m: int, n: int, block_rows: int) -> None:
    target, part = features(m), features(n, 0.7, seed=1)
    h = pairs_by_loops(target, part, combine)
    arriving = [target[:1], target[1:1], target[1:]], np.array_split(part, 4)
    for target_blocks, part_blocks in (arriving, ([target], iter([part]))):
        found = linear_time_mmd(kernel(combine, block_rows), target_blocks, part_blocks, "squared")
        assert found.n_pairs == len(h)
        assert found.squared == pytest.approx(np.mean(h), rel=1e-12)
        assert found.value == pytest.approx(max(np.mean(h), 0.0), rel=1e-12)
        if len(h) > 1:
            assert found.standard_error == pytest.approx(np.std(h, ddof=1) / math.sqrt(len(h)), rel=1e-10)
        else:
            assert found.standard_error is None


def test_root_is_that_of_the_clamped() -> None:
    apart = linear_time_mmd(kernel(), [features(40)], [features(40, 2.0, seed=1)])
    assert apart.value == pytest.approx(math.sqrt(apart.squared))
    same = linear_time_mmd(kernel(), [features(2)], [features(2)[::-1]])
    assert same.squared < 0
    assert same.value == 0.0


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_estimates_the_same_as_the_quadratic_form_with_its_stated_error(shift: float) -> None:
    values, variances, quadratic = [], [], []
    for seed in range(300):
        draw = np.random.default_rng([seed, 3])
        target, part = draw.normal(size=(60, 2)), draw.normal(size=(60, 2)) + shift
        found = linear_time_mmd(kernel(width=2), [target], [part])
        values.append(found.squared)
        variances.append(found.standard_error**2)
        quadratic.append(mmd(target, part, BANDWIDTHS).squared)
    difference = np.array(values) - np.array(quadratic)
    # Both unbiased: 300 differences average out to within 3.5 standard errors of 0, but for one time in 2000.
    assert abs(difference.mean()) <= 3.5 * difference.std() / math.sqrt(300)
    # 300 draws know a standard deviation to 4%.
    assert math.sqrt(np.mean(variances)) / np.std(values) == pytest.approx(1.0, abs=0.12)
    assert np.std(values) > np.std(quadratic)


def test_reads_no_more_than_it_needs() -> None:
    taken = []

    def endless() -> object:
        for seed in range(1000):
            taken.append(seed)
            yield features(8, seed=seed)

    assert linear_time_mmd(kernel(block_rows=8), endless(), [features(20)]).n_pairs == 10
    assert len(taken) <= 5


def test_the_hashed_order_follows_content() -> None:
    names = np.random.default_rng(0).integers(0, 2**63, size=50).astype(np.uint64)
    order = hashed_order(names, 0)
    assert sorted(order) == list(range(50))
    mixed = np.random.default_rng(1).permutation(50)
    assert names[mixed][hashed_order(names[mixed], 0)].tolist() == names[order].tolist()
    assert hashed_order(names, 1).tolist() != order.tolist()
    # Rows sorted by a feature come in pairs that are alike; hashed they do not, and the estimate is right again.
    target, part = np.sort(features(4000, width=1), axis=0), np.sort(features(4000, seed=1, width=1), axis=0)
    alike = linear_time_mmd(kernel(width=1), [target], [part])
    of_target, of_part = (hashed_order(np.arange(4000, dtype=np.uint64) + np.uint64(start), 0) for start in (0, 4000))
    hashed = linear_time_mmd(kernel(width=1), [target[of_target]], [part[of_part]])
    assert abs(hashed.squared) < 3.5 * hashed.standard_error
    assert alike.squared > 4 * alike.standard_error


def test_misfits_are_refused() -> None:
    with pytest.raises(NumericalError, match="at least 2 rows on each side"):
        linear_time_mmd(kernel(), [features(1)], [features(5)])
    with pytest.raises(NumericalError, match="at least 2 rows on each side"):
        linear_time_mmd(kernel(), [features(5)], [])
    with pytest.raises(ShapeError, match="3 columns, as T has, found 2"):
        linear_time_mmd(kernel(), [features(5)], [features(5, width=2)])
    broken = features(5)
    broken[0, 0] = np.nan
    with pytest.raises(NumericalError, match="features of the part: 1 of 15"):
        linear_time_mmd(kernel(), [features(5)], [broken])
    with pytest.raises(ShapeError, match="uint64 keys, found int64"):
        hashed_order(np.arange(5), 0)
