"""Rows to token ids, with the answer's place and what was cut. Needs no torch.

A text is `leading + body + trailing`, the special tokens around it being the tokenizer's own; it is cut from the right of
its body. Special tokens that a row's text spells are text. A prompt and its response are

    plain    leading | prompt, newline | response | end token
    chat     the chat template's rendering of the whole conversation (`chat.py`); the end token, where it writes none

and tokenised apart in `plain`, so that the boundary between them is exact (the cost: no token spans it, as one might if both
were tokenised as one text); in `chat` only where a token would span it. An end token that a response spells at its end is
the one that is written anyway, and not written twice.

A row too long loses prompt tokens from the left first (leading special tokens stay); the response is cut from the right
only when it alone is too long. One token at least stays before the response, since its first token is predicted from there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mixval.config.tasks import Task, spec_of
from mixval.contracts.messages import written
from mixval.errors import ContractError, ModelError
from mixval.models.chat import ChatTemplate, Message, without_end
from mixval.models.rows import Messages, column, prompts, row_name, strings

VERSION = 3
"""Raised whenever rows give other tokens."""
_PROBE = "mixval"


@dataclass(frozen=True)
class TokenRow:
    """One row's token ids."""

    ids: list[int]
    answer_start: int
    """Position of the first answer token. Everything from there on is answer."""
    is_truncated: bool


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of rows before anything is cut."""

    n_tokens: np.ndarray
    """(N,) int64: all tokens, special ones too; 0 for a row that is refused."""
    n_response_tokens: np.ndarray
    """(N,) int64: tokens of the response's own text, the end token not counted; 0 means an empty response.
    Language modelling: all but the first. Text classification: tokens of the text without special ones."""
    refusals: list[str | None]
    """(N,) why the tokenizer or its chat template refuses a row; None where it takes it."""


class Tokeniser:
    """A tokenizer with what mixval must know of it: the special tokens it puts around a text, and its end of turn."""

    def __init__(self, tokenizer: Any, prompt_format: Literal["plain", "chat"] = "plain") -> None:
        """Take a transformers tokenizer with a pad token."""
        self.tokenizer = tokenizer
        self.template = ChatTemplate(tokenizer) if prompt_format == "chat" else None
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
            for body in self._ids(strings(rows, "text"))
        ]

    def conversations(self, rows: pa.Table, max_length: int) -> list[TokenRow]:
        """Rows with `prompt` and `response`: the answer is the response and what closes it. Raises ContractError for a row
        without a prompt, or one that the chat template refuses."""
        found = []
        for index, turn in enumerate(self._turns(rows)):
            if isinstance(turn, str):
                raise ContractError(f"{row_name(rows, index)}: {turn}. Drop the row.")
            if not turn.head:
                raise ContractError(
                    f"{row_name(rows, index)}: a prompt must have at least one token, found none. Drop the row."
                )
            found.append(self._join(turn.head, turn.answer, max_length))
        return found

    def openings(self, conversations: Sequence[list[Message]]) -> list[list[int]]:
        """Ids of each conversation up to where an answer is generated; without a chat template its texts, a blank line between.

        Raises ContractError for one that the chat template refuses.
        """
        if self.template is None:
            texts = ["\n\n".join(str(message["content"]) for message in messages) + "\n\n" for messages in conversations]
            return [[*self.leading, *ids] for ids in self._ids(texts)]
        return self._rendered_ids([self.template.opened(messages) for messages in conversations], self.template)

    def counts(self, rows: pa.Table, task: Task) -> TokenCounts:
        """The tokens of each row; null counts as empty."""
        try:
            return self._counts(rows, task)
        except ContractError:  # the tokenizer failed on a text: which one?
            if rows.num_rows == 1:
                raise
        single = [self._counts_of_one(rows.slice(at, 1), task) for at in range(rows.num_rows)]
        return TokenCounts(
            np.concatenate([one.n_tokens for one in single]),
            np.concatenate([one.n_response_tokens for one in single]),
            [refusal for one in single for refusal in one.refusals],
        )

    def _counts_of_one(self, row: pa.Table, task: Task) -> TokenCounts:
        try:
            return self._counts(row, task)
        except ContractError as error:
            return TokenCounts(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), [str(error)])

    def _counts(self, rows: pa.Table, task: Task) -> TokenCounts:
        spec = spec_of(task)
        filled = _fill(rows, spec.inputs)
        if spec.has_prompt:
            turns = self._turns(filled)
            own = [len(ids) for ids in self._ids([self._own(text) for text in strings(filled, "response")])]
            whole = [0 if isinstance(turn, str) else len(turn.head) + len(turn.answer) for turn in turns]
            refusals = [turn if isinstance(turn, str) else None for turn in turns]
            return TokenCounts(np.array(whole, dtype=np.int64), np.array(own, dtype=np.int64), refusals)
        texts = strings(filled, "text")
        own_ids = np.array([len(ids) for ids in self._ids(texts)], dtype=np.int64)
        total = own_ids + len(self.leading) + len(self.trailing)
        learnt = own_ids if spec.has_labels else np.maximum(total - 1, 0)
        is_end_alone = np.array([bool(text) and not without_end(text, self._ends) for text in texts], dtype=bool)
        return TokenCounts(total, np.where(is_end_alone, 0, learnt), [None] * rows.num_rows)

    def _turns(self, rows: pa.Table) -> list[_Turn | str]:
        """Each row's prompt and answer as ids, or why the chat template refuses it."""
        if self.template is None:
            heads = [f"{prompt if isinstance(prompt, str) else _as_lines(prompt)}\n" for prompt in prompts(rows)]
            bodies = self._ids([self._own(text) for text in strings(rows, "response")])
            end = self._end_id()
            return [_Turn([*self.leading, *head], [*body, end]) for head, body in zip(self._ids(heads), bodies, strict=True)]
        return self._chat_turns(rows, self.template)

    def _chat_turns(self, rows: pa.Table, template: ChatTemplate) -> list[_Turn | str]:
        cut: list[tuple[str, str] | str] = []
        for prompt, response, answer in zip(prompts(rows), strings(rows, "response"), _answers(rows), strict=True):
            messages: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else _messages(prompt)
            tools: list[Message] | None = messages.pop(0)["tools"] if messages and "tools" in messages[0] else None
            said = answer or {"content": response}
            said = {"role": "assistant", **said, "content": self._own(said.get("content") or "")}
            try:
                cut.append(template.split(messages, said, tools) if messages else ("", ""))
            except ContractError as error:
                cut.append(str(error))
        texts = [text for parts in cut if not isinstance(parts, str) for text in (parts[0], "".join(parts), parts[1])]
        ids = iter(self._rendered_ids(texts, template))
        return [parts if isinstance(parts, str) else self._turn(next(ids), next(ids), next(ids)) for parts in cut]

    def _turn(self, head: list[int], whole: list[int], rest: list[int]) -> _Turn:
        """Of a prompt's ids, the whole conversation's, and the answer's by itself."""
        # Most often no token spans the place where the answer begins; where one does, the answer is written apart.
        answer = whole[len(head) :] if whole[: len(head)] == head else rest
        is_closed = not whole or bool(self.closing.intersection(answer))
        return _Turn(head, answer if is_closed else [*answer, self._end_id()])

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

    def _ids(self, texts: Sequence[str], is_own: bool = False) -> list[list[int]]:
        """Ids of texts; `is_own`: special tokens that are spelled in them are meant."""
        if not texts:
            return []
        try:
            encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False, split_special_tokens=not is_own)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of the tokenizer's native code, and no Exception
                raise
            raise ContractError(f"the tokenizer's own code fails on a text ({' '.join(str(error).split())[:200]})") from None
        return [list(ids) for ids in encoded["input_ids"]]

    def _rendered_ids(self, texts: Sequence[str], template: ChatTemplate) -> list[list[int]]:
        """Ids of what the template wrote; special tokens in it are meant, but for those that messages spell."""
        pieces = [(at, piece, is_own) for at, text in enumerate(texts) for piece, is_own in template.pieces(text)]
        found = {own: iter(self._ids([piece for _, piece, is_own in pieces if is_own is own], own)) for own in (True, False)}
        ids: list[list[int]] = [[] for _ in texts]
        for at, _, is_own in pieces:
            ids[at] += next(found[is_own])
        return ids

    def _own(self, response: str) -> str:
        return without_end(response, self._ends)

    def _end_id(self) -> int:
        if self.tokenizer.eos_token_id is None:
            raise ModelError("the tokenizer has no end token, and a response needs one. Name `eos_token` in its config.")
        return int(self.tokenizer.eos_token_id)

    @cached_property
    def closing(self) -> set[int]:
        """Ids that close an answer: the end token, and the added token that the chat template writes after an answer."""
        ids = self._ids([self.template.end_of_turn()], is_own=True)[0] if self.template is not None else []
        added = {*self.tokenizer.all_special_ids, *self.tokenizer.get_added_vocab().values()}
        return {self.tokenizer.eos_token_id, *(ids[:1] if ids and ids[0] in added else [])} - {None}

    @cached_property
    def _ends(self) -> list[str]:
        """How a text spells them."""
        return [str(token) for token in self.tokenizer.convert_ids_to_tokens(sorted(self.closing))]

    def _around(self) -> tuple[list[int], list[int]]:
        """Special tokens that the tokenizer puts before and after a text."""
        bare = self._ids([_PROBE])[0]
        whole = list(self.tokenizer(_PROBE, verbose=False)["input_ids"])
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start], whole[start + len(bare) :]
        raise ModelError(
            f"the tokenizer must put special tokens around a text, not into it: {_PROBE!r} is {bare} without and {whole} with "
            "them. Choose another tokenizer."
        )


