"""What a check said of a value is looked up where the value comes again, and nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixval.gate.checks import must_be_in, must_be_there, must_lie
from mixval.gate.engine import KNOWN, great_expectations, inspect
from mixval.gate.known_values import KnownVerdicts, distinct_values

SIZE = must_lie("size", "drop", "column 'size' must be 1 to 3", "Mend it.", 1, 3)
WORD = must_be_in("word", ["a", 1], "drop", "column 'word' must be a or 1", "Mend it.")
THERE = must_be_there("word", "drop", "column 'word' must not be null", "Mend it.")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """The values that Great Expectations is given, frame by frame; nothing is known at first."""
    asset_type = great_expectations().datasource.fluent.pandas_datasource.DataFrameAsset
    KNOWN.forget()
    frames, anew = list[list[Any]](), asset_type.get_batch

    def get_batch(asset: Any, request: Any) -> Any:
        frames.append([tuple(row) for row in request.options["dataframe"].itertuples(index=False)])
        return anew(asset, request)

    monkeypatch.setattr(asset_type, "get_batch", get_batch)
    return frames


def frame(sizes: list[float], words: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"size": np.array(sizes, dtype=np.float64), "word": pd.Series(words, dtype=object)})


def failed(given: pd.DataFrame) -> list[list[int]]:
    return [one.failed.tolist() for one in inspect([SIZE, WORD, THERE], given)]


def test_a_value_is_computed_once_whatever_rows_have_it(computed: list[list[Any]]) -> None:
    assert failed(frame([2, 9, 2, np.nan], ["a", "b", None, "a"])) == [[1], [1], [2]]
    first = len(computed)
    assert failed(frame([9, 9, 2, np.nan, 2], [None, "a", "b", "b", "a"])) == [[0, 1], [2, 3], [0]]
    assert len(computed) == first  # all of them are known
    assert failed(frame([2, 2.5, 2], ["a", "a", "a"])) == [[], [], []]
    assert computed[first:] == [[(2.5,)]]  # the check and the row that have something new


def test_values_that_are_equal_and_of_other_types_are_others(computed: list[list[Any]]) -> None:
    inspect([WORD], frame([2], [1]))
    first = len(computed)
    inspect([WORD], frame([2], [True]))
    inspect([WORD], frame([2], ["1"]))
    inspect([WORD], pd.DataFrame({"word": np.array([1])}))
    assert computed[first:] == [[(True,)], [("1",)], [(1,)]]


def test_another_check_of_the_same_name_knows_nothing_of_the_first(computed: list[list[Any]]) -> None:
    inspect([SIZE], frame([2, 9], ["a", "a"]))
    wider = must_lie("size", "drop", "column 'size' must be 1 to 9", "Mend it.", 1, 9)
    assert inspect([wider], frame([9, 2], ["a", "a"]))[0].failed.tolist() == []


def test_what_could_not_be_computed_is_computed_again(computed: list[list[Any]]) -> None:
    words = frame([2, 2], ["a", "a"]).assign(size=pd.Series([2.0, "wide"], dtype=object))
    found = [inspect([SIZE], words)[0] for _ in range(2)]
    assert all(one.error for one in found)
    assert len(computed) >= 2


def test_values_that_have_no_name_are_computed_each_time(computed: list[list[Any]]) -> None:
    lists = frame([2, 2], [["a"], None])
    assert [inspect([THERE], lists)[0].failed.tolist() for _ in range(2)] == [[1], [1]]
    assert distinct_values(lists["word"], about_nulls=False) is None


def test_no_more_is_kept_than_asked() -> None:
    known = KnownVerdicts(most=3)
    known.keep(SIZE, "float64", {1.0: True, 2.0: True})
    known.keep(WORD, "object", {"a": True})
    assert known.of(SIZE, "float64") == {1.0: True, 2.0: True}
    assert known.of(SIZE, "object") == {}
    known.keep(WORD, "object", {"b": False})
    assert (known.of(SIZE, "float64"), known.of(WORD, "object")) == ({}, {"b": False})
    known.keep(SIZE, "float64", dict.fromkeys([1.0, 2.0, 3.0, 4.0], True))
    assert known.of(SIZE, "float64") == {}


CELLS = st.sampled_from([None, 1, 1.0, True, "1", float("nan"), 0, False, -0.0, "a"])


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(CELLS, max_size=12), is_number=st.booleans(), about_nulls=st.booleans())
def test_rows_of_one_place_have_one_value(cells: list[Any], is_number: bool, about_nulls: bool) -> None:
    numbers = [np.nan if one is None else float(one) for one in cells if not isinstance(one, str)]
    column = pd.Series(numbers, dtype="float64") if is_number else pd.Series(cells, dtype=object)
    found = distinct_values(column, about_nulls=about_nulls)
    assert found is not None
    named = ["null" if pd.isna(one) else True if about_nulls else (type(one), one) for one in column.tolist()]
    assert len(found.keys) == len(set(found.keys)) == len(set(named))
    assert [found.places.tolist().index(place) for place in found.places] == [named.index(name) for name in named]
    assert found.places[found.firsts].tolist() == list(range(len(found.keys)))
    assert found.n_null == named.count("null")
