"""What changed between two runs: planted moves beyond and within the intervals, inputs, settings, and orders that turned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from published_run import Results, make_results

from mixval.cli.history_view import difference_text
from mixval.contracts.results import VALUE_KINDS
from mixval.publish.difference import RunDifference, compare_runs
from mixval.publish.manifest import Manifest
from mixval.publish.stored_run import StoredRun
from mixval.storage.root import open_location

HALF = 0.1
"""Half an interval; two runs are within the uncertainty up to 0.141."""


def run_of(
    values: Mapping[str, float | None], kind: str = VALUE_KINDS[1], half: float | None = HALF, **manifest: Any
) -> StoredRun:
    """A run with these values and intervals of one width."""
    made: Results = make_results(tuple(values), refused=False, kind=kind)
    rows = []
    for row in made.ranking.to_pylist():
        value = values[row["contributor"]]
        ends = (
            {"value_low": None, "value_high": None} if half is None else {"value_low": value - half, "value_high": value + half}
        )
        rows.append(row | {"value": value} | ends)
    rows = [row | {"rank": rank} for rank, row in enumerate(sorted(rows, key=lambda row: -row["value"]), start=1)]
    ranking = pa.Table.from_pylist(rows, schema=made.ranking.schema)
    told = Manifest.model_validate(made.manifest.model_dump() | manifest)
    folder = open_location("memory://difference")
    return StoredRun(
        folder=folder,
        manifest=told,
        ranking=ranking,
        terms=made.terms,
        rejected=made.rejected,
        coalitions=None,
        redundancy=None,
    )


def verdicts(found: RunDifference) -> dict[str, str]:
    return {one.contributor: one.verdict for one in found.contributors}


BEFORE = {"ash": 1.0, "beech": 0.5, "cedar": 0.0, "elm": -0.5}


def test_values_that_move_beyond_both_intervals_rise_or_fall() -> None:
    after = {"ash": 1.0, "beech": 0.9, "cedar": 0.1, "elm": -0.9, "fir": 0.2}
    found = compare_runs(run_of(BEFORE), run_of(after))
    assert verdicts(found) == {"beech": "rose", "elm": "fell", "fir": "new", "ash": "unchanged", "cedar": "cannot say"}
    assert [one.contributor for one in found.contributors][:3] == ["beech", "elm", "fir"]
    assert verdicts(compare_runs(run_of(after), run_of(BEFORE)))["fir"] == "gone"
    assert found.compared_by == "value"
    said = difference_text(found)
    assert "Data new: fir." in said
    assert "beech: rose (its value, beyond the uncertainty); rank 2 -> 2, value 0.50 -> 0.90" in said


def test_without_intervals_nothing_is_said() -> None:
    told = verdicts(compare_runs(run_of(BEFORE), run_of(BEFORE | {"elm": 3.0}, half=None)))
    assert told["elm"] == "cannot say"
    shifted = run_of(BEFORE | {"elm": 3.0}, kind=VALUE_KINDS[0], half=None)
    assert set(verdicts(compare_runs(run_of(BEFORE, kind=VALUE_KINDS[0]), shifted)).values()) == {"cannot say"}


@pytest.mark.parametrize("change", ["kind", "target", "settings"])
def test_runs_of_other_values_are_compared_by_their_order(change: str) -> None:
    changed: dict[str, Any] = {"kind": VALUE_KINDS[1]}
    before = run_of(BEFORE, **({"kind": VALUE_KINDS[0]} if change == "kind" else {}))
    if change == "kind":
        changed = {"kind": VALUE_KINDS[0]}
    elif change == "target":
        changed["target"] = [before.manifest.target[0].model_copy(update={"digest": "0" * 32})]
    else:
        changed["config"] = before.manifest.config | {"value": {"replicates": 100}, "output": "elsewhere", "seed": 0}
    # All values rise alike, but elm passes beech and cedar, and ash stays where its interval overlaps nobody's.
    found = compare_runs(before, run_of({"ash": 9.0, "beech": 5.0, "cedar": 4.0, "elm": 6.0}, **changed))
    assert found.compared_by == "order"
    assert verdicts(found) == {"elm": "rose", "beech": "fell", "cedar": "fell", "ash": "cannot say"}
    assert found.target_changed == (change == "target")
    by_name = {one.contributor: one for one in found.contributors}
    assert by_name["elm"].why == "past beech and cedar"
    if change == "settings":
        assert found.settings == {
            "value.replicates": (200, 100), "value.confidence": (0.95, None), "value.weights": ("equal-z", None)
        }  # fmt: skip
        assert "value.replicates: 200 -> 100" in difference_text(found)


def test_changed_files_and_packages_are_named() -> None:
    before = run_of(BEFORE)
    shards = before.manifest.inputs | {"elm": [before.manifest.inputs["elm"][0].model_copy(update={"digest": "1" * 32})]}
    found = compare_runs(before, run_of(BEFORE, inputs=shards, versions=before.manifest.versions | {"torch": "9.9"}))
    assert {one.contributor: one.data for one in found.contributors} == dict.fromkeys(BEFORE, "same") | {"elm": "changed"}
    assert found.versions == {"torch": ("2.13.0", "9.9")}
    assert "Data changed: elm." in difference_text(found)
