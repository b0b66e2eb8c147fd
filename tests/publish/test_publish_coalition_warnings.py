"""Coalition values are warned of when their own numbers call for it, and only then; copies are named in pairs."""

import numpy as np
import pyarrow as pa
import pytest
from coalition_run import NEAR
from published_run import make_results

from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.results import COALITIONS, REDUNDANCY
from mixval.publish.coalition_warnings import coalition_warnings, sketch_warnings

NAMES = tuple("abcdefghij")


def found(alone, loss, shapley=None, errors=None, redundancy=None, names=NAMES, error=1e-4):
    """The warnings of ten contributors in the order of the ranking, by kind."""
    k = len(alone)
    ranked = make_results(names).ranking["contributor"].to_pylist()
    shapley = alone if shapley is None else shapley
    errors = [None] * k if errors is None else errors
    rows = [
        {
            "contributor": ranked[i],
            "alone": alone[i],
            "leave_one_out": loss[i],
            "leave_one_out_error": 1e-4,
            "shapley": shapley[i],
            "shapley_error": errors[i],
        }
        for i in range(k)
    ]
    shared = np.zeros((k, k)) if redundancy is None else redundancy + redundancy.T
    pairs = [
        {"contributor": one, "other": other, "redundancy": shared[i, j], "redundancy_error": error} | dict.fromkeys(NEAR, 0.0)
        for i, one in enumerate(ranked[:k])
        for j, other in enumerate(ranked[:k])
        if one < other
    ]
    tables = (pa.Table.from_pylist(table, schema=schema) for table, schema in ((rows, COALITIONS), (pairs, REDUNDANCY)))
    return ranked, coalition_warnings(make_results(names).ranking, *tables)


def calm():
    """Values alone and leave-one-outs that fall together."""
    return np.linspace(1.0, 0.1, 10), np.linspace(0.5, 0.05, 10)


def test_there_is_no_warning_without_reason_or_without_coalition_values():
    assert found(*calm())[1] == []
    assert coalition_warnings(make_results(NAMES).ranking, None, None) == []


@pytest.mark.parametrize(("error", "has_warning"), [(0.1, True), (0.03, False)])
def test_errors_are_held_against_the_steps_between_neighbours(error, has_warning):
    # Steps are 0.1; two standard errors of a difference are 2 sqrt(2) times one value's.
    _, warnings = found(*calm(), errors=[error] * 10)
    assert [warning.kind for warning in warnings] == ["shapley-neighbours"] * has_warning
    if has_warning:
        assert "9 of 9 pairs of neighbours" in warnings[0].words
        assert warnings[0].contributors == []


def test_those_left_out_are_named():
    alone, loss = calm()
    ranked, (warning,) = found(alone[:7], loss[:7])
    assert (warning.kind, warning.contributors) == ("coalitions-left-out", ranked[7:])
    assert "for the 7 contributors with the highest values only" in warning.words


def test_a_copy_that_is_worth_much_alone_is_named_with_the_other_once():
    alone, loss = calm()
    alone[2], loss[2], loss[5] = 0.95, 0.01, 0.02
    shared = np.zeros((10, 10))
    shared[2, 5] = 0.5  # both are missed by about 0.5 without the other
    ranked, (warning,) = found(alone, loss, redundancy=shared)
    assert warning.kind == "covered-by-another"
    assert warning.contributors == [ranked[2], ranked[5]]
    assert (
        "bias of the sketch included: 0.95) adds little to all others, since another one covers 98 % of its contribution"
        in warning.words
    )
    _, unsure = found(alone, loss, redundancy=shared, error=1.0)
    assert "covered-by-another" not in {one.kind for one in unsure}


def test_a_copy_that_is_worth_little_or_half_a_copy_is_none():
    alone, loss = calm()
    shared = np.zeros((10, 10))
    shared[8, 9] = 5.0  # both below the median alone
    shared[0, 1] = 0.5  # half of what they would be missed by
    assert found(alone, loss, redundancy=shared)[1] == []


def test_many_copies_are_three_pairs_and_a_rest():
    alone, loss = np.ones(10), np.full(10, 0.001)
    alone[9] = 0.0
    shared = np.zeros((10, 10))
    for pair, size in (((0, 1), 0.9), ((2, 3), 0.8), ((4, 5), 0.7), ((6, 7), 0.6)):
        shared[pair] = size
    ranked, warnings = found(alone, loss, shapley=np.full(10, 0.5), redundancy=shared)
    pairs = [warning for warning in warnings if warning.kind == "covered-by-another"]
    assert [warning.contributors for warning in pairs] == [ranked[0:2], ranked[2:4], ranked[4:6], ranked[6:7]]
    assert pairs[3].words.startswith("1 more contributor with a high value alone and a small leave-one-out value")


def test_one_of_three_copies_has_no_single_other_to_name():
    alone, loss = calm()
    loss[0] = 0.0  # best alone, last to be missed; removing any one other changes nothing
    ranked, (warning,) = found(alone, loss)
    assert (warning.kind, warning.contributors) == ("covered-by-several", [ranked[0]])


@pytest.mark.parametrize(("excess", "said"), [(None, "is too large to be estimated"), (0.25, "is 25 %")])
def test_a_sketch_too_narrow_for_the_coalition_of_all_is_named(excess, said):
    account = CoalitionAccount(
        method="exact", n_contributors=3, n_coalitions=8, value_of_all=1.0, value_of_empty=0.0, sketch_excess=excess
    )
    (warning,) = sketch_warnings(account)
    assert warning.kind == "full-sketch-coalitions"
    assert said in warning.words
    assert sketch_warnings(account.model_copy(update={"sketch_excess": 0.05})) == []
