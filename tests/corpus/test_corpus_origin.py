"""The real share against planted ones; and that it is not told where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.corpus.origin import share as sharing
from mixval.corpus.origin.scoring import KNOWN, OTHERS, Scorer, fit_scorer
from mixval.corpus.origin.share import real_share
from mixval.corpus.origin.tokens import WordShares
from tests.corpus.files import texts

REAL, MADE, OTHER = 0.8, 1.1, 0.3
"""Exponents of real words, of those of the known generators, and of one that nobody named."""


@pytest.fixture(scope="module")
def known() -> tuple[list[str], list[str], list[str]]:
    """Real texts, synthetic ones, and their generators."""
    return texts(0, REAL, 300), [*texts(1, MADE, 150), *texts(2, MADE + 0.1, 150)], ["one"] * 150 + ["two"] * 150


@pytest.fixture(scope="module")
def scorer(known: tuple[list[str], list[str], list[str]]) -> Scorer:
    """Fitted to them."""
    return fit_scorer(*known, seed=0)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for these."""
    monkeypatch.setattr(sharing, "N_DRAWS", 30)
    monkeypatch.setattr(sharing, "LEAST_FIT", 0.04)  # the least that so few draws can say is 1 / 31


def test_planted_shares_are_within_their_intervals(scorer: Scorer) -> None:
    assert list(scorer.synthetic) == [KNOWN, OTHERS, "like one", "like two"]
    for at, planted in enumerate((0.0, 0.4)):
        n_real = round(200 * planted)
        made = texts(20 + at, MADE, 100)[: (200 - n_real + 1) // 2] + texts(30 + at, MADE + 0.1, 100)[: (200 - n_real) // 2]
        corpus = [*texts(10 + at, REAL, 200)[:n_real], *made]
        found = real_share(scorer, scorer.scores(corpus), np.random.default_rng(at))
        assert found.is_told
        assert found.low - 0.02 <= planted <= found.high + 0.02  # of 200 texts: two deviations of the draw itself
        assert found.value == pytest.approx(planted, abs=0.15)


def test_texts_that_are_neither_are_not_told(scorer: Scorer) -> None:
    odd = [text.upper() + " !?" * 30 for text in texts(40, OTHER, 100)] + texts(41, MADE + 2, 100)
    found = real_share(scorer, scorer.scores(odd), np.random.default_rng(0))
    assert not found.is_told
    assert np.isnan(found.value)
    assert max(found.fits.values()) < 0.04


def test_classes_that_are_alike_are_not_told() -> None:
    alike = fit_scorer(texts(50, REAL, 100), texts(51, REAL, 100), ["one"] * 100, 0)
    found = real_share(alike, alike.scores(texts(52, REAL, 100)), np.random.default_rng(0))
    assert "cannot be told apart" in found.reason


def test_none_and_all_are_shares_that_can_be_told(scorer: Scorer) -> None:
    for planted, scores in ((0.0, scorer.synthetic[KNOWN]), (1.0, scorer.real)):
        assert sharing.mixture_share(scorer.real, scorer.synthetic[KNOWN], scores) == planted


def test_few_texts_are_not_told(scorer: Scorer) -> None:
    assert "at least 50 texts" in real_share(scorer, scorer.scores(texts(60, REAL, 20)), np.random.default_rng(0)).reason


def test_words_alone_order_the_shares(known: tuple[list[str], list[str], list[str]]) -> None:
    real, made, _ = known
    corpora = [[*texts(70, REAL, n), *texts(71, MADE, 100 - n)] for n in (10, 50, 90)]
    words = WordShares(real, made)
    found = [words.real_share(corpus) for corpus in corpora]
    assert found == sorted(found)
    assert found[1] == pytest.approx(0.5, abs=0.15)
