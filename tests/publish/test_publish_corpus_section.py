"""The report's section on tokens: names and tokens are data, what cannot be told says so, the table is bounded."""

from __future__ import annotations

import pyarrow as pa

from mixval.contracts.corpora import CORPORA, ESTIMATES
from mixval.publish.report.corpus_section import MOST_DOWN, corpus_section

HOSTILE = "<b>x</b>\u202e"


def corpora(names: list[str], **changes: object) -> pa.Table:
    numbers = dict.fromkeys(ESTIMATES, 0.5) | {f"{name}_low": 0.4 for name in ESTIMATES}
    numbers |= {f"{name}_high": 0.6 for name in ESTIMATES}
    whole = {
        "n_documents": 3,
        "n_tokens": 12345,
        "n_gaps": 2,
        "kl_of_size": 0.01,
        "gaps_loss_share": 0.2,
        "gaps": ["a", "\u202eb"],
    }
    rows = [{"contributor": name, **whole, **numbers, "kl": 0.1 * at, **changes} for at, name in enumerate(names)]
    return pa.Table.from_pylist(rows, schema=CORPORA)


def ranking(names: list[str]) -> pa.Table:
    return pa.table({"contributor": names})


def test_rows_come_in_the_rankings_order_and_say_what_is_near() -> None:
    section = corpus_section(ranking(["b", HOSTILE, "a"]), corpora([HOSTILE, "a", "b"]))
    assert section is not None
    assert [row["name"] for row in section["rows"]][::2] == ["b", "a"]
    assert "\u202e" not in str(section)
    assert section["sentence"].endswith("farthest: b (0.2 nats a token).")
    assert section["rows"][0]["tokens"] == "12,345"
    assert section["rows"][0]["cells"][0] == {"value": "0.2", "interval": "0.4 to 0.6"}


def test_what_cannot_be_told_says_so() -> None:
    section = corpus_section(ranking(["a"]), corpora(["a"], kl=None, gaps_loss_share=None, distinct_2=None, kl_low=None))
    assert section is not None
    assert section["sentence"] == ""
    assert section["rows"][0]["cells"][0] == {"value": "cannot tell", "interval": ""}
    assert section["rows"][0]["gaps"] == "–"
    assert corpus_section(ranking(["a"]), None) is None
    assert corpus_section(ranking(["a"]), corpora([])) is None


def test_many_contributors_are_bounded() -> None:
    names = [f"c{at}" for at in range(MOST_DOWN + 5)]
    section = corpus_section(ranking(names), corpora(names))
    assert section is not None
    assert (len(section["rows"]), section["n_more"]) == (MOST_DOWN, 5)
