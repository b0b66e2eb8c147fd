"""Conversations of a batch as cells of the contract: chat columns split, prompts of messages, functions that may be called."""

from __future__ import annotations

import pyarrow as pa

from mixval.contracts.messages import Conversation, Message, read_conversation, read_messages, tools_message
from mixval.contracts.rows import MESSAGE
from mixval.errors import ContractError

Refused = dict[int, str]
"""Row of a batch -> why it cannot be read."""


def split_chat(chats: pa.Array, wanted: set[str], refused: Refused) -> dict[str, pa.Array]:
    """Prompt, response and answer of a chat column, those that are wanted; the answer comes with the response."""
    found = list[Conversation | None]()
    for at, messages in enumerate(chats.to_pylist()):
        try:
            found.append(None if messages is None else read_conversation(messages))
        except ContractError as error:
            refused[at] = str(error)
            found.append(None)
    made = {
        "prompt": pa.array([one and one.prompt for one in found], pa.list_(MESSAGE)),
        "response": pa.array([one and one.response for one in found], pa.string()),
        "answer": pa.array([one and one.answer for one in found], pa.string()),
    }
    return {name: array for name, array in made.items() if name in wanted or (name == "answer" and "response" in wanted)}


def prompt_cells(array: pa.Array, refused: Refused) -> pa.Array:
    """Prompts that are lists of messages."""
    prompts = list[list[Message] | None]()
    for at, messages in enumerate(array.to_pylist()):
        try:
            prompts.append(None if messages is None else read_messages(messages))
        except ContractError as error:
            refused[at] = str(error)
            prompts.append(None)
    return pa.array(prompts, pa.list_(MESSAGE))


def with_tools(prompts: pa.Array, tools: pa.Array, refused: Refused) -> pa.Array:
    """Prompts as messages, the functions that may be called before them."""
    made = list[list[Message] | None]()
    for at, (prompt, given) in enumerate(zip(prompts.to_pylist(), tools.to_pylist(), strict=True)):
        said = [{"role": "user", "content": prompt, "more": None}] if isinstance(prompt, str) else prompt
        try:
            first = tools_message(given)
        except ContractError as error:
            refused[at], first, said = str(error), None, None
        made.append([first, *said] if first and said is not None else said)
    return pa.array(made, pa.list_(MESSAGE))
