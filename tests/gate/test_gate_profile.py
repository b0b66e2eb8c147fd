"""The target's profile, and targets that cannot serve."""

import numpy as np
import pyarrow as pa
import pytest

from mixval.config.gate import GateConfig
from mixval.contracts.digests import input_digest
from mixval.errors import ContractError, ShardError, TargetError
from mixval.gate.profile import TargetProfile, profile_target


@pytest.fixture
def profile(text_rows, batches):
    def run(n=30, origin="real", odd_origin=None, limits=None, size=None, shards=(), **changes):
        origins = dict.fromkeys(range(n), origin) | ({} if odd_origin is None else {3: odd_origin})
        rows = text_rows(n, tag="t", origin=origins, **changes)
        return profile_target(batches(rows, size), "text-classification", limits, shards)

    return run


def test_labels_inputs_and_size(profile):
    found = profile(size=7)
    assert (found.labels, found.n_rows) == ((0, 1, 2), 30)
    assert [bytes(d) for d in found.digests] == sorted(input_digest([f"t says {i}"]) for i in range(30))


def test_repeats_count_as_rows_and_keep_their_labels(profile):
    found = profile(text={1: "t says 0"}, label={1: 7})
    assert (found.labels, found.n_rows, len(found.digests)) == ((0, 1, 2, 7), 30, 29)


def test_arrays_and_back(profile):
    found = profile()
    arrays = found.to_arrays()
    assert {name: array.dtype for name, array in arrays.items() if not name.startswith("set_")} == {
        "labels": np.int64,
        "digests": np.uint8,
        "n_rows": np.int64,
        "words": np.uint8,
    }
    back = TargetProfile.from_arrays(arrays)
    assert (back.labels, back.n_rows) == (found.labels, found.n_rows)
    assert np.array_equal(back.digests, found.digests)
    with pytest.raises(ContractError, match="found no digests, words"):
        TargetProfile.from_arrays({"labels": arrays["labels"], "n_rows": arrays["n_rows"]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 0}, "rows were expected, found none. Set source.target to real, held-out rows"),
        ({"origin": "synthetic"}, "real rows only were expected, found 30 synthetic of 30 rows. .* held out"),
        ({"label": dict.fromkeys(range(30), 1)}, r"at least 2 distinct labels .* found 1: 1\."),
        ({"n": 4}, r"at least 5 rows were expected \(gate.min_rows_per_part\), found 4"),
        ({"text": {3: None}, "label": {4: None}}, "target, .*row 3: column 'text' must not be null.*1 more kind"),
        ({"label": {3: -1, 9: -1}}, r"labels from 0 up were expected, found -1 in 2 rows of 30.*mark rows without one"),
        ({"label": {3: -100}}, "found -100 in 1 row of 30"),
        ({"odd_origin": "fake"}, "column 'origin' must be 'real' or 'synthetic', found 'fake'"),
    ],
)
def test_targets_that_cannot_serve(profile, changes, message):
    with pytest.raises(TargetError, match=message):
        profile(**changes)


def test_bad_target_rows_are_not_said_to_be_left_out(profile):
    with pytest.raises(TargetError) as caught:
        profile(text={3: None})
    assert "dropped" not in str(caught.value)


def test_one_class_may_be_allowed(profile):
    assert profile(label=dict.fromkeys(range(30), 1), limits=GateConfig(min_classes=1)).labels == (1,)


def test_broken_files(profile, shard):
    with pytest.raises(TargetError, match=r"shard 't.parquet': a readable data file was expected, found: it is empty"):
        profile(shards=[shard("t.parquet", problem="it is empty")])

    def broken():
        raise ShardError("shard 't.parquet': it ends early")
        yield

    with pytest.raises(TargetError, match=r"it ends early.*T must be complete"):
        profile_target(broken(), "text-classification")


def test_wrong_columns(batches):
    with pytest.raises(TargetError, match="column 'text' must exist, found words"):
        profile_target(batches(pa.table({"words": ["a"]})), "text-classification")
