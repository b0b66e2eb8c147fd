"""Where planted synthetic counts stop is found again, with what is lost; where nothing can be told, nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from mixval.corpus.frequencies import excess_variance, shares_of
from mixval.corpus.kept_counts import Sums, Things
from mixval.corpus.truncation import Truncation, truncation
from mixval.errors import ShapeError
from mixval.stages.truncations import clustered, counts_of, directions


def zipf(n: int, exponent: float = 1.0) -> np.ndarray:
    shares = np.arange(1, n + 1.0) ** -exponent
    return shares / shares.sum()


def planted(cut: float, softness: float, seed: int = 0, n: int = 100, rows: int = 3000) -> tuple[Truncation, float]:
    """What is said of a draw, and the mass that was left out."""
    random, shares, ranks = np.random.default_rng(seed), zipf(n), np.arange(1, n + 1.0)
    kept = (ranks <= cut) * 1.0 if not softness else 1 / (1 + (ranks / cut) ** (1 / softness))
    made, order = shares * kept, random.permutation(n)
    counts = random.multinomial(rows, shares), random.multinomial(rows, made / made.sum())
    return truncation(*(one[order] for one in counts)), float(1 - shares @ kept)


@pytest.mark.parametrize(("cut", "softness"), [(30, 0.0), (30, 0.25), (12, 0.1)])
def test_a_planted_cut_is_found_again(cut: float, softness: float) -> None:
    found, lost = planted(cut, softness)
    assert found.reason == ""
    assert found.cut.low <= cut <= found.cut.high < 1.5 * cut
    assert found.softness.low <= softness <= found.softness.high
    assert found.lost.low <= lost <= found.lost.high < lost + 0.1
    assert found.n_things <= 100


def test_what_is_whole_has_no_cut_and_a_bound_on_what_it_lacks() -> None:
    found, _ = planted(np.inf, 0.0)
    assert found.reason == "no cut-off is shown"
    assert np.isnan(found.cut.value)
    assert np.isnan(found.softness.value)
    assert (found.lost.low, found.n_lacking) == (0.0, 0)
    assert found.lost.high < 0.1


def test_things_that_are_all_as_frequent_have_no_ranks_but_may_be_lacking() -> None:
    reference, synthetic = np.full(10, 100), np.array([140] * 7 + [0, 0, 1])
    found = truncation(reference, synthetic)
    assert np.isnan(found.cut.value)
    assert found.reason
    assert (found.n_lacking, found.lacking) == (3, pytest.approx(0.3))


def test_few_rows_say_nothing() -> None:
    assert truncation(np.array([5, 3, 2]), np.array([4, 0, 0])).reason.startswith("too few rows")
    assert truncation(np.array([5, 3]), np.array([0, 0])).reason == "there are no counts"
    assert truncation(np.zeros(4, int), np.ones(4, int)).n_things == 0
    with pytest.raises(ShapeError, match="not empty"):
        shares_of(np.zeros(3, int))


def test_expected_shares_are_those_of_what_came_as_often() -> None:
    """The mean share of what came c times, to about a tenth; of what came once, which smoothing lowers most, to a quarter."""
    random, shares = np.random.default_rng(1), zipf(2000)
    off = []
    for _ in range(5):
        counts = random.multinomial(20_000, shares)
        found = shares_of(counts)
        mean = found.given @ found.nodes
        for count in (1, 2, 3, 5):
            expected = 20_000 * shares[counts == count].mean()
            off.append(mean[found.counts == count][0] / expected - 1)
    assert np.all(np.abs(np.mean(np.reshape(off, (5, 4)), axis=0)) < (0.25, 0.12, 0.12, 0.12))
    assert found.mass.sum() == pytest.approx(1)
    assert np.all(np.diff(found.ranks) < 1e-9)  # none between the most frequent ones


def test_the_likelihood_is_that_of_each_thing_alone() -> None:
    random = np.random.default_rng(2)
    reference = random.multinomial(400, zipf(40))
    synthetic = random.multinomial(300, zipf(40))
    shares = shares_of(reference)
    kept = 1 / (1 + (shares.ranks / 10) ** 4)
    mean, other, phi = 0.8 * shares.nodes * kept, 0.1, 1.4
    expected = 0.0
    for own, made in zip(reference, synthetic, strict=True):
        if own >= 3:
            variance = phi * mean + other * mean**2
            size = mean**2 / (variance - mean)
            each = nbinom.pmf(made, size, size / (size + mean))
            expected += np.log(shares.given[shares.counts == own][0] @ each)
    found = Things.of(reference, synthetic, shares, 3.0).log_likelihood(mean, other, phi)
    assert found == pytest.approx(expected, rel=1e-3)  # nodes of next to no probability are left out
    plain = Things.of(reference, synthetic, shares, 3.0).log_likelihood(mean, 0.0, 1.0)
    direct = sum(
        np.log(shares.given[shares.counts == own][0] @ poisson.pmf(made, mean))
        for own, made in zip(reference, synthetic, strict=True)
        if own >= 3
    )
    assert plain == pytest.approx(direct, rel=1e-3)


def test_sums_add_up_to_all_counts() -> None:
    random = np.random.default_rng(3)
    reference, synthetic = random.multinomial(2000, zipf(300)), random.multinomial(1500, zipf(300))
    shares = shares_of(reference)
    sums = Sums.of(reference, synthetic, shares, np.ones((len(shares.nodes), 1)), 3.0)
    assert sums.observed.sum() == synthetic[reference > 0].sum()
    assert sums.mean.sum() == pytest.approx(shares.multiplicity @ (shares.given @ shares.nodes))
    assert sums.is_rare.any()
    assert not sums.is_rare.all()


def test_counts_that_come_in_clusters_are_told() -> None:
    random = np.random.default_rng(4)
    once = random.multinomial(500, zipf(20), 20)
    assert excess_variance(once) == pytest.approx(1, abs=0.2)
    assert excess_variance(3 * once) == pytest.approx(3, abs=0.6)
    assert excess_variance(once[:1]) == 1


def test_rows_about_centres_are_clustered_by_them() -> None:
    random = np.random.default_rng(5)
    centres = directions(random.standard_normal((8, 12)))
    rows = directions(np.repeat(centres, 30, axis=0) + 0.05 * random.standard_normal((240, 12)))
    found = clustered(rows)
    assert len(found) == 8
    assert counts_of(found, rows).tolist() == [30] * 8
    assert len(clustered(rows[:20])) == 0
