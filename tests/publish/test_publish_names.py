"""Names are shown without anything invisible, steering or endless; numbers with the decimals that they need."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixval.publish.names import STEERING, listed, markdown_escaped, shortened, visible
from mixval.publish.numerals import MINUS, decimals_for, fixed, percent, seconds, signed, size


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("news-03", "news-03"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("safe\u202egpj.exe", r"safe\u202egpj.exe"),
        ("two\nlines", r"two\nlines"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("日本 🦊 مساهم", "日本 🦊 مساهم"),
    ],
)
def test_visible_spells_out_what_steers(name, shown):
    assert visible(name) == shown


@given(st.text(max_size=60), st.integers(min_value=3, max_value=40))
def test_shortened_is_visible_and_never_longer(name, limit):
    shown = shortened(name, limit)
    assert len(shown) <= limit
    assert not {unicodedata.category(char) for char in shown} & STEERING


def test_long_names_that_differ_at_the_end_stay_apart():
    assert shortened("x" * 300 + "-1", 40) != shortened("x" * 300 + "-2", 40)


def test_listed_counts_what_it_leaves_out():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefgh"), limit=3) == "a, b, c and 5 more"


def test_markdown_cell_cannot_be_left():
    assert markdown_escaped("a|b\n<i>") == r"a\|b\\n&lt;i&gt;"


def test_numbers_read_as_meant():
    assert decimals_for([0.1, 0.9]) == 3
    assert decimals_for([-4.0, 5.0]) == 2
    assert decimals_for([1.00001, 1.00002]) == 6
    assert decimals_for([]) == 2
    assert fixed(-0.004, 2) == "0.00"
    assert fixed(-1.5, 1) == f"{MINUS}1.5"
    assert fixed(None, 2) == "–"
    assert (signed(0.5, 1), signed(-0.5, 1), signed(0.0, 1)) == ("+0.5", f"{MINUS}0.5", "0.0")
    assert (percent(0.0), percent(0.001), percent(0.999), percent(1.0)) == ("0 %", "<1 %", ">99 %", "100 %")
    assert (seconds(0.42), seconds(200), seconds(7500)) == ("0.42 s", "3 min 20 s", "2 h 5 min")
    assert (size(512), size(1_482_113), size(3 * 10**12)) == ("512 B", "1.5 MB", "3.0 TB")
