"""Templates that do not end or fill memory, and native code of tokenizers that fails: one row's refusal, or the model's."""

from __future__ import annotations

import itertools
import resource
import sys

import pyarrow as pa
import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mixval.errors import ModelError
from mixval.models import chat
from mixval.models.time_limit import time_limit
from mixval.models.tokenise import Tokeniser
from mixval.models.tokenizers import byte_tokenizer

ENDLESS = (
    "{% for a in range(90000) %}{% for b in range(90000) %}{% for c in range(90000) %}{% endfor %}{% endfor %}{% endfor %}"
)
TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MOST_SECONDS", 0.5)


def speaks(template: str) -> Tokeniser:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    return Tokeniser(tokenizer, "chat")


def test_a_template_that_never_ends_is_the_model_s_fault() -> None:
    with pytest.raises(ModelError, match="chat template must end"):
        speaks(ENDLESS)


def test_a_template_that_does_not_end_for_a_row_refuses_that_row() -> None:
    tokeniser = speaks("{% if messages[0].content == 'trap' %}" + ENDLESS + "{% endif %}" + TURNS)
    rows = pa.table({"prompt": ["hello", "trap", "again"], "response": ["a", "b", "c"]})
    found = tokeniser.counts(rows, "instruction")
    assert [why is None for why in found.refusals] == [True, False, True]
    assert "takes more than 0.5 seconds" in str(found.refusals[1])
    assert (found.n_tokens > 0).tolist() == [True, False, True]


def test_a_limit_ends_what_runs_and_not_what_comes_after() -> None:
    with pytest.raises(TimeoutError), time_limit(0.05):
        for _ in itertools.count():
            pass
    for _ in range(3):
        with time_limit(0.05):
            assert sum(range(1000)) == 499500
    with pytest.raises(KeyError), time_limit(0.05):
        raise KeyError


def test_a_text_on_which_the_tokenizer_s_own_code_fails_is_one_refused_row() -> None:
    inner = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1, "[E]": 2}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"(a+)+$|b"), "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", eos_token="[E]", pad_token="[E]")
    found = Tokeniser(tokenizer).counts(pa.table({"text": ["a", "a" * 40 + "!", "b"]}), "language-modelling")
    assert [why is None for why in found.refusals] == [True, False, True]
    assert "own code fails on a text" in str(found.refusals[1])


DOUBLES = "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
GROWS = "{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}"
limited = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")


@limited
@pytest.mark.parametrize(
    "template",
    [
        DOUBLES,
        "{{ 'a' * 10000000000 }}",
        "{{ 'a' | center(10000000000) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ ('a' * 1000000).replace('a', 'a' * 1000000) }}",
    ],
)
def test_a_template_that_fills_memory_is_the_model_s_fault(monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    monkeypatch.setattr(chat, "MOST_BYTES", 2**26)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(ModelError, match="takes more than 64 MiB for one question"):
        speaks(template)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@limited
def test_a_template_that_fills_memory_for_a_row_refuses_that_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MOST_BYTES", 2**26)
    tokeniser = speaks("{% if messages[0].content == 'trap' %}" + DOUBLES + "{% endif %}" + TURNS)
    found = tokeniser.counts(pa.table({"prompt": ["hello", "trap", "again"], "response": ["a", "b", "c"]}), "instruction")
    assert [why is None for why in found.refusals] == [True, False, True]
    assert "takes more than 64 MiB" in str(found.refusals[1])


@pytest.mark.parametrize("template", [GROWS, "{{ 'a' * 10**10 }}", "{{ 7 ** 7 ** 7 ** 7 }}"])
def test_numbers_that_no_limit_would_end_are_refused_unseen(template: str) -> None:
    with pytest.raises(ModelError, match="computes powers, or products of what is no constant"):
        speaks(template)


def test_a_template_may_indent_and_count() -> None:
    counts = "{% for m in messages %}{{ '  ' * loop.index0 }}{{ 2 * loop.index }}{% endfor %}"
    generation = "{% generation %}{{ eos_token }}{% endgeneration %}{% for m in messages %}{% break %}{% endfor %}"
    assert speaks(counts + generation + TURNS).counts(
        pa.table({"prompt": ["a"], "response": ["b"]}), "instruction"
    ).refusals == [None]
