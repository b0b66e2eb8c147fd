"""Templates that do not end, and tokenizers whose native code fails: one row's refusal, or the model's, and never a hang."""

from __future__ import annotations

import itertools

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
