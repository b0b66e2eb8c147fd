"""Lemma 1: exact errors against plain sums and simulated draws, known slopes and bends, other generators, counts."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.scaling.expected_error import Correctness, array_error, excess, expected_error, floor, log_slope
from mixval.scaling.knowledge import Generator, Mixture, power_sum
from mixval.scaling.laws import Floats
from mixval.scaling.phases import bends, breakpoints, phase_error, slope_far_away
from mixval.scaling.tail_counts import coverage, shares, unseen_pieces

CUT = Generator("cut", 70)
SOFT = Correctness(a=0.9, alpha=0.3, b=0.2, lambda_=0.5)


def plain(mixture: Mixture, n: float, correct: Correctness, last: int) -> float:
    """The error as the formula says it, over the first ranks; those beyond count as never seen, and wrong."""
    i = np.arange(1, last + 1, dtype=float)
    p = mixture.p(i)
    synthetic = np.where(i <= 70, p, 0.0)
    q = mixture.real * p + (1 - mixture.real) * synthetic / synthetic.sum()
    unseen = (1 - q) ** n
    right = (1 - unseen) * correct.a * i**-correct.alpha + unseen * correct.b * i**-correct.lambda_
    return float(p @ (1 - right) + 1 - p.sum())


@pytest.mark.parametrize("correct", [Correctness(), SOFT], ids=["hard", "soft"])
@pytest.mark.parametrize("n", [50.0, 4_900.0, 3e5])
def test_far_ranks_are_integrated_as_if_they_were_summed(n: float, correct: Correctness) -> None:
    """Plain sums leave out ranks beyond two million, which weigh 3e-7 here; with b > 0 some of those would be right."""
    mixture = Mixture(2, 0.0625, CUT)
    assert expected_error(mixture, np.array([n]), correct)[0] == pytest.approx(plain(mixture, n, correct, 2_000_000), abs=1e-6)


def test_finitely_many_pieces_are_summed() -> None:
    mixture = Mixture(1.5, 0.1, CUT, n_items=50_000)
    n = np.array([1e3, 1e5, 1e7])
    assert expected_error(mixture, n, SOFT) == pytest.approx([plain(mixture, one, SOFT, 50_000) for one in n], rel=1e-9)


def test_power_sums_are_those_of_their_terms() -> None:
    assert power_sum(1.3, 200_000) == pytest.approx(float((np.arange(1, 200_001) ** -1.3).sum()), rel=1e-12)
    assert power_sum(2.0, None) == pytest.approx(np.pi**2 / 6, rel=1e-14)


def test_simulated_draws_agree() -> None:
    """2,000 training sets of 2,000 rows each over 300 pieces; the tolerance is four standard errors."""
    mixture, draw = Mixture(1.5, 0.2, Generator("cut", 20), n_items=300), np.random.default_rng(0)
    p = mixture.p(np.arange(1, 301.0))
    synthetic = np.where(np.arange(300) < 20, p, 0)
    q = 0.2 * p + 0.8 * synthetic / synthetic.sum()
    seen = draw.multinomial(2_000, q / q.sum(), 2_000) > 0
    right = np.where(seen, SOFT.a * np.arange(1, 301.0) ** -SOFT.alpha, SOFT.b * np.arange(1, 301.0) ** -SOFT.lambda_)
    errors = 1 - right @ p
    exact = expected_error(mixture, np.array([2_000.0]), SOFT)[0]
    assert exact == pytest.approx(errors.mean(), abs=4 * errors.std() / np.sqrt(2_000))


@pytest.mark.parametrize(
    ("beta", "k", "real", "flattest", "first", "second"),
    [
        (2, 70, 0.0625, -0.0862, 1.609, 1.635),
        (2, 70, 0.01, -0.0200, 1.482, 1.635),
        (2, 70, 0.001, -0.00277, 1.463, 1.635),
        (1.5, 200, 0.0625, -0.0597, 2.257, 2.323),
        (1.5, 200, 0.001, -0.00196, 2.036, 2.323),
        (3, 20, 0.0625, -0.1079, 1.340, 1.391),
        (3, 20, 0.001, -0.00338, 1.228, 1.391),
    ],
)
def test_a_plateau_is_a_bend(beta: float, k: int, real: float, flattest: float, first: float, second: float) -> None:
    """The flattest slope, and half-way slopes as multiples of k^beta and k^beta / pi."""
    mixture = Mixture(beta, real, Generator("cut", k))
    found, (formula_first, formula_second) = bends(mixture), breakpoints(mixture)
    assert found.first is not None
    assert found.second is not None
    assert found.flattest == pytest.approx(flattest, rel=5e-3)
    assert found.first / formula_first == pytest.approx(first, rel=1e-3)
    assert found.second / formula_second == pytest.approx(second, rel=1e-3)
    assert log_slope(mixture, np.array([1e12]))[0] == pytest.approx(slope_far_away(beta), abs=1e-6)


def test_slopes_are_those_of_the_error() -> None:
    for mixture in (
        Mixture(2, 0.05, CUT),
        Mixture(2, 0.05, Generator("finite", 3_000)),
        Mixture(2, 0.05, Generator("temperature", 0.6)),
    ):
        n = np.array([3e2, 1e4, 1e6])
        above, below = (np.log(excess(mixture, n * np.exp(side), SOFT)) for side in (1e-4, -1e-4))
        assert log_slope(mixture, n, SOFT) == pytest.approx((above - below) / 2e-4, rel=1e-6)


def test_a_hundred_classes_have_no_plateau() -> None:
    """The paper's experiment: its p-weighted error is below a test set's noise, the class-balanced one is not."""
    mixture = Mixture(2, 0.0625, CUT, n_items=100)
    found, (first, second) = bends(mixture), breakpoints(mixture)
    assert (first, second) == (4_900, 78_400)
    assert found.first is not None
    assert found.second is not None
    assert found.flattest == pytest.approx(-0.22, abs=5e-3)
    assert found.first / first == pytest.approx(4.67, abs=0.02)
    assert found.second / second == pytest.approx(0.547, abs=5e-3)
    n = np.array([first, second])
    assert expected_error(mixture, n) == pytest.approx([0.0052, 0.00167], rel=0.01)
    assert expected_error(mixture, n, is_balanced=True) == pytest.approx([0.41, 0.20], abs=0.005)
    p = mixture.p(np.arange(1, 101.0))
    assert p[70:].sum() == pytest.approx(0.0026, abs=5e-5)
    assert p[:10].sum() == pytest.approx(0.95, abs=5e-3)
    with pytest.raises(ShapeError, match="expected finitely many pieces"):
        expected_error(Mixture(2, 0.0625, CUT), n, is_balanced=True)


def test_a_floor_stays() -> None:
    mixture = Mixture(2, 0.0625, CUT)
    assert floor(mixture, Correctness()) == pytest.approx(0, abs=1e-12)
    ranks = np.arange(1, 3_000_000, dtype=float)
    assert floor(mixture, SOFT) == pytest.approx(1 - float(mixture.p(ranks) @ (0.9 * ranks**-0.3)), abs=1e-6)
    assert expected_error(mixture, np.array([1e12]), SOFT)[0] == pytest.approx(floor(mixture, SOFT), abs=1e-4)


def test_the_formula_has_three_phases() -> None:
    mixture = Mixture(2, 0.0625, CUT)
    errors, phase = phase_error(mixture, np.array([100.0, 4_900, 20_000, 78_400, 1e6]))
    assert phase.tolist() == [1, 1, 2, 3, 3]
    assert errors == pytest.approx([0.1 + 2 / 70, 1 / 70 + 2 / 70, 2 / 70, 1 / 70, 1 / 250])
    with pytest.raises(ShapeError, match="cut at a rank"):
        breakpoints(Mixture(2, 0.1, Generator("temperature", 0.5)))


def test_soft_truncation() -> None:
    """The head that weighs 95 % is twelve ranks; a temperature below 1 makes a flatter stretch, and one of 1 nothing."""
    assert Mixture(2, 0.1, Generator("top-p", 0.95)).kept == 12
    assert (
        float(Mixture(2, 0.1, CUT).p(np.arange(1, 13.0)).sum()) > 0.95 > float(Mixture(2, 0.1, CUT).p(np.arange(1, 12.0)).sum())
    )
    n = np.array([1e3, 1e5])
    same = expected_error(Mixture(2, 0.1, Generator("temperature", 1.0)), n)
    assert same == pytest.approx(expected_error(Mixture(2, 1.0, CUT), n), rel=1e-9)
    cold = bends(Mixture(2, 0.0625, Generator("temperature", 0.5)), is_relative=True)
    assert slope_far_away(2) < cold.flattest < 0
    assert cold.second is not None


def test_a_finite_sample_leaves_out_what_it_has_not_drawn() -> None:
    """Against simulated samples: m rows of real data, then counts / m as p'."""
    mixture, draw = Mixture(1.5, 0.1, Generator("finite", 500), n_items=200), np.random.default_rng(1)
    p = mixture.p(np.arange(1, 201.0))
    counts = draw.poisson(500 * p, (4_000, 200))
    left = np.exp(-1_000 * (0.1 * p + 0.9 * counts / 500)) @ p
    assert expected_error(mixture, np.array([1_000.0]))[0] == pytest.approx(left.mean(), abs=4 * left.std() / np.sqrt(4_000))


