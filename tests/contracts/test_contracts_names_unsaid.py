"""Integers whose classes only one side names: nothing can be compared, and that is said."""

import pyarrow as pa
import pytest

from mixval.contracts.batches import RowBatch, merged
from mixval.contracts.class_names import ClassNames
from mixval.contracts.labels import TargetClasses
from mixval.contracts.mapping import row_mapping

PETS = ("cat", "dog")


def unsaid(labels: pa.Array, own: ClassNames, target: ClassNames, are_labels: bool = False) -> bool:
    mapping = row_mapping("text-classification", {}, False, classes=TargetClasses(target, are_labels))
    rows = pa.RecordBatch.from_pydict({"text": pa.array(["a", "b"]), "label": labels})
    return mapping.is_unsaid(rows, own)


@pytest.mark.parametrize(
    ("labels", "own", "target", "expected"),
    [
        ([0, 1], (), PETS, True),
        ([0, 1], PETS, (), True),
        (["0", "1"], (), PETS, True),  # as CSV has them
        ([0, 1], ("0", "1"), PETS, True),
        ([0, 1], PETS, PETS, False),  # compared
        ([0, 1], (), (), False),
        ([0, 1], ("0", "1"), (), False),
        (["dog", "cat"], (), PETS, False),  # read by their names
    ],
)
def test_one_side_alone_names_the_classes(
    labels: list[int] | list[str], own: ClassNames, target: ClassNames, expected: bool
) -> None:
    assert unsaid(pa.array(labels), own, target) is expected
    assert unsaid(pa.array(labels), own, target, are_labels=True) is False  # integers without names are refused there


def test_joined_batches_keep_it() -> None:
    rows = pa.table({"text": ["a"], "label": [0]})
    (one,) = merged([RowBatch(rows, 0, 0), RowBatch(rows, 0, 1, names_unsaid=True)], 10)
    assert (one.table.num_rows, one.names_unsaid) == (2, True)
