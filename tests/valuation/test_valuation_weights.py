"""The four weight rules, by their formulas on numbers small enough to check by hand."""

import numpy as np
import pytest

from mixval.errors import ConfigError
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.weights import weigh

TERMS = np.array([[1.0, 0.2, 3.0, 0.1], [2.0, 0.4, 1.0, 0.1], [3.0, 0.3, 2.0, 0.1]])


def estimates(errors: float | np.ndarray = 0.0) -> TermEstimates:
    return TermEstimates(("a", "b", "c"), TERMS.copy(), np.zeros_like(TERMS) + errors, None)


def test_published_is_half_loss_and_half_discrepancy() -> None:
    assert weigh(estimates(), "published").coefficients.tolist() == [0.5, 0.5, 0.0, 0.0]


def test_scale_matched_gives_every_term_a_mean_of_one() -> None:
    weights = weigh(estimates(), "scale-matched")
    np.testing.assert_allclose((TERMS * weights.coefficients).mean(axis=0), 1.0, rtol=1e-12)


def test_equal_z_standardises_the_informative_terms() -> None:
    weights = weigh(estimates(), "equal-z")
    contributions = (TERMS - weights.centres) * weights.coefficients
    used = contributions[:, :3]
    np.testing.assert_allclose(used.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(used.std(axis=0, ddof=1), 1 / 3, rtol=1e-12)
    assert weights.coefficients[3] == 0.0, "a term that is the same for all ranks nobody"


def test_equal_z_drops_a_term_that_drowns_in_its_noise_unless_told_to_keep_it() -> None:
    errors = np.array([5.0, 0.0, 0.0, 0.0])
    assert weigh(estimates(errors), "equal-z").coefficients[0] == 0.0
    assert weigh(estimates(errors), "equal-z", uninformative="keep").coefficients[0] > 0.0


def test_shipped_weights_are_of_standardised_terms_and_say_where_they_come_from() -> None:
    weights, stretched = weigh(estimates(), "shipped"), estimates()
    assert (weights.coefficients >= 0).all()
    assert weights.coefficients[1] > 0
    assert "training of" in weights.provenance
    stretched.terms[:, 1] *= 7.0
    np.testing.assert_allclose(weigh(stretched, "shipped").coefficients[1], weights.coefficients[1] / 7, rtol=1e-12)


def test_davinz_is_minus_kappa_ntk_minus_mmd() -> None:
    weights = weigh(estimates(), "davinz")
    kappa = TERMS[:, 1].mean() / TERMS[:, 2].mean()
    np.testing.assert_allclose(weights.coefficients, [0.0, 1.0, kappa, 0.0], rtol=1e-12)
    ordered = np.argsort(TERMS @ weights.coefficients)
    matched = TERMS[:, 1] / TERMS[:, 1].mean() + TERMS[:, 2] / TERMS[:, 2].mean()
    assert ordered.tolist() == np.argsort(matched).tolist(), "kappa is scale matching of the two terms"


@pytest.mark.parametrize("rule", ["fitted", "guessed"])
def test_a_rule_without_its_numbers_is_refused(rule: str) -> None:
    with pytest.raises(ConfigError, match="weights: expected"):
        weigh(estimates(), rule)