def test_shares_of_any_form() -> None:
    mixture = Mixture(1.5, 0.2, Generator("cut", 20), n_items=300)
    p = mixture.p(np.arange(1, 301.0))
    synthetic = np.where(np.arange(300) < 20, p, 0)
    n = np.array([1e2, 1e4])
    assert array_error(p, synthetic / synthetic.sum(), 0.2, n, SOFT) == pytest.approx(
        expected_error(mixture, n, SOFT), rel=1e-9
    )
    with pytest.raises(ShapeError, match="two vectors of one length that sum to 1"):
        array_error(p, synthetic, 0.2, n)


@pytest.mark.parametrize(
    ("counts", "covered", "unseen"), [([5, 3, 2], 1.0, 0), ([4, 1, 1], 1 - 1 / 3, 1), ([4, 2, 1, 1, 1], 1 - 3 / 9 * 24 / 26, 4)]
)
def test_counts_have_a_tail(counts: list[int], covered: float, unseen: int) -> None:
    found: Floats = np.array(counts, dtype=float)
    assert coverage(found) == pytest.approx(covered)
    assert unseen_pieces(found) == unseen
    made = shares(found)
    assert made.sum() == pytest.approx(1)
    assert made[: len(counts)].sum() == pytest.approx(covered)
    assert len(made) == len(counts) + unseen


