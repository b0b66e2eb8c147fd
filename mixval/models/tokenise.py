"""Rows to token ids, with the answer's place and what was cut. Needs no torch.

A text is `leading + body + trailing`, the special tokens around it being the tokenizer's own; it is cut from the right of
its body. A prompt and its response are tokenised apart, so that the boundary between them is exact (the cost: no token
spans it, as one might if both were tokenised as one text):

    plain    leading | prompt, newline | response | end token
    chat     chat template of the prompt, with its opening of the answer | response | the template's end-of-turn token

A row too long loses prompt tokens from the left first (leading special tokens stay); the response is cut from the right
only when it alone is too long. One token at least stays before the response, since its first token is predicted from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mixval.config.tasks import Task, spec_of
from mixval.errors import ContractError, ModelError
from mixval.models.rows import Messages, column, prompts, row_name, strings

_PROBE = "mixval"


@dataclass(frozen=True)
class TokenRow:
    """One row's token ids."""

    ids: list[int]
    answer_start: int
    """Position of the first answer token. Everything from there on is answer."""
    is_truncated: bool


class Tokeniser:
    """A tokenizer with what mixval must know of it: the special tokens it puts around a text, and its end of turn."""

    def __init__(self, tokenizer: Any, prompt_format: Literal["plain", "chat"] = "plain") -> None:
        """Take a transformers tokenizer with a pad token."""
        self.tokenizer = tokenizer
        self.prompt_format = prompt_format
        self.leading, self.trailing = self._around()

    @property
    def pad_id(self) -> int:
        """Id that fills a batch up on the right."""
        return int(self.tokenizer.pad_token_id)

    def texts(self, rows: pa.Table, max_length: int) -> list[TokenRow]:
        """Rows with a `text`: all tokens but the first are answer tokens."""
        room = max_length - len(self.leading) - len(self.trailing)
        return [
            TokenRow([*self.leading, *body[: max(room, 0)], *self.trailing][:max_length], 1, len(body) > room)
            for body in self._bodies(strings(rows, "text"))
        ]

    def conversations(self, rows: pa.Table, max_length: int) -> list[TokenRow]:
        """Rows with `prompt` and `response`: the answer is the response and the end token."""
        heads = self._prompt_ids([self._render(rows, i, prompt) for i, prompt in enumerate(prompts(rows))])
        bodies = self._bodies(strings(rows, "response"))
        end = self._end_of_turn
        for index, head in enumerate(heads):
            if not head:
                raise ContractError(
                    f"{row_name(rows, index)}: a prompt must have at least one token, found none. Drop the row."
                )
        return [self._join(head, [*body, end], max_length) for head, body in zip(heads, bodies, strict=True)]

    def counts(self, rows: pa.Table, task: Task) -> tuple[np.ndarray, np.ndarray]:
        """(N,) int64 tokens of each row before cutting, and (N,) int64 of the response's own text; null counts as empty."""
        spec = spec_of(task)
        filled = _fill(rows, spec.inputs)
        if spec.has_prompt:
            heads = self._prompt_ids([self._render(filled, i, prompt) for i, prompt in enumerate(prompts(filled))])
            own = _lengths(self._bodies(strings(filled, "response")))
            return _lengths(heads) + own + 1, own
        own = _lengths(self._bodies(strings(filled, "text")))
        total = own + len(self.leading) + len(self.trailing)
        return total, own if spec.has_labels else np.maximum(total - 1, 0)

    def _join(self, head: list[int], answer: list[int], max_length: int) -> TokenRow:
        n_leading = len(self.leading) if head[: len(self.leading)] == self.leading else 0
        n_before = min(len(head), max(1, n_leading))
        answer_cut = answer[: max_length - n_before]
        room = max_length - len(answer_cut)
        is_truncated = len(head) + len(answer) > max_length
        if len(head) > room:
            n_leading = min(n_leading, room)
            tail = room - n_leading
            head = head[:n_leading] + (head[-tail:] if tail else [])
        return TokenRow(head + answer_cut, len(head), is_truncated)

    def _bodies(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)
        return [list(ids) for ids in encoded["input_ids"]]

    def _prompt_ids(self, rendered: Sequence[str]) -> list[list[int]]:
        opening = [] if self.prompt_format == "chat" else self.leading  # a chat template writes its own
        return [[*opening, *body] for body in self._bodies(rendered)]

    def _render(self, rows: pa.Table, index: int, prompt: str | Messages) -> str:
        if self.prompt_format == "plain":
            return f"{prompt if isinstance(prompt, str) else _as_lines(prompt)}\n"
        messages: Messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        if not messages:  # a template may fail on it; an empty prompt counts as 0, and is refused when encoded
            return ""
        return self._apply_template(messages, row_name(rows, index), add_generation_prompt=True)

    def _apply_template(self, messages: Messages, where: str, add_generation_prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
        except (TemplateError, TypeError, KeyError) as error:
            roles = [message.get("role") for message in messages]
            raise ContractError(
                f"{where}: the chat template refuses a prompt with roles {roles}: {error}. Correct the messages, or set "
                "backbone.prompt_format to `plain`."
            ) from error
        return str(text)

    @cached_property
    def _end_of_turn(self) -> int:
        """Id that closes a response: the special token that the chat template writes after it, else the end token."""
        end = self.tokenizer.eos_token_id
        if self.prompt_format == "chat":
            turn: Messages = [{"role": "user", "content": _PROBE}, {"role": "assistant", "content": f"{_PROBE}-answer"}]
            after = self._apply_template(turn, "end-of-turn probe", add_generation_prompt=False).partition(f"{_PROBE}-answer")[
                2
            ]
            ids = self._bodies([after.lstrip()])[0]
            if ids and ids[0] in {*self.tokenizer.all_special_ids, *self.tokenizer.get_added_vocab().values()}:
                end = ids[0]
        if end is None:
            raise ModelError("the tokenizer has no end token, and a response needs one. Name `eos_token` in its config.")
        return int(end)

    def _around(self) -> tuple[list[int], list[int]]:
        """Special tokens that the tokenizer puts before and after a text."""
        bare = self._bodies([_PROBE])[0]
        whole = list(self.tokenizer(_PROBE, verbose=False)["input_ids"])
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start], whole[start + len(bare) :]
        raise ModelError(
            f"the tokenizer must put special tokens around a text, not into it: {_PROBE!r} is {bare} without and {whole} with "
            "them. Choose another tokenizer."
        )


def _as_lines(messages: Messages) -> str:
    return "\n".join(f"{message.get('role')}: {message.get('content') or ''}" for message in messages)


def _lengths(sequences: Sequence[Sequence[int]]) -> np.ndarray:
    return np.array([len(ids) for ids in sequences], dtype=np.int64)


def _fill(rows: pa.Table, names: tuple[str, ...]) -> pa.Table:
    """The named columns with nulls as empty strings (an empty conversation for a list of messages)."""
    filled = {}
    for name in names:
        values = column(rows, name)
        empty: Any = [] if pa.types.is_list(values.type) else ""
        filled[name] = pa.chunked_array([pa.array([empty if v is None else v for v in values.to_pylist()], values.type)])
    return pa.table(filled)
