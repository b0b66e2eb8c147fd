"""Texts to ids and nothing else, for counting: the tokenizer's native code in batches, without offsets. Needs no torch.

No special tokens are put around a text, and those that it spells are text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mixval.errors import ConfigError, ContractError, ModelError

BATCH_CHARS = 1 << 20
"""Characters that are tokenised at a time: what bounds the memory."""


def definition_of(tokenizer: Any) -> str:
    """The definition (tokenizer.json) of a transformers tokenizer, which gives the same ids in any process.

    Raises ConfigError for one that is written in Python.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConfigError(
            f"tokenizer: expected one with a tokenizer.json, found {type(tokenizer).__name__}, which is written in Python. "
            "Save it as a fast tokenizer, or name another."
        )
    return str(backend.to_str())


class TokenStream:
    """A tokenizer from its definition."""

    def __init__(self, definition: str) -> None:
        """Load it. Raises ModelError for what is no definition."""
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_str(definition)
        except Exception as error:  # the Rust reader raises bare Exception
            raise ModelError(
                f"tokenizer: expected the content of a tokenizer.json, found that {error}. Save it again."
            ) from error
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.size = max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def spelling(self, ids: Sequence[int]) -> str:
        """The text of ids, as the tokenizer decodes it; of ids that are no whole letters, its pieces."""
        text = str(self._tokenizer.decode(list(ids), skip_special_tokens=False))
        if "\N{REPLACEMENT CHARACTER}" not in text and text:
            return text
        return "".join(str(self._tokenizer.id_to_token(one)) for one in ids)

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """(first, last, ids, lengths) of consecutive texts, together about `BATCH_CHARS` characters."""
        first, held = 0, 0
        for at, text in enumerate(texts):
            held += len(text)
            if held >= BATCH_CHARS or at == len(texts) - 1:
                ids, lengths = self._ids(texts[first : at + 1])
                yield first, at + 1, ids, lengths
                first, held = at + 1, 0

    def _ids(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        found = [one.ids for one in self._encoded(list(texts))]
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        flat = np.empty(int(lengths.sum()), np.int64)
        end = 0
        for ids in found:
            flat[end : end + len(ids)] = ids
            end += len(ids)
        return flat, lengths

    def _encoded(self, texts: list[str]) -> list[Any]:
        try:
            return list(self._tokenizer.encode_batch_fast(texts, add_special_tokens=False))
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of the tokenizer's native code, and no Exception
                raise
            if len(texts) == 1:
                raise ContractError(
                    f"the tokenizer's own code fails on a text ({' '.join(str(error).split())[:200]})."
                ) from None
        return [one for text in texts for one in self._encoded([text])]
