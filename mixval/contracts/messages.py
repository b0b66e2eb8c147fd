"""Chat messages of any maker as the contract's own: `role`, `content`, and what else a message says, as JSON in `more`.

Read are `role` and `content`, and ShareGPT's `from` and `value`; role names of other makers (`ROLES`); content as text or as
parts of text, which are joined by a line break; calls of tools (`tool_calls`, the older `function_call`, arguments as JSON
text or as a struct), with the ids and names that belong to them; a train of thought (`reasoning_content`). Any other field of
a message is no part of the conversation. Functions that may be called, told beside a conversation, are its first message, of
the role `TOOLS`. What cannot be read is refused in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixval.contracts.json_text import read_json
from mixval.errors import ContractError

Message = dict[str, str | None]
"""`role`, `content`, and `more`: a JSON object of what else is said, or None."""

ROLE_KEYS, CONTENT_KEYS = ("role", "from"), ("content", "value", "text")
ROLES = {
    **dict.fromkeys(("human", "prompter"), "user"),
    **dict.fromkeys(
        ("gpt", "chatgpt", "gpt4", "gpt-4", "model", "bot", "chatbot", "ai", "bard", "bing", "claude"), "assistant"
    ),
    **dict.fromkeys(("function", "observation", "ipython", "tool_response", "function_response"), "tool"),
}
"""Role names of other makers -> those that chat templates know. Any other name stays as it is."""
TOOLS = "tools"
"""Role of the first message of a conversation that says which functions may be called."""
_TEXT_PARTS = (None, "text", "input_text", "output_text")
_THOUGHTS = ("reasoning_content", "thinking", "reasoning")
_NAMES = ("tool_call_id", "name")


@dataclass(frozen=True)
class Conversation:
    """A conversation up to the assistant's last message."""

    prompt: list[Message]
    response: str | None
    """The last message as text; None where it says nothing."""
    answer: str | None
    """The last message as a JSON object, where it is more than text; else None."""


def read_conversation(messages: Sequence[Mapping[str, Any] | None]) -> Conversation:
    """The conversation before the assistant's last message, and that message. Raises ContractError for what cannot be read, and
    where the assistant says nothing."""
    read = read_messages(messages)
    last = max((at for at, said in enumerate(read) if said["role"] == "assistant"), default=None)
    if last is None:
        roles = ", ".join(dict.fromkeys(f"'{said['role']}'" for said in read)) or "none"
        raise ContractError(
            f"a message of the assistant is expected, found roles {roles}. Rename the role whose messages are to be learnt to "
            "`assistant`"
        )
    said = read[last]
    text = written(said)
    answer = said["more"] and _canonical({"content": said["content"] or "", **json.loads(said["more"])})
    is_silent = said["content"] is None and not said["more"]
    return Conversation(read[:last], None if is_silent else text, answer)


def read_messages(messages: Sequence[Mapping[str, Any] | None]) -> list[Message]:
    """Messages as the contract has them; null ones are left out. Raises ContractError for what cannot be read."""
    return [_read(said) for said in messages if said is not None]


def tools_message(tools: Any) -> Message | None:
    """The message of functions that may be called, from a list of their descriptions or JSON text of one; None for none.

    Raises ContractError for anything else.
    """
    found = _parsed_tools(tools)
    if not found:
        return None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ContractError(
            f"`tools` must be a list of descriptions of functions, or JSON text of one, found {str(tools)[:80]}. Write them "
            "so, or leave the column out"
        )
    return {"role": TOOLS, "content": None, "more": _canonical({"tools": [_without_nulls(one) for one in found]})}


def _parsed_tools(tools: Any) -> Any:
    found = [_parsed(one, or_text=True) for one in tools] if isinstance(tools, list) else _parsed(tools, or_text=True)
    return [found] if isinstance(found, dict) else found


def written(message: Mapping[str, Any]) -> str:
    """What a message says as one text: its train of thought in a `think` block, its content, its calls and the functions that
    may be called as JSON, a line each."""
    more = json.loads(message.get("more") or "{}")
    thought = f"<think>\n{more['reasoning_content']}\n</think>\n\n" if "reasoning_content" in more else ""
    calls = [*(_canonical(call["function"]) for call in more.get("tool_calls", [])), *map(_canonical, more.get("tools", []))]
    return thought + "\n".join([text for text in (message.get("content"), *calls) if text])


def _read(said: Mapping[str, Any]) -> Message:
    role = next((said[key] for key in ROLE_KEYS if said.get(key) is not None), None)
    content = next((said[key] for key in CONTENT_KEYS if said.get(key) is not None), None)
    if role is not None:
        plain = str(role).strip().lower()
        role = ROLES.get(plain, plain if plain in ("system", "user", "assistant", "tool", "developer") else str(role))
    more: dict[str, Any] = {name: str(said[name]) for name in _NAMES if said.get(name) is not None}
    if thought := next((said[key] for key in _THOUGHTS if said.get(key)), None):
        more["reasoning_content"] = str(thought)
    if calls := _calls(said):
        more["tool_calls"] = calls
    return {"role": role, "content": _text(content), "more": _canonical(more) if more else None}


def _text(content: Any) -> str | None:
    if content is None or isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    return "\n".join(_part(part) for part in parts if part is not None)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    text = part.get("text") if isinstance(part, dict) else None
    if kind not in _TEXT_PARTS or not isinstance(text, str):
        raise ContractError(
            f"content is expected to be text, found a part of type '{kind}'. Write what it says as text, or leave the row out"
        )
    return text


def _calls(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    calls = _parsed(said.get("tool_calls"))
    older = _parsed(said.get("function_call"))
    found = calls if isinstance(calls, list) else [calls] if calls else []
    return [_call(call) for call in [*found, *([older] if older else [])] if call is not None]


def _call(call: Any) -> dict[str, Any]:
    function = _parsed(call.get("function") or call) if isinstance(call, dict) else call
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise ContractError(
            "`tool_calls` must have a function's `name` and `arguments` each, found "
            f"{str(call)[:80]}. Write them so, or leave the row out"
        )
    named = {"id": str(call["id"])} if call.get("id") is not None else {}
    # Arrow gives every struct the keys of all of them: what a call leaves out comes as null.
    arguments = _without_nulls(_parsed(function.get("arguments"), or_text=True))
    return {**named, "type": "function", "function": {"name": name, "arguments": {} if arguments is None else arguments}}


def _parsed(value: Any, or_text: bool = False) -> Any:
    """JSON text as what it says; text that is none as it is where that may be, else refused."""
    if not isinstance(value, str):
        return value
    try:
        return read_json(value) if value.strip() else None
    except (json.JSONDecodeError, ContractError) as error:
        if or_text and not isinstance(error, ContractError):
            return value
        raise ContractError(
            f"`tool_calls` must be JSON where they are text, found {value[:80]!r} ({error}). Correct them"
        ) from error


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
