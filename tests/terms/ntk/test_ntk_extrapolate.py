"""Terms over nested rows equal the dense ones; curves of known shape are found, and the standard error is worth its name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.extrapolate import extrapolated, nested_terms
from mixval.terms.ntk.quadratic import quadratic_form

SIZES = np.array([64, 128, 256, 512, 1024])


def decaying(n: int, decay: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """As many features as rows, of variance k^-decay, and a residual that is a smooth function of them with noise on top."""
    generator = np.random.default_rng(seed)
    k = np.arange(1, n + 1)
    features = generator.normal(size=(n, len(k)))
    gradients = features * k ** (-decay / 2)
    return gradients @ gradients.T, 0.5 + 0.3 * features @ (generator.normal(size=len(k)) / k) + 0.1 * generator.normal(size=n)


@pytest.mark.parametrize("mode", ["absolute", "relative"])
@pytest.mark.parametrize("block_size", [37, 1024])
def test_nested_terms_are_those_of_the_leading_rows(mode: str, block_size: int) -> None:
    theta, r = decaying(333, 1.5, 0)
    found = nested_terms(theta, r, 1e-2, mode, block_size=block_size)
    assert found.sizes.tolist() == [20, 41, 83, 166, 333]
    for n, term, damping in zip(found.sizes, found.terms, found.dampings, strict=True):
        exact = quadratic_form(theta[:n, :n], r[:n], 1e-2, mode)
        assert (term, damping) == (pytest.approx(exact.term, rel=1e-10), pytest.approx(exact.damping))


def test_no_more_than_five_halvings() -> None:
    assert nested_terms(np.eye(1000), np.ones(1000), 1.0, "absolute").sizes.tolist() == [31, 62, 125, 250, 500, 1000]


def test_nested_terms_by_a_provider_are_the_same() -> None:
    theta, r = decaying(256, 1.5, 1)
    provided = nested_terms(lambda a, b: theta[a, b], r, 1e-2, block_size=50)
    np.testing.assert_allclose(provided.terms, nested_terms(theta, r, 1e-2, block_size=50).terms, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    a=st.floats(0.1, 2.0),
    b=st.floats(0.3, 3.0),
    c=st.floats(0.2, 1.5),
    n=st.integers(1024, 8192),
)
def test_an_offset_power_law_is_found(a: float, b: float, c: float, n: int) -> None:
    found = extrapolated(SIZES, a + b * SIZES**-c, n)
    assert found.curve == "offset-power"
    assert found.term == pytest.approx(a + b * n**-c, rel=1e-4)  # the search for c ends at 1e-5 of its logarithm
    assert found.standard_error < 1e-3 * found.term
    assert (found.n, found.measured_n, found.degrees_of_freedom) == (n, 1024, 2)


@settings(max_examples=30, deadline=None)
@given(b=st.floats(0.01, 10.0), c=st.floats(-0.5, 1.5), n=st.integers(1024, 8192))
def test_a_power_law_is_found(b: float, c: float, n: int) -> None:
    found = extrapolated(SIZES, b * SIZES**-c, n)
    assert found.term == pytest.approx(b * n**-c, rel=1e-4)
    assert found.standard_error < 1e-3 * found.term


def test_the_standard_error_covers_nested_noise() -> None:
    generator = np.random.default_rng(0)
    errors, scores = [], []
    for _ in range(120):
        means = np.cumsum(generator.normal(size=4096) * 0.2) / np.arange(1, 4097)
        truth = 0.3 + 2 * 4096**-0.5 + means[-1]
        found = extrapolated(SIZES, 0.3 + 2 * SIZES**-0.5 + means[SIZES - 1], 4096)
        errors.append((found.term - truth, found.measured_term - truth))
        scores.append(abs(found.term - truth) / found.standard_error)
    root_mean_square = np.sqrt(np.mean(np.square(errors), axis=0))
    assert root_mean_square[0] < 0.7 * root_mean_square[1]  # better than not to extrapolate
    # 68% and 95% for a normal deviate; two degrees of freedom in its variance take some of both.
    assert np.mean(np.array(scores) < 1) > 0.55
    assert np.mean(np.array(scores) < 2) > 0.8


@pytest.mark.parametrize(
    ("decay", "damping", "mode"), [(1.5, 0.1, "absolute"), (1.5, 0.03, "relative"), (2.5, 1e-3, "relative")]
)
def test_kernels_with_decaying_spectra(decay: float, damping: float, mode: str) -> None:
    misses, gaps = [], []
    for seed in range(4):
        theta, r = decaying(1200, decay, seed)
        truth = quadratic_form(theta, r, damping, mode).term
        nested = nested_terms(theta[:300, :300], r[:300], damping, mode)
        found = extrapolated(nested.sizes, nested.terms, 1200)
        assert abs(found.term - truth) < 3 * found.standard_error
        misses.append(abs(found.term - truth))
        gaps.append(abs(found.measured_term - truth))
    assert np.mean(misses) < np.mean(gaps)


def test_a_constant_stays_and_the_result_is_never_negative() -> None:
    assert extrapolated(SIZES, np.full(5, 0.7), 8192).term == pytest.approx(0.7)
    assert extrapolated(SIZES, np.array([5.0, 4.0, 2.5, 1.0, 0.1]), 8192).term >= 0


def test_further_is_less_certain() -> None:
    terms = 0.3 + 2 * SIZES**-0.5 + np.array([0.01, -0.02, 0.01, -0.003, 0.002])
    errors = [extrapolated(SIZES, terms, n).standard_error for n in (1024, 2048, 4096, 8192)]
    assert errors == sorted(errors)


def test_the_standard_error_is_the_sum_that_is_stated() -> None:
    terms = 0.3 + 2 * SIZES**-0.5 + np.array([0.03, -0.02, 0.01, -0.002, 0.001])
    found = extrapolated(SIZES, terms, 8192)
    assert found.curve == "offset-power"
    a, b, c = found.coefficients
    inverse = np.linalg.inv(1 / np.maximum.outer(SIZES, SIZES))
    rest = terms - (a + b * SIZES**-c)
    jacobian, gradient = (np.stack([x**0.0, x**-c, -b * x**-c * np.log(x)], -1) for x in (SIZES, np.array(8192.0)))
    variance = rest @ inverse @ rest / 2
    spread = gradient @ np.linalg.solve(jacobian.T @ inverse @ jacobian, gradient)
    log_columns = np.stack([np.ones(5), np.log(SIZES)], -1)
    level, slope = np.linalg.solve(log_columns.T @ inverse @ log_columns, log_columns.T @ inverse @ np.log(terms))
    chosen, other = (abs(found.held_out_errors[name]) for name in ("offset-power", "log-linear"))
    apart = chosen / other * (np.exp(level) * 8192**slope - found.term) ** 2
    expected = variance * (spread + 1 / 8192) + (6 * chosen) ** 2 + apart  # three doublings: 1 + 2 + 3 times
    assert found.standard_error == pytest.approx(np.sqrt(expected), rel=1e-6)
    assert min(variance * spread, (6 * chosen) ** 2, apart) > 0.01 * expected  # each part is seen


def test_too_far_too_few_and_too_small_are_refused() -> None:
    terms = 0.3 + 2 * SIZES**-0.5
    for n in (1023, 8193):
        with pytest.raises(NumericalError, match=rf"between 1024 and 8192 rows.*found {n}. Raise `ntk.sample`"):
            extrapolated(SIZES, terms, n)
    with pytest.raises(NumericalError, match="at least 5 increasing sizes, found"):
        extrapolated(SIZES[:4], terms[:4], 1024)
    with pytest.raises(NumericalError, match="at least 5 increasing sizes, found"):
        extrapolated(SIZES[::-1], terms, 1024)
    with pytest.raises(NumericalError, match="positive terms, found 0 over 256 rows"):
        extrapolated(SIZES, terms * (SIZES != 256), 1024)
    with pytest.raises(NumericalError, match="nested terms: 1 of 5 numbers"):
        extrapolated(SIZES, np.array([1.0, np.nan, 1.0, 1.0, 1.0]), 1024)
    with pytest.raises(ShapeError, match="a term for each of 5 sizes, found 4"):
        extrapolated(SIZES, terms[:4], 1024)
    with pytest.raises(NumericalError, match="need 256 rows, found 255"):
        nested_terms(np.eye(255), np.ones(255), 1e-2)
