"""Counts against an obvious count of all documents at once; that pieces add, in whatever order; that storing keeps them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mixval.corpus import ngrams
from mixval.corpus.ngrams import NgramSample, hashes_of, keys_of, merged_sample, sampled, tokens_of
from mixval.corpus.stored import from_arrays, to_arrays
from mixval.corpus.transitions import concentration
from tests.corpus.languages import CONTEXTS, N_TOKENS, counted, drawn, zipf_probabilities

RAGGED = [np.array(one, np.int64) for one in ([5], [7, 7, 7], [1, 2, 3, 1, 2, 4], [0, 9], [1, 2])]


def _documents(seed: int, n: int = 60) -> list[np.ndarray]:
    return [*drawn(np.random.default_rng(seed), zipf_probabilities(), n), *RAGGED]


def test_counts_are_those_of_a_plain_loop() -> None:
    documents = _documents(0)
    counts = counted(documents, batch=7)
    plain = Counter(token for one in documents for token in one.tolist())
    assert dict(enumerate(counts.without(None).unigrams.tolist())) == {token: plain[token] for token in range(N_TOKENS)}
    assert (counts.n_documents, counts.n_tokens) == (len(documents), plain.total())
    for order in (2, 3):
        grams = Counter(tuple(one[at : at + order].tolist()) for one in documents for at in range(len(one) - order + 1))
        sample = counts.ngrams[order]
        found = {tuple(tokens_of(int(key), order)): int(own.sum()) for key, own in zip(sample.keys, sample.counts, strict=True)}
        assert found == dict(grams)
        assert sample.share == 1.0
    followers = Counter((one[at], one[at + 1]) for one in map(np.ndarray.tolist, documents) for at in range(len(one) - 1))
    whole = counts.transitions.without(None)
    found = {(int(key) >> 24, int(key) & 0xFFFFFF): int(n) for key, n in zip(whole.keys, whole.counts, strict=True)}
    assert found == {pair: n for pair, n in followers.items() if pair[0] in CONTEXTS}


def test_pieces_add_in_any_order_and_split() -> None:
    one, other = _documents(1), _documents(2)
    whole = to_arrays(counted([*one, *other], batch=1000))
    for made in (counted(one, 3).plus(counted(other, 11)), counted(other, 50).plus(counted(one, 2))):
        for name, array in to_arrays(made).items():
            if name not in ("phrases", "sizes"):  # a sketch may keep its items in another order; blocks end with a shard
                np.testing.assert_array_equal(array, whole[name], err_msg=name)
        np.testing.assert_array_equal(made.sizes[:3], counted([*one, *other]).sizes[:3])
        texts = {(phrase.key, phrase.low) for phrase in made.phrases.frequent(5)}
        assert texts == {(phrase.key, phrase.low) for phrase in counted([*one, *other]).phrases.frequent(5)}


def test_counts_that_are_stored_come_back() -> None:
    counts = counted(_documents(3))
    back = from_arrays(to_arrays(counts))
    for name, array in to_arrays(counts).items():
        if name != "phrases":
            np.testing.assert_array_equal(to_arrays(back)[name], array, err_msg=name)
    found, held = ({(one.key, one.low, one.high) for one in each.phrases.frequent(100)} for each in (back, counts))
    assert found == held


def test_a_replicate_without_a_group_has_no_document_of_it() -> None:
    documents = _documents(4)
    counts = counted(documents)
    left_out = [counts.without(group) for group in range(20)]
    assert sum(counts.n_tokens - one.n_tokens for one in left_out) == counts.n_tokens
    assert all((one.unigrams <= counts.without(None).unigrams).all() for one in left_out)


def test_equal_texts_are_of_one_group() -> None:
    counts = counted([np.array([3, 1, 4])] * 50)
    assert sorted(counts.sizes[0].tolist())[-1] == 50


@pytest.mark.parametrize("exponent", [1.3, 1.02], ids=["repeated", "hardly repeated"])
def test_a_full_sample_keeps_exact_counts_and_gives_the_number(exponent: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "SAMPLE_SIZE", 500)
    random = np.random.default_rng(5)
    keys = random.zipf(exponent, 40_000) % 2**40
    groups = random.integers(0, 20, len(keys))
    sample = NgramSample.empty(20)
    halves = []
    for half in np.array_split(np.arange(len(keys)), 2):
        part = NgramSample.empty(20)
        for piece in np.array_split(half, 9):
            part = sampled(part, keys[piece], groups[piece])
            sample = sampled(sample, keys[piece], groups[piece])
        halves.append(part)
    plain = Counter(keys.tolist())
    assert {int(key): int(n) for key, n in zip(sample.keys, sample.counts.sum(axis=1), strict=True)} == {
        int(key): plain[int(key)] for key in sample.keys
    }
    assert len(sample.keys) / sample.share == pytest.approx(len(plain), rel=4 / np.sqrt(500))  # four deviations
    np.testing.assert_array_equal(sample.hashes, np.unique(hashes_of(keys))[:500])
    merged = merged_sample(*halves)
    np.testing.assert_array_equal(merged.hashes, sample.hashes)
    np.testing.assert_array_equal(merged.counts, sample.counts)


def test_runs_do_not_span_documents() -> None:
    keys, owners = keys_of(np.array([1, 2, 3, 4, 5]), np.array([2, 0, 1, 2]), np.array([0, 1, 2, 3]), 2)
    assert [tokens_of(int(key), 2) for key in keys] == [[1, 2], [4, 5]]
    assert owners.tolist() == [0, 3]


def test_concentration_is_right_on_average_at_any_number() -> None:
    probabilities = zipf_probabilities(1.2)
    truth = float((probabilities**2).sum())
    few = []
    for seed in range(40):
        counts = counted(drawn(np.random.default_rng(seed), probabilities, 8))
        few.append(np.mean(list(concentration(counts.transitions.without(None)).values())))
    assert np.mean(few) == pytest.approx(truth, abs=4 * np.std(few) / np.sqrt(len(few)))  # four deviations of the mean
