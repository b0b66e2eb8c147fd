"""`ranking.md`: the ranking for a page, a pull request or a message. Names are data and cannot break out of their cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mixval.publish.names import listed, markdown_escaped, shortened
from mixval.publish.numerals import counted
from mixval.publish.ranking import ranking_rows, tie_labels
from mixval.publish.results import ValuationResults
from mixval.publish.sentence import Sentence
from mixval.publish.value_kind import kind_of
from mixval.publish.verdict_words import TIES, headline, verdicts_in_words
from mixval.publish.warning_words import IN_REPORT, warning_lines
from mixval.storage.root import Location

REASON_LIMIT = 300
"""Characters of a reason."""
LEFT, RIGHT = ":--", "--:"


def write_ranking_markdown(folder: Location, results: ValuationResults) -> None:
    """What the ranking says, the worst warnings, its table, what values mean, and who has none, as Markdown, UTF-8."""
    folder.child("ranking.md").write_bytes(ranking_document(results).encode())


def ranking_document(results: ValuationResults) -> str:
    """The file's text; the same results give the same text."""
    ranking, rejected = results.ranking, results.rejected
    blocks = [f"# Valuation run {markdown_escaped(results.manifest.run_id)}", f"**{_escaped(headline(ranking))}**"]
    if ranking.num_rows:
        blocks.append(_escaped(verdicts_in_words(ranking)))
        blocks += [markdown_escaped(line) for line in warning_lines(results.manifest.warnings, IN_REPORT)]
        blocks.append(ranking_markdown(ranking, results.coalitions))
        blocks.append(f"A higher value is better. {kind_of(ranking).meaning}")
    if tie_labels(ranking):
        blocks.append(f"*Tied*: {TIES}")
    if rejected.num_rows:
        refused = len(set(rejected["contributor"].to_pylist()))
        blocks += [f"## Without a value: {counted(refused, 'contributor')}", rejected_markdown(rejected)]
    return "\n\n".join(blocks) + "\n"


def ranking_markdown(ranking: pa.Table, coalitions: pa.Table | None = None) -> str:
    """A table with one line per contributor: `ranking_schema()`, and Shapley ranks from COALITIONS where there are some."""
    rows: list[dict[str, Any]] = list(ranking_rows(ranking, coalitions))
    if not rows:
        return "No contributor was ranked."
    for row, name in zip(rows, ranking["contributor"].to_pylist(), strict=True):
        row["contributor"] = markdown_escaped(name)
    return _table(list(rows[0]), [list(row.values()) for row in rows], left=("contributor", "verdict", "in words"))


def _escaped(sentence: Sentence) -> str:
    return sentence.words.format(*(markdown_escaped(listed(list(group))) for group in sentence.names))


def rejected_markdown(rejected: pa.Table) -> str:
    """A table with a line for each reason why a contributor was not ranked: REJECTED."""
    rows = [
        [markdown_escaped(row["contributor"]), row["verdict"], markdown_escaped(shortened(row["reason"], REASON_LIMIT))]
        for row in rejected.to_pylist()
    ]
    heads = ["contributor", "verdict", "reason"]
    return _table(heads, rows, left=heads)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]], left: Sequence[str]) -> str:
    """Cells must be escaped already."""
    lines = [heads, [LEFT if head in left else RIGHT for head in heads], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
