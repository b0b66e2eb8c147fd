"""Digests name rows by content; sampling keys are uniform, seeded, and symmetric in identical rows."""

from collections import Counter

import numpy as np

from mixval.contracts.digests import input_digest, row_identity, sampling_keys


def test_digests_tell_apart_what_concatenation_would_not() -> None:
    assert input_digest(["ab", "c"]) != input_digest(["a", "bc"])
    assert input_digest([None]) != input_digest([""])
    assert input_digest([b"x"]) == input_digest([b"x"])
    pixels = np.arange(12, dtype=np.uint8)
    assert input_digest([pixels.reshape(3, 4)]) != input_digest([pixels.reshape(4, 3)])


def test_identity_sees_label_and_origin() -> None:
    digest = input_digest(["a"])
    assert len({row_identity(digest, label, origin) for label in (0, 1, None) for origin in ("real", "synthetic")}) == 6


def test_keys_do_not_depend_on_order_or_batches() -> None:
    rows = [str(i % 50).encode() for i in range(200)]
    whole = sampling_keys(rows, Counter(), seed=3)
    shuffled = np.random.default_rng(0).permutation(200)
    met: Counter[bytes] = Counter()
    pieces = [sampling_keys([rows[i] for i in piece], met, seed=3) for piece in np.array_split(shuffled, 7)]
    assert sorted(whole.tolist()) == sorted(np.concatenate(pieces).tolist())
    assert len(set(whole.tolist())) == 200, "repeats have keys of their own"


def test_keys_are_uniform_and_change_with_the_seed() -> None:
    rows = [str(i).encode() for i in range(5000)]
    keys = sampling_keys(rows, Counter(), seed=0) / 2.0**64
    # Mean of 5,000 uniforms: standard error 0.0041; four of them.
    assert abs(keys.mean() - 0.5) < 0.017
    assert not np.array_equal(keys, sampling_keys(rows, Counter(), seed=1) / 2.0**64)
