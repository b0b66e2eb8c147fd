"""Faults in labels and answers: wrong labels, spoilt responses, words out of order. Rows that are not chosen are unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixval.errors import ConfigError

FEWEST_WORDS = 2
"""A text of fewer words has no other order."""


def flip_labels(
    labels: np.ndarray,  # (N,) int64
    chosen: np.ndarray,  # (M,) int64 positions
    classes: Sequence[int],
    random: np.random.Generator,
) -> np.ndarray:  # (N,) int64
    """The labels with those of the chosen rows replaced, each by another class, uniformly."""
    if len(chosen) and len(set(classes)) < 2:
        raise ConfigError(f"label noise needs two classes or more, found {sorted(set(classes))}. Set noise to none.")
    known = sorted(set(classes))
    flipped = labels.copy()
    for position in chosen:
        others = [label for label in known if label != labels[position]]
        flipped[position] = others[random.integers(len(others))]
    return flipped


def swap_answers(answers: Sequence[str], chosen: np.ndarray) -> list[str]:
    """The answers with those of the chosen rows passed round in one circle. One row alone keeps its own."""
    swapped = list(answers)
    for receiver, giver in zip(chosen, np.roll(chosen, -1), strict=True):
        swapped[receiver] = answers[giver]
    return swapped


def cut_answers(answers: Sequence[str], chosen: np.ndarray) -> list[str]:
    """The answers with those of the chosen rows cut to the first half of their words, at least one."""
    cut = list(answers)
    for position in chosen:
        words = answers[position].split()
        cut[position] = " ".join(words[: max(1, len(words) // 2)])
    return cut


def shuffle_words(texts: Sequence[str], chosen: np.ndarray, random: np.random.Generator) -> list[str]:
    """The texts with the words of the chosen rows in a random order."""
    shuffled = list(texts)
    for position in chosen:
        words = texts[position].split()
        if len(words) >= FEWEST_WORDS:
            shuffled[position] = " ".join(words[at] for at in random.permutation(len(words)))
    return shuffled
