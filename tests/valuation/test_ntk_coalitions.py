"""The NTK term of coalitions from summed statistics: equal to the rows stacked, and no more certain than it says."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.valuation.ntk_coalitions import NtkCoalitions


@dataclass(frozen=True)
class Rows:
    """What contributors hold: gradient features and residuals, one pair of arrays each."""

    features: list[np.ndarray]  # (n_k, q)
    residuals: list[np.ndarray]  # (n_k,)

    def statistics(self, dtype: type = np.float64) -> dict[str, np.ndarray]:
        return {
            "n": np.array([len(r) for r in self.residuals]),
            "gram": np.stack([phi.T @ phi for phi in self.features]).astype(dtype),
            "cross": np.stack([phi.T @ r for phi, r in zip(self.features, self.residuals, strict=True)]),
            "square": np.array([r @ r for r in self.residuals]),
        }

    def stacked(self, members: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        return np.vstack([self.features[k] for k in members]), np.concatenate([self.residuals[k] for k in members])


def rows(sizes: tuple[int, ...], q: int, decay: float = 0.0, seed: int = 0) -> Rows:
    """With `decay` the features' scales fall and they share a mean, as gradients do: an ill-conditioned Gram matrix."""
    rng = np.random.default_rng(seed)
    scales = np.arange(1, q + 1) ** -decay
    features = [scales * rng.normal(size=(n, q)) + (1.0 if decay else 0.0) for n in sizes]
    return Rows(features, [rng.normal(size=n) + 0.5 for n in sizes])


def mask(members: tuple[int, ...], k: int) -> np.ndarray:
    return np.isin(np.arange(k), members)


def dense_term(held: Rows, members: tuple[int, ...], damping: float) -> float:
    """The kernel over all rows, solved in float64."""
    phi, r = held.stacked(members)
    return quadratic_form(phi @ phi.T, r, damping).term


def least_squares_term(held: Rows, members: tuple[int, ...], damping: float) -> float:
    """The same as a least squares problem by SVD of Phi itself: exact where the kernel is too ill-conditioned to tell."""
    phi, r = held.stacked(members)
    shift = damping * float((phi**2).sum()) / len(r)
    tall = np.vstack([phi / np.sqrt(shift), np.eye(phi.shape[1])])
    side = np.concatenate([r / np.sqrt(shift), np.zeros(phi.shape[1])])
    away = side - tall @ np.linalg.lstsq(tall, side, rcond=None)[0]
    return float(np.sqrt(away @ away / len(r)))


