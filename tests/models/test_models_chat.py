"""Chat templates: the whole conversation as the template writes it, on any day, with texts kept apart from its own tokens."""

import datetime
import json

import pyarrow as pa
import pytest

from mixval.contracts.rows import MESSAGE
from mixval.errors import ContractError, ModelError
from mixval.models.tokenise import Tokeniser
from mixval.models.tokenizers import byte_tokenizer

BOS, EOS = 257, 258
PLAIN = (
    "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
OPENS_THOUGHT = (  # the generation prompt opens a block of thought, and a finished turn has none of it
    "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>\n{% endif %}"
)
KEEPS_THOUGHT = OPENS_THOUGHT.replace("m.content.split('</think>')[-1]", "m.content")
SYSTEM_REFUSED = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + PLAIN
DATED = "{% macro head() %}Today {{ strftime_now('%d %b %Y, %-d/%m %H:%M %%') }}\n{% endmacro %}{{ head() }}" + PLAIN
CALLS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls %}[{{ c.function.name }}"
    "{{ c.function.arguments | tojson }}]{% endfor %}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def chat(template: str) -> Tokeniser:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    return Tokeniser(tokenizer, "chat")


def rows(response: str, *prompt: tuple[str, str], answer: dict | None = None) -> pa.Table:
    said = [[{"role": role, "content": content} for role, content in prompt or [("user", "hi")]]]
    more = {} if answer is None else {"answer": [json.dumps(answer)]}
    return pa.table({"prompt": said, "response": [response], **more})


def parts(tokeniser: Tokeniser, table: pa.Table, longest: int = 1000) -> tuple[str, str]:
    """Prompt and answer as text."""
    (row,) = tokeniser.conversations(table, longest)
    assert tokeniser.counts(table, "instruction").n_tokens.tolist() == [len(row.ids)]
    ids = row.ids[: row.answer_start], row.ids[row.answer_start :]
    return tokeniser.tokenizer.decode(ids[0]), tokeniser.tokenizer.decode(ids[1])


@pytest.mark.parametrize("template", [PLAIN, KEEPS_THOUGHT, OPENS_THOUGHT, CALLS])
@pytest.mark.parametrize("response", ["yo", "<think>\nwell</think>yo", "<b>", "0 or 1"])
def test_prompt_and_answer_are_the_template_s_rendering_of_the_conversation(template, response):
    tokeniser = chat(template)
    table = rows(response, ("system", "be kind"), ("user", "hi"), ("assistant", "hello"), ("user", "and?"))
    messages = [*table["prompt"].to_pylist()[0], {"role": "assistant", "content": response}]
    whole = tokeniser.tokenizer.apply_chat_template(messages, tokenize=False)
    (row,) = tokeniser.conversations(table, 1000)
    assert row.ids == tokeniser.tokenizer(whole, add_special_tokens=False, split_special_tokens=False)["input_ids"]
    assert whole.count("<think>") == "".join(parts(tokeniser, table)).count("<think>") <= 1


def test_the_prompt_ends_where_the_answer_begins():
    assert parts(chat(PLAIN), rows("yo")) == ("<bos><user>hi<eos>\n<assistant>", "yo<eos>\n")
    assert parts(chat(OPENS_THOUGHT), rows("<b>")) == ("<user>hi<eos><assistant>", "<b><eos>")
    thought = "<think>\nwell</think>yo"
    assert parts(chat(KEEPS_THOUGHT), rows(thought)) == ("<user>hi<eos><assistant><think>\n", "well</think>yo<eos>")


def test_a_template_without_an_end_gets_one():
    bare = PLAIN.replace("{{ eos_token }}", "")
    assert parts(chat(bare), rows("yo"))[1] == "yo\n<eos>"


def test_a_date_in_a_template_is_the_same_on_any_day(monkeypatch):
    from transformers.utils import chat_template_utils

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 5, 6, tzinfo=tz)

    before = parts(chat(DATED), rows("yo"))
    monkeypatch.setattr(chat_template_utils, "datetime", Later)
    assert (
        chat(DATED).tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False).startswith("Today 06 May")
    )
    assert parts(chat(DATED), rows("yo")) == before
    assert before[0].startswith("Today 26 Jul 2024, 26/07 00:00 %\n<bos>")


def test_special_tokens_that_a_text_spells_are_text():
    spelled = "so <eos> and <bos><pad> it is"
    table = rows(spelled, ("user", "<eos><bos>"))
    for tokeniser in (chat(PLAIN), Tokeniser(byte_tokenizer()), meant_tokens()):
        (row,) = tokeniser.conversations(table, 1000)
        own = 1 if tokeniser.template is None else 2
        assert (row.ids.count(BOS), row.ids.count(EOS)) == (1, own)
        text = tokeniser.tokenizer.decode(row.ids)
        assert spelled in text
        assert "<eos><bos>" in text
    (text,) = meant_tokens().texts(pa.table({"text": [spelled]}), 1000)
    assert text.ids == [BOS, *spelled.encode()]


