"""Labels from integers, names and truth values, in the target's numbers; what it does not have is kept as it stands there."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from mixval.config.source import SourceConfig
from mixval.contracts.labels import NO_NAMES, TargetClasses, read_labels, target_classes
from mixval.contracts.mapping import row_mapping
from mixval.storage.listing import list_contributors
from mixval.storage.root import open_location
from mixval.storage.shards import named_classes

NAMED = TargetClasses(("negative", "neutral", "positive"), are_labels=True)
FEATURE = TargetClasses(("negative", "neutral", "positive"))


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b "], TargetClasses(("a", "b"), are_labels=True)),
        (["10", "2", "-1"], NO_NAMES),
        (["1.0", "0.0"], NO_NAMES),
        (["1", "one"], TargetClasses(("1", "one"), are_labels=True)),
        (["0.5", "1"], TargetClasses(("0.5", "1"), are_labels=True)),
        ([], NO_NAMES),
    ],
)
def test_classes_of_a_target_are_in_a_stable_order(values: list[str], classes: TargetClasses) -> None:
    assert target_classes(values) == target_classes(reversed(values)) == classes


@pytest.mark.parametrize(
    ("labels", "classes", "numbers", "strange"),
    [
        (["positive", None, "Negative ", "angry", " "], NAMED, [2, None, 0, None, None], [None, None, None, "angry", None]),
        (["positive", "1", "angry"], FEATURE, [2, 1, None], [None, None, "angry"]),
        (["positive", "1"], NAMED, [2, None], [None, "1"]),
        (["3", "4.0", "x"], NO_NAMES, [3, 4, None], [None, None, "x"]),
        ([3, None], NO_NAMES, [3, None], [None, None]),
        ([3, None], FEATURE, [3, None], [None, None]),
        ([True, False, None], NO_NAMES, [1, 0, None], [None] * 3),
        ([True, False], TargetClasses(("False", "True"), are_labels=True), [1, 0], [None] * 2),
        ([True], NAMED, [None], ["true"]),
        ([True], FEATURE, [1], [None]),
    ],
)
def test_labels_in_the_target_s_numbers(labels: list[Any], classes: TargetClasses, numbers: Any, strange: Any) -> None:
    found = read_labels(pa.array(labels), classes, ())
    assert [array.to_pylist() for array in found] == [numbers, strange]


def test_integers_are_read_by_the_names_of_their_own_metadata() -> None:
    found = read_labels(pa.array([0, 1, 2]), NAMED, ("positive", "negative", "angry"))
    assert [array.to_pylist() for array in found] == [[2, 0, None], [None, None, "angry"]]
    integers = pa.schema([("text", pa.string()), ("label", pa.int64())])
    mapping = row_mapping("text-classification", {}, False, classes=NAMED)
    mismatch = mapping.find_mismatch(integers)
    assert mismatch is not None
    assert "the target's labels are names (negative, neutral, positive), found int64" in mismatch.message
    named = integers.with_metadata({"huggingface": '{"info": {"features": {"label": {"names": ["positive", "negative"]}}}}'})
    assert mapping.find_mismatch(named) is None


def test_a_target_s_names_are_those_of_all_its_shards(tmp_path: Any) -> None:
    root = open_location(tmp_path)
    for name, content in (("a.csv", "text,label\nx,b\ny,\n"), ("b.csv", "text,label\nz,a\n")):
        root.child("t", name).write_bytes(content.encode())
    source = SourceConfig(contributors=root.url, target="memory://none")
    shards = list_contributors(source)["t"]
    assert named_classes(shards, source, "text-classification") == TargetClasses(("a", "b"), are_labels=True)
    assert named_classes(shards, source, "language-modelling") == NO_NAMES
