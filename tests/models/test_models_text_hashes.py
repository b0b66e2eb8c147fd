"""Hashes of n-grams and words against plain Python: equal where the bytes are equal, and only there."""

import re

import pytest
import torch

from mixval.models.text_hashes import folded, latest, places, runs, signed, windows

TEXTS = [b"The cat saw the CAT, then the dog.", b"catcat  cat-dog \xc3\xa9t\xc3\xa9 42", b"the the the the the", b"?!"]
SPACE = 32


def _ids(texts=TEXTS):
    width = max(map(len, texts))
    return torch.tensor([[*text, *[256] * (width - len(text))] for text in texts])


def _is_same_partition(found, wanted):
    """Whether two lists of keys say of the same pairs that they are equal."""
    pairs = set(zip(found, wanted, strict=True))
    return len(pairs) == len(set(found)) == len(set(wanted))


def test_capitals_are_folded_and_what_is_in_no_word_is_a_space():
    row = folded(_ids([b"A-z9 \xc3\xa9"]))[0].tolist()
    assert bytes(row) == b"a z9 \xc3\xa9"
    assert folded(torch.tensor([[256, 258]])).tolist() == [[SPACE, SPACE]]


@pytest.mark.parametrize("n", [1, 3, 6])
def test_windows_are_equal_where_their_bytes_are(n):
    ids = _ids()
    wanted = [tuple(([SPACE] * (n - 1) + row)[t : t + n]) for row in ids.tolist() for t in range(len(row))]
    assert _is_same_partition(windows(ids, n).flatten().tolist(), wanted)


def test_runs_are_words_with_their_beginnings():
    found = runs(torch.nn.functional.pad(_ids(), (0, 1), value=SPACE))
    inside, wanted = [], []
    for i, text in enumerate(TEXTS):
        for word in re.finditer(rb"[A-Za-z0-9\x80-\xff]+", text):
            for t in range(word.start(), word.end()):
                inside.append(int(found.prefix[i, t]))
                wanted.append(word.group()[: t - word.start() + 1])
                assert found.length[i, t] == t - word.start() + 1
                assert bool(found.is_end[i, t]) is (t == word.end() - 1)
    assert _is_same_partition(inside, wanted)
    assert int((found.length > 0).sum()) == len(wanted)


def test_the_latest_value_so_far():
    values, here = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[False, True, False, True]])
    assert latest(values, here).tolist() == [[0, 6, 6, 8]]


def test_features_are_spread_evenly_and_change_with_the_salt():
    hashes = windows(torch.arange(4000).unsqueeze(0), 2)
    place, sign = places(hashes, 1, 16)
    counts = torch.bincount(place.flatten(), minlength=16)
    assert counts.min() > 150  # of 250 in the mean, whose standard deviation is 15
    assert abs(int(sign.sum())) < 400  # six standard deviations
    assert int((place == places(hashes, 2, 16)[0]).sum()) < 500


def test_signed_numbers_have_the_same_bits():
    assert signed(2**64 - 1) == -1
    assert signed(2**63 - 1) == 2**63 - 1