@pytest.mark.parametrize("damping", [1.0, 1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize(("q", "decay"), [(1, 0.0), (7, 0.0), (40, 1.0), (130, 0.5), (300, 1.0)])
def test_every_coalition_equals_its_rows_stacked(q: int, decay: float, damping: float) -> None:
    held = rows((12, 1, 40, 25), q, decay)
    coalitions = NtkCoalitions(**held.statistics(), damping=damping)
    for size in (1, 2, 3, 4):
        for members in itertools.combinations(range(4), size):
            found = coalitions.coalition(mask(members, 4))
            assert found.n == sum(len(held.residuals[k]) for k in members)
            assert found.term == pytest.approx(dense_term(held, members, damping), rel=1e-9)
            assert found.error < 1e-9


def test_damping_is_that_of_the_whole_coalition() -> None:
    held = rows((5, 9), 6)
    phi, r = held.stacked((0, 1))
    found = NtkCoalitions(**held.statistics(), damping=0.1).coalition(mask((0, 1), 2))
    assert found.damping == pytest.approx(quadratic_form(phi @ phi.T, r, 0.1).damping, rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prefixes_are_the_coalitions_in_any_order(dtype: type) -> None:
    held = rows((20, 30, 10, 40, 15), 33, 1.0)
    statistics = held.statistics(dtype)
    coalitions = NtkCoalitions(**statistics, damping=0.01)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(5)
        found = [coalition.term for coalition in coalitions.prefixes(order)]
        masks = [np.isin(np.arange(5), order[: i + 1]) for i in range(5)]
        expected = [NtkCoalitions(**statistics, damping=0.01).coalition(members).term for members in masks]
        np.testing.assert_allclose(found, expected, rtol=1e-12)  # sums of up to five matrices, in another order
    assert [coalition.n for coalition in coalitions.prefixes(np.array([3, 0]))] == [40, 60]


def test_interleaved_prefixes_do_not_mix() -> None:
    coalitions = NtkCoalitions(**rows((20, 30, 10), 15).statistics(), damping=0.01)
    orders = np.array([0, 1, 2]), np.array([2, 0, 1])
    alone = [[coalition.term for coalition in coalitions.prefixes(order)] for order in orders]
    coalitions = NtkCoalitions(**rows((20, 30, 10), 15).statistics(), damping=0.01)
    coalition_results = list(zip(*(coalitions.prefixes(order) for order in orders), strict=True))
    # Sums of three matrices, which come and go in another order.
    np.testing.assert_allclose([[pair[i].term for pair in coalition_results] for i in range(2)], alone, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_coalition_does_not_depend_on_those_before_it(dtype: type) -> None:
    # One contributor has gradients a million times as large as another: what it leaves behind must not be seen.
    held = rows((20, 30, 10, 40, 15, 25), 33, 1.0)
    scaled = Rows([10.0 ** (3 * (k % 3)) * phi for k, phi in enumerate(held.features)], held.residuals)
    statistics = scaled.statistics(dtype)
    walked = NtkCoalitions(**statistics, damping=0.01)
    for code in np.random.default_rng(0).permutation(np.arange(1, 64)):
        members = (int(code) >> np.arange(6) & 1).astype(bool)
        fresh = NtkCoalitions(**statistics, damping=0.01).coalition(members)
        assert walked.coalition(members).term == pytest.approx(fresh.term, rel=1e-10)
        assert walked.coalition(members) is walked.coalition(members)


def test_splitting_a_contributor_changes_no_coalition() -> None:
    whole = rows((60, 20), 25, 1.0)
    split = Rows(
        [*np.split(whole.features[0], [7, 30]), whole.features[1]], [*np.split(whole.residuals[0], [7, 30]), whole.residuals[1]]
    )
    one = NtkCoalitions(**whole.statistics(), damping=0.01).coalition(np.ones(2, dtype=bool))
    other = NtkCoalitions(**split.statistics(), damping=0.01).coalition(np.ones(4, dtype=bool))
    assert other.term == pytest.approx(one.term, rel=1e-12)


@pytest.mark.parametrize("damping", [1.0, 1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize(("q", "decay"), [(20, 0.0), (200, 0.0), (60, 1.0), (200, 1.0), (60, 2.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_error_is_within_what_is_stated_or_refused(dtype: type, q: int, decay: float, damping: float) -> None:
    held = rows((30, 40, 50, 20), q, decay)
    coalitions = NtkCoalitions(**held.statistics(dtype), damping=damping)
    try:
        found = coalitions.coalition(np.ones(4, dtype=bool))
    except NumericalError:
        # Only what float32 storage cannot tell to 1e-2: float64 goes down to 1e-8.
        assert dtype is np.float32
        assert damping <= 1e-6
        return
    exact = least_squares_term(held, (0, 1, 2, 3), damping)
    # The value is the term squared; 1e-13 for the reference itself.
    assert abs((found.term / exact) ** 2 - 1) <= found.error + 1e-13
    assert found.error <= 1e-2


def test_an_ill_conditioned_coalition_falls_back_to_float64() -> None:
    held = rows((30, 40, 50, 20), 200, 1.0)
    statistics, everybody = held.statistics(), np.ones(4, dtype=bool)
    assert NtkCoalitions(**statistics, damping=1e-2).coalition(everybody).precision == "float32"
    found = NtkCoalitions(**statistics, damping=1e-6).coalition(everybody)
    assert found.precision == "float64"
    assert found.term == pytest.approx(least_squares_term(held, (0, 1, 2, 3), 1e-6), rel=1e-9)


@pytest.mark.parametrize("scale", [1e-70, 1e-12, 1e12, 1e70])
def test_the_scale_of_gradients_does_not_matter(scale: float) -> None:
    # lambda follows Theta, so the term falls with the scale. The factor is float32, which ends at 1e-38 and 1e38.
    held = rows((20, 30), 50, 1.0)
    larger = Rows([scale * phi for phi in held.features], held.residuals)
    terms = [
        NtkCoalitions(**given.statistics(), damping=0.01).coalition(np.ones(2, dtype=bool)).term for given in (held, larger)
    ]
    assert terms[1] * scale == pytest.approx(terms[0], rel=1e-11)


def test_upper_triangles_are_not_read() -> None:
    statistics = rows((20, 30), 300).statistics()
    whole = NtkCoalitions(**statistics, damping=0.01).coalition(np.ones(2, dtype=bool))
    lower = NtkCoalitions(**{**statistics, "gram": np.tril(statistics["gram"])}, damping=0.01).coalition(np.ones(2, dtype=bool))
    assert lower.term == pytest.approx(whole.term, rel=1e-12)


def test_a_residual_of_zero_has_a_term_of_zero() -> None:
    held = rows((20, 30), 10)
    fitted = Rows(held.features, [0 * r for r in held.residuals])
    found = NtkCoalitions(**fitted.statistics(), damping=0.01).coalition(np.ones(2, dtype=bool))
    assert (found.term, found.error) == (0.0, 0.0)


def test_residuals_orthogonal_to_the_features_are_all_misfit() -> None:
    phi, r = np.array([[1.0, 0], [0, 1], [0, 0]]), np.array([0.0, 0, 3])
    found = NtkCoalitions(**Rows([phi], [r]).statistics(), damping=0.5).coalition(np.ones(1, dtype=bool))
    assert found.value == pytest.approx(9 / (0.5 * 2 / 3), rel=1e-14)


def test_statistics_that_do_not_fit_are_refused() -> None:
    good = rows((5, 9), 4).statistics()

    def make(**changed: np.ndarray) -> NtkCoalitions:
        return NtkCoalitions(**{**good, **changed}, damping=0.1)

    with pytest.raises(ShapeError, match=r"shape \(K, q, q\).*found \(2, 4, 3\)"):
        make(gram=good["gram"][:, :, :3])
    with pytest.raises(ShapeError, match="expected float32 or float64, found float16"):
        make(gram=good["gram"].astype(np.float16))
    with pytest.raises(ShapeError, match=r"cross \(2, 4\).*found \(2,\), \(2, 3\)"):
        make(cross=good["cross"][:, :3])
    with pytest.raises(ShapeError, match=r"whole numbers from 1, found \[5, 0\]"):
        make(n=np.array([5, 0]))
    with pytest.raises(NumericalError, match="contributor 1: 2 numbers are NaN or infinite"):
        make(cross=np.array([good["cross"][0], [1, np.nan, np.inf, 0]]))
    with pytest.raises(NumericalError, match="contributor 0 are of no rows"):
        make(cross=good["cross"] * [[100], [1]])
    with pytest.raises(NumericalError, match="contributor 1 are of no rows"):
        make(square=good["square"] * [1, -1])


def test_members_and_orders_that_do_not_fit_are_refused() -> None:
    coalitions = NtkCoalitions(**rows((5, 9), 4).statistics(), damping=0.1)
    for members in (np.array([1, 0]), np.ones(3, dtype=bool)):
        with pytest.raises(ShapeError, match=r"bool mask of shape \(2,\)"):
            coalitions.coalition(members)
    with pytest.raises(ShapeError, match="at least one contributor, found none"):
        coalitions.coalition(np.zeros(2, dtype=bool))
    with pytest.raises(ShapeError, match=r"from 0 to 1, found \[0, 2\]"):
        next(coalitions.prefixes(np.array([0, 2])))
    with pytest.raises(ShapeError, match=r"once at most, found \[1, 1\]"):
        next(coalitions.prefixes(np.array([1, 1])))


@pytest.mark.parametrize("damping", [0.0, -1.0, float("nan"), float("inf")])
def test_a_damping_that_is_not_positive_is_refused(damping: float) -> None:
    with pytest.raises(NumericalError, match="positive, finite damping"):
        NtkCoalitions(**rows((5, 9), 4).statistics(), damping=damping)


def test_coalitions_without_gradients_and_beyond_their_precision_are_refused() -> None:
    nothing = Rows([np.zeros((6, 4)), np.ones((3, 4))], [np.ones(6), np.ones(3)])
    coalitions = NtkCoalitions(**nothing.statistics(), damping=0.1)
    with pytest.raises(NumericalError, match="gradients of all 6 rows of a coalition are zero"):
        coalitions.coalition(mask((0,), 2))
    assert coalitions.coalition(np.ones(2, dtype=bool)).term == pytest.approx(dense_term(nothing, (0, 1), 0.1), rel=1e-12)
    held = rows((30, 40), 200, 1.0)
    with pytest.raises(NumericalError, match=r"coalition of 70 rows is not accurate enough.*set `value.coalitions: 0`"):
        NtkCoalitions(**held.statistics(np.float32), damping=1e-8).coalition(np.ones(2, dtype=bool))
