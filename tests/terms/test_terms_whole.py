"""Parts into wholes, and the bound of Theorem 1."""

import math

import pytest

from mixval.errors import NumericalError
from mixval.terms.bound import bound
from mixval.terms.parts import combine_parts, combine_variances


def test_parts_mix_by_share() -> None:
    values = {"real": 2.0, "synthetic": 6.0}
    assert combine_parts(values, 30, 10) == pytest.approx(3.0)
    assert combine_variances(values, 30, 10) == pytest.approx(0.5625 * 2 + 0.0625 * 6)
    assert combine_parts({"real": 2.0, "synthetic": None}, 5, 0) == 2.0
    assert combine_parts({"real": math.nan, "synthetic": 6.0}, 0, 5) == 6.0


def test_parts_must_be_there() -> None:
    with pytest.raises(NumericalError, match="'synthetic' has 3 rows but no value"):
        combine_parts({"real": 2.0, "synthetic": None}, 5, 3)
    with pytest.raises(NumericalError, match="rows in at least one part"):
        combine_parts({"real": 2.0, "synthetic": None}, 0, 0)
    with pytest.raises(NumericalError, match="fake"):
        combine_parts({"real": 2.0, "fake": 1.0}, 5, 0)


def test_bound_by_hand() -> None:
    found = bound(1.0, 0.5, 0.2, 30, 10, 0.05, 2.0)
    assert found == pytest.approx(1.0 + 0.5 + 0.4 + 3 * math.sqrt(2 * 0.75 * math.log(160) / 40))


@pytest.mark.parametrize(("loss", "delta", "said"), [(1.0, 1.0, "delta"), (math.nan, 0.05, "loss=nan")])
def test_bound_refusals(loss: float, delta: float, said: str) -> None:
    with pytest.raises(NumericalError, match=said):
        bound(loss, 0.5, 0.2, 30, 10, delta, 1.0)
