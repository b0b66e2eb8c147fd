"""A user's tokenizer in the form that rows are read with: of transformers, of tokenizers, or a plain function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mixval.errors import ConfigError


class FunctionTokenizer:
    """A function from a text to ids, called as a tokenizer of transformers is. It has no special tokens around a text."""

    chat_template = None

    def __init__(self, encode_text: Callable[[str], Sequence[int]], pad_id: int, end_id: int | None) -> None:
        """Take the function, and the ids of padding and of the end."""
        self.encode_text = encode_text
        self.pad_token_id, self.eos_token_id = pad_id, end_id
        self.all_special_ids = [pad_id, *([] if end_id is None else [end_id])]

    def __call__(self, texts: str | list[str], **_: Any) -> dict[str, Any]:
        """`input_ids` of a text, or of several."""
        if isinstance(texts, str):
            return {"input_ids": self._ids(texts)}
        return {"input_ids": [self._ids(text) for text in texts]}

    def get_added_vocab(self) -> dict[str, int]:
        """No tokens are added to those of the function."""
        return {}

    def convert_ids_to_tokens(self, _ids: Sequence[int]) -> list[str]:
        """No special token has a spelling in texts."""
        return []

    def _ids(self, text: str) -> list[int]:
        try:
            ids = [int(one) for one in self.encode_text(text)]
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"tokenizer: expected a function from a text to integers, found that {error}. Correct it."
            ) from error
        if negative := [one for one in ids if one < 0]:
            raise ConfigError(f"tokenizer: expected ids from 0, found {negative[0]}. Correct the function.")
        return ids


def as_tokenizer(given: Any, pad_id: int, end_id: int | None) -> Any:
    """The tokenizer as transformers calls it. Raises ConfigError for what is none."""
    if hasattr(given, "pad_token_id") and callable(given):
        return given
    if hasattr(given, "encode_batch") and hasattr(given, "id_to_token"):
        from transformers import PreTrainedTokenizerFast

        named = {"pad_token": given.id_to_token(pad_id), "eos_token": None if end_id is None else given.id_to_token(end_id)}
        return PreTrainedTokenizerFast(tokenizer_object=given, **{name: token for name, token in named.items() if token})
    if callable(given):
        return FunctionTokenizer(given, pad_id, end_id)
    raise ConfigError(
        f"tokenizer: expected one of transformers, a tokenizers.Tokenizer, a function from a text to ids, or a name, found "
        f"{type(given).__name__}. Give one of them."
    )
