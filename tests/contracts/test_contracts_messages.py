"""Chat messages of other makers as the contract has them: roles, parts of text, calls; what is not read is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mixval.contracts.messages import TOOLS, read_conversation, read_messages, tools_message, written
from mixval.errors import ContractError

Said = dict[str, Any]
HI: Said = {"role": "user", "content": "hi"}


def call(city: str, **more: Any) -> Said:
    return {"type": "function", "function": {"name": "weather", "arguments": {"city": city}}, **more}


@pytest.mark.parametrize(
    ("role", "read"),
    [
        ("human", "user"), ("User", "user"), ("prompter", "user"), ("gpt", "assistant"), ("model", "assistant"),
        ("bot", "assistant"), ("ASSISTANT", "assistant"), ("observation", "tool"), ("function", "tool"), ("system", "system"),
        ("developer", "developer"), ("Narrator", "Narrator"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("who", "what"), [("role", "content"), ("from", "value"), ("role", "text")])
def test_roles_of_other_makers(role: str, read: str, who: str, what: str) -> None:
    assert read_messages([{who: role, what: "hi", "weight": 1}]) == [{"role": read, "content": "hi", "more": None}]


SEARCH = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    "given", [[SEARCH], [SEARCH | {"strict": None}], json.dumps([SEARCH]), [json.dumps(SEARCH)], json.dumps(SEARCH)]
)
def test_functions_that_may_be_called_are_one_message_however_they_are_written(given: Any) -> None:
    found = tools_message(given)
    assert found is not None
    assert found["role"] == TOOLS
    assert json.loads(found["more"] or "") == {"tools": [SEARCH]}
    assert written(found) == json.dumps(SEARCH, sort_keys=True)


@pytest.mark.parametrize("given", [None, "", " ", [], "[]", "null"])
def test_no_functions_are_no_message(given: Any) -> None:
    assert tools_message(given) is None


@pytest.mark.parametrize("given", ["search the web", ["search"], "[1]", 3])
def test_what_describes_no_functions_is_refused(given: Any) -> None:
    with pytest.raises(ContractError, match="`tools` must be a list of descriptions of functions, or JSON text of one, found"):
        tools_message(given)


def test_the_assistant_s_last_message_is_the_answer() -> None:
    answers = [{"role": "gpt", "content": "a"}, {"role": "model", "content": "b"}]
    turns = [HI, answers[0], None, HI, answers[1], {"role": "human", "content": "late"}]
    found = read_conversation(turns)
    assert [said["content"] for said in found.prompt] == ["hi", "a", "hi"]
    assert (found.response, found.answer) == ("b", None)
    assert read_conversation([HI, {"role": "assistant", "content": None}]).response is None


@pytest.mark.parametrize("roles", [["user", "narrator"], ["user"], []])
def test_a_conversation_without_an_answer_names_the_roles_found(roles: list[str]) -> None:
    with pytest.raises(ContractError, match="assistant is expected, found roles " + (", ".join(map(repr, roles)) or "none")):
        read_conversation([{"role": role, "content": "x"} for role in roles])


def test_content_may_be_parts_of_text_and_nothing_else() -> None:
    parts = [{"type": "text", "text": "one", "image_url": None}, None, {"text": "two"}, "three"]
    assert read_messages([{"role": "user", "content": parts}])[0]["content"] == "one\ntwo\nthree"
    for part in ({"type": "image_url", "text": None}, {"type": "input_audio", "text": "what it says"}):
        with pytest.raises(ContractError, match=f"a part of type '{part['type']}'"):
            read_messages([{"role": "user", "content": [part]}])


@pytest.mark.parametrize(
    "given",
    [
        {"tool_calls": [call("Oslo")]},
        {"tool_calls": [{"function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}]},
        {"tool_calls": [None, {"name": "weather", "arguments": {"city": "Oslo", "unit": None}}]},
        {"tool_calls": json.dumps([call("Oslo")])},
        {"function_call": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
    ],
)
@pytest.mark.parametrize("content", [None, ""])
def test_calls_in_every_spelling_are_one(given: Said, content: str | None) -> None:
    found = read_conversation([HI, {"role": "assistant", "content": content, **given}])
    assert json.loads(str(found.answer)) == {"content": "", "tool_calls": [call("Oslo")]}
    assert found.response == '{"arguments": {"city": "Oslo"}, "name": "weather"}'
    (said,) = read_messages([{"role": "assistant", "content": content, **given}])
    assert written(said) == found.response


def test_what_belongs_to_calls_is_part_of_the_conversation() -> None:
    turns = [
        {"role": "assistant", "content": "one moment", "tool_calls": [call("Oslo", id="a1")], "reasoning_content": "so"},
        {"role": "tool", "content": "ok", "tool_call_id": "a1", "name": "weather", "tool_calls": None},
    ]
    asked, told = read_messages(turns)
    assert json.loads(str(asked["more"])) == {"reasoning_content": "so", "tool_calls": [call("Oslo", id="a1")]}
    assert json.loads(str(told["more"])) == {"tool_call_id": "a1", "name": "weather"}
    assert written(asked).startswith("<think>\nso\n</think>\n\none moment\n{")
    other = read_messages([turns[0] | {"tool_calls": [call("Rome", id="a1")]}])[0]
    assert other != asked


@pytest.mark.parametrize("calls", [[{"id": "1"}], "not JSON", [{"function": {"arguments": "{}"}}], ["weather"]])
def test_calls_that_cannot_be_read_are_refused_by_name(calls: Any) -> None:
    with pytest.raises(ContractError, match="`tool_calls` must"):
        read_messages([{"role": "assistant", "content": "", "tool_calls": calls}])


@pytest.mark.parametrize("levels", [150, 950, 50_000])  # what this module walks, what json reads, and what it does not
def test_calls_that_are_nested_too_deeply_are_refused(levels: int) -> None:
    deep = '{"a": ' * levels + "1" + "}" * levels
    for calls in (f'[{{"name": "weather", "arguments": {deep}}}]', [{"name": "weather", "arguments": deep}]):
        with pytest.raises(ContractError, match="nested more than 100 deep"):
            read_messages([{"role": "assistant", "content": "", "tool_calls": calls}])
