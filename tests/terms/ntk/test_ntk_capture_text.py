"""Captured kernels of transformers language models against full gradients, padded batches, in float64."""

import peft
import pytest
import torch
import transformers as hf
from ntk_reference import (
    dense_theta,
    mean_token_log_probability,
    mean_token_logit,
    own_class_logit,
    padded_rows,
    relative,
    split,
    widen,
)
from torch import Tensor, nn

from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.terms.ntk.residual import residual

# peft asks a transformers model for a property that transformers has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

VOCABULARY = 37
LLAMA = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "attn_implementation": "eager",
}


@pytest.fixture(autouse=True)
def _softmax_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    # transformers' eager attention takes its softmax in float32, which would hide errors below 1e-7.
    plain = nn.functional.softmax
    monkeypatch.setattr(nn.functional, "softmax", lambda x, dim, **_: plain(x, dim=dim))


def llama() -> nn.Module:
    return widen(hf.LlamaForCausalLM(hf.LlamaConfig(**LLAMA)))


def qwen2() -> nn.Module:
    return widen(hf.Qwen2ForCausalLM(hf.Qwen2Config(**LLAMA, tie_word_embeddings=True)))


def gpt2() -> nn.Module:
    config = hf.GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=4, n_positions=32, attn_implementation="eager")
    return widen(hf.GPT2LMHeadModel(config))


def bert() -> nn.Module:
    config = hf.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        max_position_embeddings=32,
        num_labels=3,
        attn_implementation="eager",
    )
    return widen(hf.BertForSequenceClassification(config))


def lora_llama() -> nn.Module:
    config = peft.LoraConfig(r=3, target_modules="all-linear", init_lora_weights=True)
    return widen(peft.get_peft_model(hf.LlamaForCausalLM(hf.LlamaConfig(**LLAMA)), config))


ALL = ["linear", "embedding", "norm"]
CASES = [
    (llama, ALL, mean_token_logit),
    (llama, ["linear"], mean_token_log_probability),
    (qwen2, [*ALL, "bias"], mean_token_logit),
    (qwen2, ["linear"], mean_token_log_probability),
    (gpt2, [*ALL, "bias"], mean_token_logit),
    (gpt2, ["linear"], mean_token_log_probability),
    (lora_llama, ["lora"], mean_token_logit),
    (lora_llama, ["linear", "lora", "embedding"], mean_token_log_probability),
]


def bert_batch() -> dict[str, Tensor]:
    batch = padded_rows(7, 9, VOCABULARY)
    del batch["answer"]
    return {**batch, "y": torch.arange(7) % 3}


@pytest.mark.parametrize(("make", "kinds", "scalar"), CASES)
def test_causal_kernel_equals_dense(make, kinds, scalar) -> None:
    torch.manual_seed(0)
    module, batch = make(), padded_rows(7, 9, VOCABULARY)
    names = select_parameters(module, kinds)
    truth = dense_theta(module, names, scalar, batch)
    for size in (1, 3, 7):
        for form in ("auto", "gradient", "factors"):
            found = capture(module, names, scalar(module), split(batch, size), form)
            theta = gram_block(found, found)
            assert relative(theta, truth) <= 1e-10, (size, form)
            r = residual(found.outputs, torch.zeros(7), "one-minus-output")
            assert quadratic_form(theta, r, 1e-2).term == pytest.approx(quadratic_form(truth, r, 1e-2).term, rel=1e-9)


def test_classifier_kernel_equals_dense() -> None:
    torch.manual_seed(0)
    module, batch = bert(), bert_batch()
    names = select_parameters(module, [*ALL, "bias"])
    truth = dense_theta(module, names, own_class_logit, batch)
    for size in (1, 3, 7):
        for form in ("auto", "gradient", "factors"):
            found = capture(module, names, own_class_logit(module), split(batch, size), form)
            assert relative(gram_block(found, found), truth) <= 1e-10, (size, form)


def test_padding_does_not_count() -> None:
    torch.manual_seed(0)
    module, batch = llama(), padded_rows(5, 9, VOCABULARY)
    longer = {key: nn.functional.pad(value, (0, 4)) for key, value in batch.items()}
    names = select_parameters(module, ALL)
    short, padded = (capture(module, names, mean_token_logit(module), [rows], "factors") for rows in (batch, longer))
    theta = gram_block(short, short)
    assert relative(gram_block(short, padded), theta) <= 1e-10
    assert relative(gram_block(padded, padded), theta) <= 1e-10


def test_tied_table_counts_once_with_both_uses() -> None:
    module, batch = gpt2(), padded_rows(5, 9, VOCABULARY)
    names = select_parameters(module, ["linear"])
    assert "transformer.wte.weight" in names
    assert "lm_head.weight" not in names
    found = capture(module, names, mean_token_logit(module), [batch], "factors")
    table = found.weights["transformer.wte.weight"]
    assert [use.has_ids for use in table.uses] == [True, True]


def test_outputs_are_those_of_the_scalar() -> None:
    module, batch = llama(), padded_rows(5, 9, VOCABULARY)
    names = select_parameters(module, ["linear"])
    found = capture(module, names, mean_token_logit(module), split(batch, 2))
    with torch.no_grad():
        truth = mean_token_logit(module)(batch)
    torch.testing.assert_close(found.outputs, truth, rtol=1e-12, atol=1e-12)


def test_head_with_one_true_token_stays_small() -> None:
    module, batch = llama(), padded_rows(7, 9, VOCABULARY)
    found = capture(module, ["lm_head.weight"], mean_token_logit(module), [batch], "factors")
    # 7 answer tokens at most, each 16 float64 numbers and one row number: no (T, vocabulary) left side is kept.
    assert found.n_bytes / found.n <= 8 + 7 * (16 + 1) * 8
