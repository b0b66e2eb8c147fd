"""The forms of the MMD: each gives its own file's estimate, replicates of halves, and the spread that draws have."""

import math
from functools import cache

import numpy as np
import pytest

from mixval.terms.discrepancy import kernel as kernel_file
from mixval.terms.discrepancy.forms import FORMS, Form, Rows
from mixval.terms.discrepancy.mmd import mmd_deviations
from mixval.terms.discrepancy.random_features import embed, embedding_mmd, fourier_features
from mixval.terms.replicates import interval, row_multipliers
from tests.terms.discrepancy.whole_mmd import mmd

BANDWIDTHS = (0.5, 1.0, 3.0)
WIDTH = 3


def rows(n: int, shift: float = 0.0, seed: int = 0, replicates: int = 6, width: int = WIDTH) -> Rows:
    draw = np.random.default_rng([seed, n])
    keys = draw.integers(0, 2**63, size=n).astype(np.uint64)
    return Rows(draw.normal(size=(n, width)) + shift, keys, row_multipliers(keys, replicates, 0))


def form(**given: object) -> Form:
    chosen = {"bandwidths": BANDWIDTHS, "combine": "mean", "estimator": "unbiased", "scale": "root", "n_frequencies": 48}
    return Form(**(chosen | {"seed": 3} | given))


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize("scale", ["root", "squared"])
def test_exact_is_the_mmd_of_all_rows(estimator: str, scale: str) -> None:
    target, part = rows(12), rows(9, 0.8, seed=1)
    found, shifts = FORMS["exact"](target, form(estimator=estimator, scale=scale))(part)
    whole = mmd(target.features, part.features, BANDWIDTHS, "mean", estimator, scale)
    assert (found.value, found.squared) == pytest.approx((whole.value, whole.squared), rel=1e-11)
    wanted = mmd_deviations(whole, scale, target.multipliers, part.multipliers)
    np.testing.assert_allclose(shifts, wanted, rtol=1e-9, atol=1e-12)
    assert found.diagnostics() == {"squared": found.squared, "squared_se": found.standard_error}


@pytest.mark.parametrize("combine", ["mean", "sum"])
@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize("scale", ["root", "squared"])
def test_random_features_are_the_embeddings_of_all_rows(combine: str, estimator: str, scale: str) -> None:
    target, part = rows(700), rows(9, 0.8, seed=1)  # more than a block of rows
    found, shifts = FORMS["random-features"](target, form(combine=combine, estimator=estimator, scale=scale))(part)
    drawn = fourier_features(BANDWIDTHS, WIDTH, 48, 3, combine)

    of_target = embed(drawn, target.features, target.keys)
    whole = embedding_mmd(of_target, embed(drawn, part.features, part.keys), estimator, scale)
    assert found.squared == pytest.approx(whole.squared, rel=1e-10)
    assert found.diagnostics()["approximation_error"] == pytest.approx(whole.approximation_error, rel=1e-10)
    assert shifts.std() > 0