@dataclass(frozen=True)
class _Turn:
    """A prompt, and the answer with what closes it."""

    head: list[int]
    answer: list[int]


def _messages(prompt: Messages) -> list[Message]:
    """Messages as a template takes them: what a message has besides its text is JSON in `more`."""
    found = []
    for said in prompt:
        more = said.get("more")
        found.append({"role": said.get("role"), "content": said.get("content") or "", **(json.loads(more) if more else {})})
    return found


def _answers(rows: pa.Table) -> list[Message | None]:
    """(N,) the answer as a message, where it is more than text (`mixval.contracts.messages`)."""
    if "answer" not in rows.column_names:
        return [None] * rows.num_rows
    return [None if answer is None else json.loads(answer) for answer in rows.column("answer").to_pylist()]


def _as_lines(messages: Messages) -> str:
    return "\n".join(f"{message.get('role')}: {written(message)}" for message in messages)


def _fill(rows: pa.Table, names: tuple[str, ...]) -> pa.Table:
    """The same rows, nulls of the named columns as empty strings (an empty conversation for a list of messages)."""
    for name in names:
        values = column(rows, name)
        empty: Any = [] if pa.types.is_list(values.type) else ""
        filled = pa.chunked_array([pa.array([empty if v is None else v for v in values.to_pylist()], values.type)])
        rows = rows.set_column(rows.column_names.index(name), name, filled)
    return rows
