"""What rows hold: names of classes, texts in other spellings, images turned or of another size."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mixval.config.gate import GateConfig
from mixval.contracts.batches import RowBatch
from mixval.errors import TargetError
from mixval.gate.check import check_contributor
from mixval.gate.profile import NO_DIGESTS, TargetProfile, profile_target


def named_batches(names):
    """Two shards of good rows whose metadata call the labels so."""
    rows = pa.table({"text": [f"c says {i}" for i in range(60)], "label": [i % 3 for i in range(60)], "origin": ["real"] * 60})
    return [RowBatch(rows.slice(30 * at, 30), at, 0, own) for at, own in enumerate(names)]


@pytest.mark.parametrize(
    ("of_target", "of_shards", "found"),
    [
        (
            ("a", "b", "c"),
            [("a", "b", "c"), ("b", "a", "c")],
            "shard 'two.parquet'.*label 0 is 'b' by its metadata, and 'a' by",
        ),
        ((), [("a", "b", "c"), ("a", "c", "b")], "label 1 is 'c' by its metadata, and 'b' by that of an earlier shard"),
    ],
)
def test_other_names_of_the_same_labels_reject(target, shard, of_target, of_shards, found):
    profile = replace(target, class_names=of_target)
    shards = [shard("one.parquet"), shard("two.parquet")]
    outcome = check_contributor("news", shards, named_batches(of_shards), "text-classification", GateConfig(), profile).outcome
    assert (outcome.verdict, rejecting_columns(outcome)) == ("rejected", ["label"])
    assert re.search(found, outcome.reason)
    assert "Map the labels to the target's" in outcome.reason


def test_the_same_names_in_other_letters_are_admitted(target, shard):
    profile = replace(target, class_names=("a b", "c", ""))
    batches = named_batches([("A_B", "C", "d"), ()])
    found = check_contributor("news", [shard(), shard("b")], batches, "text-classification", GateConfig(), profile)
    assert (found.outcome.verdict, found.outcome.class_names_unsaid) == ("admitted", False)
    assert not found.outcome.origin_denied
    batches[1] = replace(batches[1], names_unsaid=True, origin_denied=True)
    found = check_contributor("news", [shard(), shard("b")], batches, "text-classification", GateConfig(), profile)
    assert (found.outcome.verdict, found.outcome.class_names_unsaid, found.outcome.origin_denied) == ("admitted", True, True)


def rejecting_columns(outcome):
    """Columns of an outcome's findings that reject."""
    return [f.column for f in outcome.findings if f.severity == "reject"]


def test_rows_in_another_spelling_repeat_and_overlap(check, text_rows):
    changes = {1: "C  SAYS 0", 3: "c says\u200b 2", 5: "t\u00a0says 4", 7: "\uff54 says 6"}
    found = check(text_rows(text=changes), GateConfig(max_target_overlap_share=0.1))
    assert {f.column: f.count for f in found.outcome.findings} == {"text": 2}
    assert sorted(found.bad_rows["row"].to_pylist()) == [1, 3, 5, 7]


def test_images_of_another_size_are_bad_rows_and_turned_ones_are_the_same(check, png):
    good = [png(i, side=16) for i in range(30)]
    turned = png(3, side=16, turned=True)
    odd = [*good, png(40, side=24)]
    profile = TargetProfile((0, 1), NO_DIGESTS, 10, image_size="16x16")
    found = check(images_of(odd), task="image-classification", target=profile)
    assert (found.outcome.verdict, found.bad_rows["row"].to_pylist()) == ("trimmed", [30])
    assert (
        "16x16, as backbone.image_size is not set, found 'PNG 24x24'. Set backbone.image_size"
        in found.outcome.findings[0].message
    )
    other = check(images_of([png(i, side=24) for i in range(30)]), task="image-classification", target=profile)
    assert (other.outcome.verdict, other.outcome.findings[-1].column) == ("rejected", "image")
    repeats = check(images_of([*good, turned]), task="image-classification", target=TargetProfile((0, 1), NO_DIGESTS, 10))
    assert repeats.bad_rows["row"].to_pylist() == [30]
    assert (
        repeats.digests[3].tobytes()
        == check(images_of([turned, *good[:29]]), task="image-classification", target=profile).digests[0].tobytes()
    )


def images_of(data):
    """Rows of encoded images."""
    n = len(data)
    return pa.table({"image": pa.array(data, pa.binary()), "label": [i % 2 for i in range(n)], "origin": ["real"] * n})


def test_float_pixels_outside_the_unit_interval_are_bad_rows(check):
    pixels = np.random.default_rng(0).random((30, 8, 8, 3), dtype=np.float32)
    pixels[2] *= 255
    rows = images_of([b""] * 30).set_column(0, "image", pa.FixedShapeTensorArray.from_numpy_ndarray(pixels))
    found = check(rows, task="image-classification", target=TargetProfile((0, 1), NO_DIGESTS, 10))
    assert found.bad_rows["row"].to_pylist() == [2]
    assert "floats from 0 to 1" in found.outcome.findings[0].message


def test_a_target_of_several_sizes_or_with_labels_beyond_its_names_cannot_serve(png, batches):
    several = images_of([png(i, side=16 + 8 * (i == 3)) for i in range(20)])
    with pytest.raises(TargetError, match=r"found 16x16 \(19 rows\), 24x24 \(1 row\). Set backbone.image_size"):
        profile_target(batches(several), "image-classification")
    assert profile_target(batches(several), "image-classification", is_resized=True).image_size is None
    one = images_of([png(i) for i in range(20)])
    profile = profile_target(batches(one), "image-classification")
    assert TargetProfile.from_arrays(profile.to_arrays()).image_size == "16x16"
    named = replace(batches(one)[0], class_names=("cat",))
    with pytest.raises(TargetError, match=r"classes that its metadata name were expected \(cat\), found 1"):
        profile_target([named], "image-classification")
