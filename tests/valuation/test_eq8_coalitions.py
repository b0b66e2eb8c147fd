"""Values of coalitions from sums: Eq. 8 on the rows of the coalition, for every switch; rows that stand for several;
redundancy."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.terms.discrepancy.mmd import Estimator, Scale
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.valuation.eq8_coalitions import Eq8Game, PartSums, part_sums, redundancy, target_embedding
from mixval.valuation.ntk_coalitions import NtkCoalitions
from mixval.valuation.shapley import exact_shapley

WEIGHTS, CENTRES = np.array([0.7, 1.3, 0.4, 2.0]), np.array([0.5, 0.1, 0.2, 0.05])
DAMPING, AT_ZERO = 0.1, 1.0


@dataclass(frozen=True)
class Rows:
    """One contributor: losses, unit embeddings, gradient features and residuals of its rows, and which are real."""

    is_real: np.ndarray
    losses: np.ndarray
    embeddings: np.ndarray
    features: np.ndarray
    residuals: np.ndarray


def contributors() -> list[Rows]:
    rng = np.random.default_rng(3)
    held = []
    for n_real, n_synthetic in ((9, 0), (5, 7), (0, 8), (6, 3)):
        n = n_real + n_synthetic
        embeddings = rng.normal(size=(n, 10)) + 0.5
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)  # k(x, x) = 1
        rows = rng.gamma(2.0, size=n), embeddings, rng.normal(size=(n, 6)), rng.normal(size=n) + 0.5
        held.append(Rows(np.arange(n) < n_real, *rows))
    return held


TARGET = np.random.default_rng(4).normal(size=(12, 10))
TARGET /= np.linalg.norm(TARGET, axis=1, keepdims=True)


def game(held: list[Rows], estimator: Estimator, scale: Scale, pooled: bool, times: int = 1) -> Eq8Game:
    """The game from sums; each measured row stands for `times` admitted ones."""

    def part(real: bool) -> PartSums:
        own = [rows.is_real == real for rows in held]
        n = np.array([mask.sum() for mask in own], dtype=np.float64)
        losses = np.array([rows.losses[mask].sum() for rows, mask in zip(held, own, strict=True)])
        embeddings = np.stack([rows.embeddings[mask].sum(axis=0) for rows, mask in zip(held, own, strict=True)])
        return part_sums(times * n, n, losses, n, embeddings)

    ntk = NtkCoalitions(
        np.array([times * len(rows.losses) for rows in held]),
        times * np.stack([rows.features.T @ rows.features for rows in held]),
        times * np.stack([rows.features.T @ rows.residuals for rows in held]),
        times * np.array([rows.residuals @ rows.residuals for rows in held]),
        DAMPING,
        measured=np.array([len(rows.losses) for rows in held]),
    )
    target = target_embedding(TARGET.mean(axis=0), len(TARGET), AT_ZERO, estimator, scale, pooled)
    return Eq8Game(part(True), part(False), target, ntk, WEIGHTS, CENTRES)


def dense_terms(rows: Rows, estimator: Estimator, scale: Scale, pooled: bool) -> np.ndarray:
    """Eq. 8's terms of these rows, plainly."""
    n, pi = len(rows.losses), float(rows.is_real.mean())

    def distance(mask: np.ndarray) -> float:
        ss, tt, st = (a @ b.T for a, b in ((rows.embeddings[mask],) * 2, (TARGET,) * 2, (rows.embeddings[mask], TARGET)))
        if estimator == "unbiased":
            ss, tt = (k[~np.eye(len(k), dtype=bool)] for k in (ss, tt))
        squared = max(float(ss.mean() + tt.mean() - 2 * st.mean()), 0.0)
        return math.sqrt(squared) if scale == "root" else squared

    shares = [(pi, rows.is_real), (1 - pi, ~rows.is_real)]
    loss = sum(share * rows.losses[mask].mean() for share, mask in shares if share)
    mmd = distance(np.ones(n, dtype=bool)) if pooled else sum(share * distance(mask) for share, mask in shares if share)
    ntk = quadratic_form(rows.features @ rows.features.T, rows.residuals, DAMPING).term
    return np.array([loss, mmd, ntk, math.sqrt(max(pi, 1 - pi) / n)])


def joined(held: list[Rows], members: np.ndarray, times: int = 1) -> Rows:
    own = [held[k] for k in np.flatnonzero(members) for _ in range(times)]
    return Rows(*(np.concatenate([getattr(rows, name) for rows in own]) for name in Rows.__dataclass_fields__))


def terms_of(of_sums: Eq8Game, members: np.ndarray) -> np.ndarray:
    """Each term alone, by weights that leave the others out."""
    n_terms = len(of_sums.coefficients)
    alone = [replace(of_sums, coefficients=one, centres=np.zeros(n_terms)) for one in np.eye(n_terms)]
    return -np.array([each.value(members) for each in alone])


@pytest.mark.parametrize(
    ("estimator", "scale", "pooled"), list(itertools.product(get_args(Estimator), get_args(Scale), (False, True)))
)
def test_every_coalition_has_the_terms_of_its_rows(estimator: Estimator, scale: Scale, pooled: bool) -> None:
    held = contributors()
    of_sums = game(held, estimator, scale, pooled)
    for code in range(1, 2 ** len(held)):
        members = (code >> np.arange(len(held)) & 1).astype(bool)
        truth = dense_terms(joined(held, members), estimator, scale, pooled)
        np.testing.assert_allclose(terms_of(of_sums, members), truth, rtol=1e-9, atol=1e-12)
        assert of_sums.value(members) == pytest.approx(-float(WEIGHTS @ (truth - CENTRES)), rel=1e-9)


