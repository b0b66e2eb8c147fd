"""Linear models of hashed n-grams: a classifier of texts and a causal language model, made from a seed alone.

No weight was trained and there is no vocabulary. Under a random transformer all texts are alike; here those that share words
have inner products well above those that share none, so the NTK of the linear layer is the kernel of a linear text classifier,
which tells sentences apart without training (docs/laboratory.md). Letters: B rows, T bytes, D features, C classes.

    classifier       x = the row's distinct words, and the n-grams of 3 to 6 bytes within words, each a hashed feature with a
                     random sign (Weinberger et al., arXiv 0902.2206); |x| = 1; logits = W x
    language model   x_t = the 5 and 6 bytes that end at t, and the word before with the beginning of this one; |x_t| = 1;
                     logits_t = W x_t. Shorter contexts are left out: all texts of a language share them, and they would hide
                     the order of words
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mixval.models.heads import HEAD_STD
from mixval.models.seeded_configs import NgramConfig
from mixval.models.text_hashes import Runs, folded, is_word, latest, places, runs, signed, windows
from mixval.seeds import derive_seed

WORD_ORDERS = (3, 4, 5, 6)
"""Bytes of the classifier's n-grams."""
CONTEXT_ORDERS = (5, 6)
"""Bytes of the language model's contexts."""
LONG_WORD = 8
"""Bytes from which on a word counts fully; a shorter one counts in proportion, since short words are the frequent ones."""

_NOTHING = 0
_WORDS = signed(0xD6E8FEB86659FD93)
"""Tells a word's hash from an n-gram's: read backwards, the bytes of an n-gram may have the hash of a word."""


@dataclass(frozen=True)
class Output:
    """What both models give, in the words of transformers."""

    logits: Tensor
    """(B, C), or (B, T, V)."""


@dataclass(frozen=True)
class Trunk:
    """What the language model's head is given."""

    last_hidden_state: Tensor
    """(B, T, D)."""


class NgramClassifier(nn.Module):
    """A linear classifier over the words and n-grams of a row of bytes."""

    def __init__(self, config: NgramConfig) -> None:
        """The head is normal with standard deviation `HEAD_STD`, from torch's random state."""
        super().__init__()
        self.config = config
        self.classifier = nn.Linear(config.n_features, config.num_labels, bias=False)
        nn.init.normal_(self.classifier.weight, std=HEAD_STD)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:  # noqa: ARG002 - padding is no word
        """(B, C) logits of rows of bytes (B, T)."""
        return Output(self.classifier(self.features(input_ids).to(self.classifier.weight.dtype)))

    def features(self, ids: Tensor) -> Tensor:  # (B, T) int64 -> (B, D) float64
        """Features of length 1; all zero for a row without a word."""
        small = torch.nn.functional.pad(folded(ids), (0, 1), value=32)  # a word at the end has an end, too
        hashes, weights = _classifier_ngrams(small)
        order = hashes.sort(dim=1)
        is_first = torch.nn.functional.pad(order.values[:, 1:] != order.values[:, :-1], (1, 0), value=True)
        counted = weights.gather(1, order.indices) * is_first
        place, sign = places(order.values, derive_seed("ngrams", self.config.seed), self.config.n_features)
        summed = torch.zeros(len(ids), self.config.n_features, dtype=torch.float64, device=ids.device)
        summed.scatter_add_(1, place, counted * sign)
        return torch.nn.functional.normalize(summed, dim=1)


class _Contexts(nn.Module):
    """The language model's trunk: no weights, only hashes of what stands before the next byte."""

    def __init__(self, config: NgramConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, ids: Tensor, dtype: torch.dtype) -> Trunk:  # (B, T)
        """(B, T, D) features of each context, of length 1 or nearly."""
        hashes = _contexts(ids)
        state = torch.zeros(*ids.shape, self.config.n_features, dtype=dtype, device=ids.device)
        for kind, found in enumerate(hashes):
            place, sign = places(found, derive_seed("ngrams", self.config.seed, kind), self.config.n_features)
            state.scatter_add_(2, place.unsqueeze(2), sign.to(dtype).unsqueeze(2) / len(hashes) ** 0.5)
        return Trunk(state)


class NgramLanguageModel(nn.Module):
    """A causal language model that is linear in hashed contexts."""

    def __init__(self, config: NgramConfig) -> None:
        """All bytes are equally likely before any training: the head is zero."""
        super().__init__()
        self.config = config
        self.contexts = _Contexts(config)
        self.lm_head = nn.Linear(config.n_features, config.vocab_size, bias=False)
        nn.init.zeros_(self.lm_head.weight)

    @property
    def base_model(self) -> nn.Module:
        """The trunk, as transformers calls it."""
        return self.contexts

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, use_cache: bool = False) -> Output:  # noqa: ARG002
        """(B, T, V) logits of the next byte."""
        return Output(self.lm_head(self.contexts(input_ids, self.lm_head.weight.dtype).last_hidden_state))


def _classifier_ngrams(small: Tensor) -> tuple[Tensor, Tensor]:  # (B, T) folded
    """(B, N) hashes of words and n-grams at every position, and (B, N) float64 weights, the same where hashes are.

    Where there is none, the hash is `_NOTHING` and the weight 0.
    """
    inside, words = is_word(small), runs(small)
    hashes, counted = [words.prefix ^ _WORDS], [words.is_end]
    weights = [(words.length.double() / LONG_WORD).clamp(max=1)]
    for n in WORD_ORDERS:
        middle = torch.ones_like(inside)
        for back in range(1, n - 1):  # an n-gram may begin before a word and end after it, and lies within it otherwise
            middle = middle & torch.nn.functional.pad(inside, (back, 0))[:, : inside.shape[1]]
        hashes.append(windows(small, n) ^ n)
        counted.append(middle)
        weights.append(torch.ones_like(weights[0]))
    is_counted = torch.cat(counted, 1)
    # The beginning of a longer word has a word's hash, too: what is not counted may not stand for what is.
    return torch.where(is_counted, torch.cat(hashes, 1), _NOTHING), torch.cat(weights, 1) * is_counted


def _contexts(ids: Tensor) -> list[Tensor]:  # (B, T)
    """Hashes (B, T) of each kind of context."""
    words = runs(ids)
    return [*(windows(ids, n) for n in CONTEXT_ORDERS), _word_before(words) * 31 + words.prefix]


def _word_before(words: Runs) -> Tensor:  # (B, T)
    """Hash of the last word that ended before each position; 0 before the second word."""
    ended = latest(words.prefix, words.is_end)
    return torch.nn.functional.pad(ended[:, :-1], (1, 0))
