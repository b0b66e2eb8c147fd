"""The report's section on tokens: names and tokens are data, what cannot be told says so, the table is bounded."""

from __future__ import annotations

import pyarrow as pa
from corpora_run import HOSTILE, make_corpora

from mixval.publish.report.corpus_section import MOST_DOWN, corpus_section


def ranking(names: list[str]) -> pa.Table:
    return pa.table({"contributor": names})


def test_rows_come_in_the_rankings_order_and_say_what_is_near() -> None:
    section = corpus_section(ranking(["b", HOSTILE, "a"]), make_corpora([HOSTILE, "a", "b"]))
    assert section is not None
    assert [row["name"] for row in section["rows"]][::2] == ["b", "a"]
    assert "\u202e" not in str(section)
    assert section["sentence"].endswith("farthest: b (0.20 nats a token).")
    assert section["rows"][0]["tokens"] == "12,345"
    assert section["rows"][0]["cells"]["kl"] == {"value": "0.20", "interval": "0.40 to 0.60"}
    assert section["rows"][0]["cells"]["token_coverage"]["value"].endswith(" %")


def test_what_cannot_be_told_says_so() -> None:
    section = corpus_section(ranking(["a"]), make_corpora(["a"], kl=None, gaps_loss_share=None, distinct_2=None, kl_low=None))
    assert section is not None
    assert section["sentence"] == ""
    assert section["rows"][0]["cells"]["kl"] == {"value": "cannot tell", "interval": ""}
    assert section["rows"][0]["gaps"] == "–"
    assert corpus_section(ranking(["a"]), None) is None
    assert corpus_section(ranking(["a"]), make_corpora([])) is None


def test_many_contributors_are_bounded() -> None:
    names = [f"c{at}" for at in range(MOST_DOWN + 5)]
    section = corpus_section(ranking(names), make_corpora(names))
    assert section is not None
    assert (len(section["rows"]), section["n_more"]) == (MOST_DOWN, 5)
