"""The composition term and its refusals."""

import math

import pytest

from mixval.errors import NumericalError
from mixval.terms.composition.term import composition_term


def test_by_hand() -> None:
    assert composition_term(30, 10) == pytest.approx(math.sqrt(0.75 / 40))
    assert composition_term(10, 30) == composition_term(30, 10)
    assert composition_term(16, 0) == composition_term(0, 16) == pytest.approx(0.25)


@pytest.mark.parametrize(("n_real", "n_synthetic"), [(0, 0), (-1, 5)])
def test_refusals(n_real: int, n_synthetic: int) -> None:
    with pytest.raises(NumericalError, match=f"n_real={n_real}"):
        composition_term(n_real, n_synthetic)
