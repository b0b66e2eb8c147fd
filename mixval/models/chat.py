"""Conversations as a tokenizer's chat template writes them, cut where the answer begins. Needs no torch.

Prompt and answer together are the template's own rendering of the whole conversation. The prompt is what the template writes
before an answer is generated, where the conversation goes on from it. Some templates open the answer otherwise than they write
it afterwards (a block of thought that is opened to be written, and left out later): there the prompt is all that the template
writes before the answer, whatever that is.

A template may ask for today's date. It is told `PINNED_DATE`, so that a row has the same tokens on any day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from mixval.errors import ContractError, ModelError
from mixval.models.memory_limit import memory_limit
from mixval.models.time_limit import time_limit

PINNED_DATE = datetime(2024, 7, 26, tzinfo=UTC)
"""What `strftime_now` says in a template: the date that Llama's templates fall back on."""
MOST_SECONDS = 5.0
"""Seconds of processor time that a template may take for one conversation. Real ones take less than a thousandth."""
MOST_BYTES = 2**29
"""Memory that a template may take for one conversation, beyond what the process has. Real ones take some kilobytes."""
_DIRECTIVES = ("-d", "-m", "-H", "-I", "-M", "-S", "-j", *"aAbBcdDeFfGgHhIjmMpRSTuUVwWxXyYzZ", "%")
_CHANCE = re.compile(r"\|\s*random\b|\blipsum\s*\(")
_OPEN, _CLOSE = "\U000f5a01", "\U000f5a02"
"""Private characters around a special token that a text spells, so that it is told apart from the template's own."""
_PROBES = ("0", "1")
_REFUSALS = (TemplateError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What a template raises for messages that it does not take."""
Message = dict[str, Any]
_SHORTEST: list[Message] = [{"role": "user", "content": "0"}, {"role": "assistant", "content": "mixval"}]


class ChatTemplate:
    """A tokenizer's chat template, with a fixed date, and the special tokens that texts may spell."""

    def __init__(self, tokenizer: Any) -> None:
        """Take a transformers tokenizer. Raises ModelError when it has no one template, or one that draws at random."""
        self._tokenizer = tokenizer
        try:
            template = str(tokenizer.get_chat_template())
        except ValueError as error:
            raise ModelError(
                f"the tokenizer must have one chat template, or one called `default`: {error}. Save it with one, or set "
                "backbone.prompt_format to `plain`."
            ) from error
        if _CHANCE.search(template):
            raise ModelError(
                "the tokenizer's chat template must give a row the same tokens each time, and this one draws at random. Save "
                "it with another, or set backbone.prompt_format to `plain`."
            )
        if _grows_numbers(template):
            raise ModelError(
                "the tokenizer's chat template must end, and this one computes powers, or products of what is no constant; "
                "no time limit ends that. Save it with another, or set backbone.prompt_format to `plain`."
            )
        self._template = _with_pinned_date(template)
        self._refuse_endless()
        spelled = "|".join(map(re.escape, sorted(special_tokens(tokenizer), key=len, reverse=True)))
        self._spelled = re.compile(f"(?:{spelled})" if spelled else "(?!)")
        self._marked = re.compile(f"{_OPEN}({spelled}){_CLOSE}" if spelled else "((?!))")

    def _refuse_endless(self) -> None:
        """Raise ModelError where the template does not end for the shortest conversation, or fills memory: as for any row."""
        try:
            _in_time(self._tokenizer, self._template, _SHORTEST, None, opens=False)
        except TimeoutError as error:
            raise ModelError(
                f"the tokenizer's chat template must end, and this one runs for more than {MOST_SECONDS:g} seconds on one "
                "question and its answer. Save it with another, or set backbone.prompt_format to `plain`."
            ) from error
        except MemoryError as error:
            raise ModelError(
                f"the tokenizer's chat template must take little memory, and this one takes more than {MOST_BYTES / 2**20:g} "
                "MiB for one question and its answer. Save it with another, or set backbone.prompt_format to `plain`."
            ) from error
        except _REFUSALS:
            return  # of these messages; those of rows are tried one by one

    def split(self, prompt: list[Message], answer: Message, tools: list[Message] | None = None) -> tuple[str, str]:
        """What the template writes before the answer, and the rest of the conversation, special tokens of texts marked.

        `tools` are descriptions of functions that may be called.

        Raises ContractError when the template refuses the messages, or writes them otherwise once there is an answer.
        """
        messages, told = [self._mark(message) for message in prompt], self._mark(tools)
        whole = self._render([*messages, self._mark(answer)], told)
        before = self._render(messages, told, opens=True)
        if not whole.startswith(before):
            probed = [self._render([*messages, {"role": "assistant", "content": probe}], told) for probe in _PROBES]
            before = _common_start(*probed)
            if not whole.startswith(before):
                raise ContractError(
                    f"the chat template writes the messages before the answer ({_roles(prompt)}) otherwise for this answer "
                    "than for another, so that its place is unknown"
                )
        return before, whole[len(before) :]

    def opened(self, messages: list[Message]) -> str:
        """What the template writes before an answer to these messages is generated, special tokens of texts marked.

        Raises ContractError when the template refuses the messages.
        """
        return self._render([self._mark(message) for message in messages], opens=True)

    def pieces(self, text: str) -> list[tuple[str, bool]]:
        """Consecutive parts of a text from `split`, each with whether special tokens in it are the template's own."""
        parts = self._marked.split(text)
        plain = [(part.replace(_OPEN, "").replace(_CLOSE, ""), at % 2 == 0) for at, part in enumerate(parts)]
        return [piece for piece in plain if piece[0]]

    def end_of_turn(self) -> str:
        """What the template writes after an answer, without blanks around it; nothing where it takes no such conversation."""
        try:
            return self._render(_SHORTEST).rpartition("mixval")[2].strip()
        except ContractError:
            return ""

    def _mark(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._spelled.sub(f"{_OPEN}\\g<0>{_CLOSE}", value)
        if isinstance(value, dict):
            return {key: self._mark(inner) for key, inner in value.items()}
        return [self._mark(inner) for inner in value] if isinstance(value, list) else value

    def _render(self, messages: list[Message], tools: list[Message] | None = None, opens: bool = False) -> str:
        try:
            return self._applied(messages, tools, opens)
        except ContractError:
            texts = [_with_written_arguments(message) for message in messages]
            if texts == messages:
                raise
            return self._applied(texts, tools, opens)  # older templates take a call's arguments as text

    def _applied(self, messages: list[Message], tools: list[Message] | None, opens: bool) -> str:
        try:
            return _in_time(self._tokenizer, self._template, messages, tools, opens)
        except TimeoutError:
            raise ContractError(
                f"the chat template takes more than {MOST_SECONDS:g} seconds for messages of {_roles(messages)}"
            ) from None
        except MemoryError:
            raise ContractError(
                f"the chat template takes more than {MOST_BYTES / 2**20:g} MiB for messages of {_roles(messages)}"
            ) from None
        except _REFUSALS as error:
            raise ContractError(f"the chat template refuses messages of {_roles(messages)}: {_one_line(error)}") from error


def _in_time(tokenizer: Any, template: str, messages: list[Message], tools: list[Message] | None, opens: bool) -> str:
    with memory_limit(MOST_BYTES), time_limit(MOST_SECONDS):
        return str(
            tokenizer.apply_chat_template(
                messages, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=opens
            )
        )


class _Generation(Extension):
    """The tag that transformers adds: what an assistant says."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Its content."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _grows_numbers(template: str) -> bool:
    """Whether numbers in it can grow so large that a single multiplication, which nothing interrupts, takes hours."""
    try:
        tree = Environment(extensions=[_Generation, loopcontrols]).parse(template)  # noqa: S701  it renders nothing
    except TemplateError:
        return False  # it renders nothing either
    products = ((one.left, one.right) for one in tree.find_all(nodes.Mul))
    return tree.find(nodes.Pow) is not None or not all(any(isinstance(side, nodes.Const) for side in one) for one in products)


def _with_written_arguments(message: Message) -> Message:
    calls = [
        {**call, "function": {**call["function"], "arguments": json.dumps(call["function"]["arguments"], ensure_ascii=False)}}
        for call in message.get("tool_calls", [])
    ]
    return {**message, "tool_calls": calls} if calls else message


def special_tokens(tokenizer: Any) -> set[str]:
    """The special tokens of a tokenizer, as texts may spell them."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return {str(token) for token in added | set(tokenizer.all_special_tokens) if str(token).strip()}


def without_end(text: str, ends: Iterable[str]) -> str:
    """A text without the end tokens that it spells at its end, which the tokeniser writes itself; empty for those alone."""
    known = [end for end in ends if end]
    while found := [end for end in known if text.rstrip().endswith(end)]:
        text = text.rstrip().removesuffix(max(found, key=len))
        if not text.strip():
            return ""
    return text


def _with_pinned_date(template: str) -> str:
    """The template under a macro `strftime_now`, which hides the one of transformers: that gives today."""
    if "strftime_now" not in template:
        return template
    written = "".join(f" | replace('%{code}', '{_pinned(code)}')" for code in _DIRECTIVES)
    return "{% macro strftime_now(format) %}{{ format" + written + " }}{% endmacro %}" + template


def _pinned(code: str) -> str:
    return PINNED_DATE.strftime(f"%{code}")


def _common_start(one: str, other: str) -> str:
    length = next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), len(one))
    return one[:length]


def _roles(messages: list[Message]) -> str:
    return "roles " + ", ".join(str(message.get("role")) for message in messages[:8]) + (", …" if len(messages) > 8 else "")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