@pytest.mark.parametrize("times", [1, 3])
def test_a_part_of_one_measured_row_has_no_pairs_and_the_biased_distance(times: int) -> None:
    held = contributors()
    held[1] = Rows(*(getattr(held[1], name)[:6] for name in Rows.__dataclass_fields__))  # five real rows, and one more
    alone = np.array([False, True, False, False])
    real = dense_terms(Rows(*(getattr(held[1], name)[:5] for name in Rows.__dataclass_fields__)), "unbiased", "squared", True)[
        1
    ]
    between = TARGET @ TARGET.T
    pairs = between[~np.eye(len(TARGET), dtype=bool)].mean()
    single = max(1 + pairs - 2 * float((TARGET @ held[1].embeddings[5]).mean()), 0.0)
    found = terms_of(game(held, "unbiased", "squared", False, times), alone)[1]
    assert found == pytest.approx(5 / 6 * real + single / 6, rel=0.1 if times > 1 else 1e-9)


def test_prefixes_are_the_growing_coalitions() -> None:
    of_sums, order = game(contributors(), "unbiased", "root", False), np.array([2, 0, 3, 1])
    wanted = [of_sums.value(np.isin(np.arange(4), order[:size])) for size in range(1, 5)]
    np.testing.assert_allclose(list(of_sums.prefixes(order)), wanted, rtol=1e-12)


def test_a_row_that_stands_for_three_counts_as_three_copies_but_fits_itself_once() -> None:
    held, members = contributors(), np.array([True, False, True, True])
    found = terms_of(game(held, "biased", "squared", False, times=3), members)
    truth = dense_terms(joined(held, members, times=3), "biased", "squared", False)
    truth[2] = dense_terms(joined(held, members), "biased", "squared", False)[2]
    np.testing.assert_allclose(found, truth, rtol=1e-9)


def test_rows_that_stand_for_more_weigh_more_in_the_kernel() -> None:
    """Two contributors, one of whose rows stand for four: the weighted ridge, solved over all rows."""
    first, second = contributors()[0], contributors()[2]
    g = np.concatenate([np.full(len(first.losses), 4.0), np.ones(len(second.losses))])
    scaled = g * len(g) / g.sum()
    phi, r = np.vstack([first.features, second.features]), np.concatenate([first.residuals, second.residuals])
    phi, r = np.sqrt(scaled)[:, None] * phi, np.sqrt(scaled) * r
    weights = (4, 1)
    ntk = NtkCoalitions(
        np.array([w * len(rows.losses) for w, rows in zip(weights, (first, second), strict=True)]),
        np.stack([w * rows.features.T @ rows.features for w, rows in zip(weights, (first, second), strict=True)]),
        np.stack([w * rows.features.T @ rows.residuals for w, rows in zip(weights, (first, second), strict=True)]),
        np.array([w * (rows.residuals @ rows.residuals) for w, rows in zip(weights, (first, second), strict=True)]),
        DAMPING,
        measured=np.array([len(first.losses), len(second.losses)]),
    )
    found = ntk.coalition(np.array([True, True]))
    assert found.term == pytest.approx(quadratic_form(phi @ phi.T, r, DAMPING).term, rel=1e-9)
    n, gram, cross, square = ntk.sums()
    np.testing.assert_allclose(gram, phi.T @ phi, rtol=1e-12)
    np.testing.assert_allclose(cross, phi.T @ r, rtol=1e-12)
    assert (n, square) == (len(g), pytest.approx(float(r @ r)))


def test_weights_of_an_unbiased_estimate_leave_the_diagonal_out() -> None:
    held, members = contributors()[:1], np.array([True])
    (only,) = held
    found = terms_of(game(held, "unbiased", "squared", False, times=3), members)[1]
    assert found == pytest.approx(dense_terms(only, "unbiased", "squared", False)[1], rel=1e-9)  # equal weights cancel


def test_a_copy_is_redundant_and_a_complement_is_not() -> None:
    held = contributors()
    of_sums = game([held[0], held[0], held[2], held[3]], "unbiased", "root", False)
    everybody = of_sums.value(np.ones(4, dtype=bool))
    without = np.array([of_sums.value(~np.eye(4, dtype=bool)[k]) for k in range(4)])
    both = np.array(
        [[of_sums.value(~(np.eye(4, dtype=bool)[a] | np.eye(4, dtype=bool)[b])) for b in range(4)] for a in range(4)]
    )
    found = redundancy(everybody, without, both)
    np.testing.assert_allclose(found, found.T, atol=1e-12)
    assert not np.diag(found).any()
    assert found[0, 1] == max(found[a, b] for a, b in itertools.combinations(range(4), 2))
    shapley = exact_shapley(of_sums, 4)
    assert shapley[0] == pytest.approx(shapley[1], rel=1e-9)


def test_admitted_rows_of_which_none_was_measured_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"contributors \[1\]"):
        part_sums(np.array([3.0, 2.0]), np.array([3.0, 0.0]), np.zeros(2), np.zeros(2), np.zeros((2, 4)))