def test_coverage_is_that_of_the_truth() -> None:
    """Mean over 200 samples of 1,000 rows: estimated against true coverage, within 0.01."""
    p = np.arange(1, 2_001) ** -1.2
    p /= p.sum()
    draw = np.random.default_rng(0)
    samples = draw.multinomial(1_000, p, 200)
    true = np.array([p[one > 0].sum() for one in samples])
    assert np.mean([coverage(one) for one in samples.astype(float)]) == pytest.approx(true.mean(), abs=0.01)


@pytest.mark.parametrize("counts", [[], [0, 0], [1.5], [-1, 3]])
def test_what_are_no_counts(counts: list[float]) -> None:
    with pytest.raises(ShapeError, match="expected whole numbers"):
        coverage(np.array(counts))


@pytest.mark.parametrize(("kind", "at"), [("soft", 1), ("cut", 0), ("top-p", 1.5), ("temperature", 0), ("finite", 0.5)])
def test_what_is_no_generator(kind: str, at: float) -> None:
    with pytest.raises(ShapeError, match="generator"):
        Generator(kind, at)


def test_what_is_no_mixture() -> None:
    with pytest.raises(ShapeError, match="expected more than 1"):
        Mixture(0.9, 0.5, CUT)
    with pytest.raises(ShapeError, match="expected a share"):
        Mixture(2, 1.5, CUT)