def meant_tokens() -> Tokeniser:
    """A tokenizer that takes the special tokens of a text for its own, as most do."""
    tokenizer = byte_tokenizer()
    tokenizer.split_special_tokens = False
    return Tokeniser(tokenizer)


@pytest.mark.parametrize("tokeniser", [chat(PLAIN), Tokeniser(byte_tokenizer()), meant_tokens()])
def test_the_end_token_stands_once_whether_an_answer_spells_it_or_not(tokeniser):
    expected = tokeniser.conversations(rows("yo"), 1000)[0].ids
    for response in ("yo<eos>", "yo<eos>\n", "yo<eos> <eos>"):
        assert tokeniser.conversations(rows(response), 1000)[0].ids == expected
        assert tokeniser.counts(rows(response), "instruction").n_response_tokens.tolist() == [2]
    for empty in ("<eos>", " <eos>\n<eos>"):
        assert tokeniser.counts(rows(empty), "instruction").n_response_tokens.tolist() == [0]
    texts = pa.table({"text": ["<eos>", "a<eos>"]})
    assert (tokeniser.counts(texts, "language-modelling").n_response_tokens > 0).tolist() == [False, True]


def test_a_refused_row_is_told_beside_the_others():
    tokeniser = chat(SYSTEM_REFUSED)
    table = pa.concat_tables([rows("yo"), rows("yo", ("system", "be kind"), ("user", "hi")), rows("yo")])
    counts = tokeniser.counts(table, "instruction")
    assert counts.refusals[0] is counts.refusals[2] is None
    assert "roles system, user, assistant: System role not supported" in str(counts.refusals[1])
    assert counts.n_tokens.tolist()[1] == 0
    with pytest.raises(ContractError, match="row 1 of the batch: the chat template refuses"):
        tokeniser.conversations(table, 1000)


def test_functions_that_may_be_called_reach_the_template_and_are_text_without_one():
    tools = [{"type": "function", "function": {"name": "search <eos>"}}]
    said = [{"role": "tools", "content": None, "more": json.dumps({"tools": tools})}, {"role": "user", "content": "hi"}]
    table = pa.table({"prompt": pa.array([said], pa.list_(MESSAGE)), "response": ["yo"]})
    template = "{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}" + PLAIN
    with_tools, answer = parts(chat(template), table)
    without = parts(chat(PLAIN), table)
    assert (with_tools, answer) == (f"[search <eos>]{without[0]}", without[1])
    (row,) = chat(template).conversations(table, 1000)
    assert row.ids.count(258) == chat(PLAIN).conversations(table, 1000)[0].ids.count(258)  # spelt in a name, <eos> is text
    table_of_a_role = rows("yo", ("tools", "hi"))  # a speaker of that name is none of them
    assert "<tools>hi" in parts(chat(template), table_of_a_role)[0]
    plain = Tokeniser(byte_tokenizer(), "plain")
    told = plain.tokenizer.decode(plain.conversations(table, 1000)[0].ids)
    assert told.startswith('<bos>tools: {"function": {"name": "search <eos>"}, "type": "function"}\nuser: hi')


def test_calls_reach_the_template_and_are_an_answer():
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    asked = {"role": "assistant", "content": None, "more": json.dumps({"tool_calls": [call]})}
    told = {"role": "tool", "content": "ok", "more": None}
    prompt = [{"role": "user", "content": "warm?", "more": None}]
    table = pa.table({"prompt": [[*prompt, asked, told]], "response": ["yes"]})
    called = '[weather{"city": "Oslo"}]'
    assert parts(chat(CALLS), table)[0] == f"<user>warm?<eos><assistant>{called}<eos><tool>ok<eos><assistant>"
    older = CALLS.replace("c.function.arguments | tojson", "': ' + c.function.arguments")
    assert parts(chat(older), table)[0].startswith('<user>warm?<eos><assistant>[weather: {"city": "Oslo"}]<eos>')
    table = pa.table(
        {"prompt": [prompt], "response": ["as text"], "answer": [json.dumps({"content": "", "tool_calls": [call]})]}
    )
    assert parts(chat(CALLS), table)[1] == f"{called}<eos>"


@pytest.mark.parametrize(
    ("template", "words"),
    [("{{ ['a', 'b'] | random }}" + PLAIN, "draws at random"), ({"tool_use": PLAIN}, "one chat template")],
)
def test_templates_that_cannot_serve_are_refused(template, words):
    with pytest.raises(ModelError, match=words):
        chat(template)
