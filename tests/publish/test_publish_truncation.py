"""Where synthetic rows stop, in words: what is told with its interval, what is not with its reason."""

from __future__ import annotations

import pyarrow as pa
from truncation_run import make_truncation, truncation_row

from mixval.contracts.truncation import TRUNCATION
from mixval.publish.report.truncation_section import MOST_DOWN, truncation_section
from mixval.publish.truncation_values import truncated, truncation_lines, truncation_sentence

HOSTILE = "<b>x</b>\u202e"


def ranking(names: list[str]) -> pa.Table:
    return pa.table({"contributor": names})


def test_a_contributors_lines_say_rank_softness_and_what_is_lost() -> None:
    head, told, untold = truncation_lines(truncated("a", make_truncation(["a", "b"])))
    assert head == "Where its synthetic rows stop:"
    assert told.startswith(
        "  By labels, its synthetic rows stop at rank 30 (27 to 34) of 100 in the target, with softness 0.20 (0.14 to 0.28); "
        "23 % (20 % to 26 %) of the target is not covered."
    )
    assert "Of 12 they surely have less than a tenth of the share: 8 %" in told
    assert "it cannot be said at which rank in its real rows its synthetic rows stop: no cut-off is shown." in untold
    assert truncation_lines([]) == []


def test_an_open_softness_says_so() -> None:
    table = pa.Table.from_pylist([truncation_row("a", softness_high=None)], schema=TRUNCATION)
    assert "softness 0.20 (0.14 or more)" in truncation_sentence(truncated("a", table)[0])


def test_the_section_names_who_loses_most_and_is_bounded() -> None:
    worse = truncation_row(HOSTILE, lost_mass=0.4, lost_mass_low=0.3, lost_mass_high=0.5)
    table = pa.Table.from_pylist([truncation_row("a"), worse], schema=TRUNCATION)
    section = truncation_section(ranking(["a", "none", HOSTILE]), table)
    assert section is not None
    assert "Of 2 of 2 contributors" in section["sentence"]
    assert "40 % (30 % to 50 %) of the target" in section["sentence"]
    assert "\u202e" not in str(section)
    names = [f"c{at}" for at in range(MOST_DOWN + 3)]
    many = truncation_section(ranking(names), make_truncation(names))
    assert many is not None
    assert (len(many["rows"]), many["n_more"]) == (2 * MOST_DOWN, 3)
    assert many["rows"][1]["rank"] == "not before 311"
    assert truncation_section(ranking(["a"]), None) is None
    untold = truncation_section(ranking(["a"]), make_truncation(["a"]).slice(1))
    assert untold is not None
    assert untold["sentence"] == "Of none of 1 contributors with synthetic rows a cut-off is shown."