@pytest.mark.parametrize("method", FORMS)
def test_the_order_of_rows_does_not_matter(method: str) -> None:
    target, part = rows(30), rows(21, 0.5, seed=1)
    order = np.random.default_rng(0).permutation(21)
    shuffled = Rows(part.features[order], part.keys[order], part.multipliers[:, order])
    against = FORMS[method](target, form())
    (found, replicates), (again, same) = against(part), against(shuffled)
    assert again.squared == pytest.approx(found.squared, rel=1e-10)
    assert again.standard_error == pytest.approx(found.standard_error, rel=1e-8)
    np.testing.assert_allclose(same, replicates, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", FORMS)
def test_without_replicates_there_are_no_deviations(method: str) -> None:
    target, part = rows(12, replicates=0), rows(9, 0.5, seed=1, replicates=0)
    found, replicates = FORMS[method](target, form())(part)
    assert replicates.shape == (0,)
    with_replicates = FORMS[method](rows(12), form())(rows(9, 0.5, seed=1))[0]
    assert found.squared == pytest.approx(with_replicates.squared, rel=1e-11)


def squared_of_gaussians(shift: float, bandwidth: float, width: int) -> float:
    """MMD^2 between N(0, I) and N(shift, I): E k is that of their difference, a Gaussian of variance 2."""
    wide = bandwidth**2 + 2
    return 2 * (bandwidth**2 / wide) ** (width / 2) * (1 - math.exp(-width * shift**2 / (2 * wide)))


N_DRAWN = 60
"""Rows of each side, for which an estimate is rarely clamped."""


@cache
def names_and_multipliers(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    fixed = rows(n, seed=seed, replicates=60)
    return fixed.keys, fixed.multipliers


def drawn(n: int, shift: float, seed: int) -> Rows:
    """Fresh rows under the same keys, which no estimate depends on."""
    values = np.random.default_rng([seed, n, 7]).normal(size=(n, 4)) + shift
    return Rows(values, *names_and_multipliers(n, seed % 3))


def drawn_intervals(method: str, n: int, shift: float, draws: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates, their standard errors by replicates, and 90% intervals, over draws of T and of a part."""
    estimates, errors, ends = [], [], []
    asked = form(bandwidths=(2.0,), scale="squared", n_frequencies=128)
    for seed in range(draws):
        found, shifts = FORMS[method](drawn(n, 0.0, 3 * seed), asked)(drawn(n, shift, 3 * seed + 1))
        estimates.append(found.squared)
        errors.append(shifts.std(ddof=1))
        ends.append(interval(found.value, shifts, 0.9))
    return np.array(estimates), np.array(errors), np.array(ends)


@pytest.mark.parametrize("method", FORMS)
def test_intervals_cover_what_they_claim(method: str) -> None:
    truth = squared_of_gaussians(0.7, 2.0, 4)
    estimates, errors, ends = drawn_intervals(method, N_DRAWN, 0.7, 200)
    frequencies = 0.06 * truth if method == "random-features" else 0.0
    assert abs(estimates.mean() - truth) < 3.5 * estimates.std() / math.sqrt(200) + frequencies
    # 200 draws know a standard deviation to 5%, a share of nine tenths to 2.1%.
    assert math.sqrt((errors**2).mean()) / estimates.std() == pytest.approx(1.0, abs=0.2)
    covered = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    assert 0.83 <= covered.mean() <= 0.985


def test_random_features_have_intervals_as_wide() -> None:
    widths: dict[str, float] = {method: float(drawn_intervals(method, 200, 0.7, 10)[1].mean()) for method in FORMS}
    assert widths["random-features"] == pytest.approx(widths["exact"], rel=0.15)


@pytest.mark.parametrize("method", FORMS)
def test_a_shared_target_cancels_between_contributors(method: str) -> None:
    """The spread of a difference of two parts' replicates is that of the difference over draws, T being one for both."""
    gaps, errors, apart = [], [], []
    n = N_DRAWN
    for seed in range(100):
        against = FORMS[method](drawn(n, 0.0, 3 * seed), form(bandwidths=(2.0,), scale="squared"))
        (one, of_one), (other, of_other) = (against(drawn(n, 1.0, 3 * seed + i)) for i in (1, 2))
        gaps.append(one.squared - other.squared)
        errors.append((of_one - of_other).var(ddof=1))
        apart.append(of_one.var(ddof=1) + of_other.var(ddof=1))
    # 100 draws know a standard deviation to 7%.
    assert math.sqrt(np.mean(errors)) / np.std(gaps) == pytest.approx(1.0, abs=0.21)
    assert np.mean(errors) < 0.8 * np.mean(apart)


@pytest.mark.parametrize("columns", [1, 5, 17])
def test_a_block_of_columns_may_end_anywhere(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    target, part = rows(23), rows(17, 0.8, seed=1)
    whole, of_halves = FORMS["exact"](target, form())(part)
    monkeypatch.setattr(kernel_file, "BLOCK_COLUMNS", columns)
    found, replicates = FORMS["exact"](target, form())(part)
    assert found.squared == pytest.approx(whole.squared, rel=1e-11)
    assert found.standard_error == pytest.approx(whole.standard_error, rel=1e-10)
    np.testing.assert_allclose(replicates, of_halves, rtol=1e-9)
