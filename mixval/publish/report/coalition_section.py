"""The report's section of coalition values: charts, tables and sentences, ready for its template."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mixval.errors import ContractError
from mixval.publish.coalition_values import CoalitionValues, coalition_values
from mixval.publish.manifest import Manifest
from mixval.publish.numerals import fixed
from mixval.publish.ranking import value_decimals
from mixval.publish.report import coalition_view as words
from mixval.publish.report.addition_chart import addition_chart
from mixval.publish.report.greedy_chart import greedy_chart
from mixval.publish.report.redundancy_chart import redundancy_chart
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.report.view import confidence
from mixval.publish.value_kind import kind_of


def coalition_section(
    ranking: pa.Table, coalitions: pa.Table | None, redundancy: pa.Table | None, manifest: Manifest
) -> dict[str, Any] | None:
    """What `coalitions.html.j2` shows. None for a run without coalition values.

    Raises:
        ContractError: the tables do not fit the ranking, or the manifest lacks the account of how they were made.
    """
    found = coalition_values(ranking, coalitions, redundancy)
    if found is None:
        return None
    if manifest.coalitions is None:
        raise ContractError(
            f"run {manifest.run_id}: expected `coalitions` in manifest.json, as there is a coalitions.parquet, found none. "
            "Run the valuation again."
        )
    account, scale = manifest.coalitions, words.scale_of(found, confidence(manifest), value_decimals(ranking))
    pairs = words.pair_lines(found, scale)
    return {
        "charts": _charts(found, account.value_of_all, scale, kind_of(ranking).alone),
        "lines": words.contributor_lines(found, scale),
        "pairs": pairs,
        "n_pairs_not_shown": len(found.names) * (len(found.names) - 1) // 2 - len(pairs),
        "strongest": fixed(float(abs(found.redundancy).max()), scale.adds),
        "pair_words": words.pair_words(found, scale),
        "harmful": words.harmful_words(found),
        "greedy_words": words.greedy_words(found, account, scale) if found.greedy else [],
        "method": f"{words.method_words(account, scale)} {kind_of(ranking).of_coalitions}".strip(),
        "took_part": words.who_took_part(account),
        "alone": kind_of(ranking).alone,
        "is_sampled": found.shapley_errors is not None,
        "level": f"{100 * scale.level:g} %",
        "k": len(found.names),
        "is_ordered": found.is_ordered,
        "has_errors": found.has_errors,
        "value_of_all": fixed(account.value_of_all, scale.value),
    }


def _charts(found: CoalitionValues, value_of_all: float, scale: words.Scale, alone: str) -> dict[str, Any]:
    k = len(found.names)
    halves = words.half_widths(found, scale.level)
    first = f"{k} contributors in the order of the ranking: Shapley value, leave-one-out, and {alone}. "
    second = f"Redundancy of every two of {k} contributors, ordered so that substitutes are next to each other. "
    third = f"{len(found.greedy)} steps from top to bottom, with the value of the coalition after each. "
    table = "The table below has all numbers."
    charts = {"additions": [addition_chart(found, halves, scale, layout, first + table, alone) for layout in LAYOUTS]}
    if k > 1:
        charts["redundancy"] = [redundancy_chart(found, scale.adds, layout, second + table) for layout in LAYOUTS]
    if found.greedy:
        charts["greedy"] = [greedy_chart(found, value_of_all, scale.value, layout, third + table) for layout in LAYOUTS]
    return charts
