"""Causal LMs: exact response masks, losses by a loop over tokens, chat templates, cutting, batch invariance."""

import pyarrow as pa
import pytest
import torch
from torch.nn.functional import cross_entropy

from mixval.config.backbone import BackboneConfig
from mixval.errors import ContractError, ModelError
from mixval.models.backbone import n_truncated
from mixval.models.load import load_backbone
from mixval.models.outputs import IGNORED
from mixval.models.tokenizers import train_tokenizer

BOS, EOS, PAD = 257, 258, 256
FAMILIES = ["gpt2", "llama", "qwen2"]
TEMPLATE = (
    "{% for m in messages %}<turn>{{ m['role'] }}\n{{ m['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)


@pytest.fixture
def chat_folder(tmp_path):
    """A trained tokenizer with a ChatML-like template whose turns end with a token of their own."""
    from transformers import PreTrainedTokenizerFast

    folder = train_tokenizer(["hello there, how are you", "hello again"], 300, tmp_path / "tokenizer")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>", "<end>"]})
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("architecture", FAMILIES)
def test_losses_outputs_and_features_by_hand(fresh, chat_rows, architecture):
    backbone = load_backbone(fresh(architecture), "instruction", None)
    batch = backbone.encode(chat_rows)
    forward = backbone.forward(batch)
    losses, counts = backbone.losses(forward, batch)
    logit, p = backbone.output(forward, batch, "logit"), backbone.probability(forward, batch)
    for i, row in enumerate(chat_rows.to_pylist()):
        prompt = [BOS, *row["prompt"].encode(), ord("\n")]
        answer = [*row["response"].encode(), EOS]
        found = backbone.module(input_ids=torch.tensor([prompt + answer]), output_hidden_states=True)
        before = found.logits[0, len(prompt) - 1 : -1]
        total = sum(cross_entropy(before[t], torch.tensor(token)).item() for t, token in enumerate(answer))
        assert counts[i] == len(answer)
        assert losses[i].item() == pytest.approx(total, rel=1e-9)
        assert logit[i].item() == pytest.approx(before[range(len(answer)), answer].mean().item(), rel=1e-9)
        assert p[i].item() == pytest.approx(torch.exp(torch.tensor(-total / len(answer))).item(), rel=1e-6)
        torch.testing.assert_close(forward.features[i], found.hidden_states[-1][0].mean(0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_a_row_gives_the_same_alone_and_in_a_batch(fresh, chat_rows, architecture):
    backbone = load_backbone(fresh(architecture), "instruction", None)

    def parts(rows):
        batch = backbone.encode(rows)
        forward = backbone.forward(batch)
        return [*backbone.losses(forward, batch), backbone.output(forward, batch, "margin"), forward.features]

    tolerance = 1e-10 if architecture == "gpt2" else 1e-6  # Llama and Qwen: float32 in RMSNorm and softmax
    coalition_results = parts(chat_rows)
    for i in range(chat_rows.num_rows):
        for alone, whole in zip(parts(chat_rows.slice(i, 1)), coalition_results, strict=True):
            torch.testing.assert_close(alone[0], whole[i], rtol=tolerance, atol=tolerance)


def test_the_mask_covers_the_response_and_the_end_token_and_nothing_else(fresh, chat_rows):
    backbone = load_backbone(fresh("llama"), "instruction", None)
    batch = backbone.encode(chat_rows)
    for i, response in enumerate(chat_rows["response"].to_pylist()):
        kept = batch["targets"][i] != IGNORED
        assert batch["targets"][i][kept].tolist() == [*response.encode(), EOS]
        assert batch["input_ids"][i][kept].tolist() == [*response.encode(), EOS]
        assert (batch["input_ids"][i][batch["attention_mask"][i] == 0] == PAD).all()
    longer = chat_rows.set_column(0, "prompt", pa.array([p + " Be brief." for p in chat_rows["prompt"].to_pylist()]))
    counts = [backbone.losses(backbone.forward(b), b)[1].tolist() for b in (batch, backbone.encode(longer))]
    assert counts[0] == counts[1] == [2, 9, 7]


def test_language_modelling_learns_every_token_but_the_first(fresh):
    backbone = load_backbone(fresh("gpt2", max_length=6), "language-modelling", None)
    batch = backbone.encode(pa.table({"text": ["abc", "abcdefgh"]}))
    assert batch["targets"].tolist() == [[IGNORED, *b"abc", IGNORED, IGNORED], [IGNORED, *b"abcde"]]
    assert batch["is_truncated"].tolist() == [False, True]
    losses, counts = backbone.losses(backbone.forward(batch), batch)
    assert counts.tolist() == [3, 5]
    assert losses.tolist() == pytest.approx([3 * 5.557, 5 * 5.557], rel=0.05)  # near log 259 at initialisation


def test_cutting_takes_the_prompt_from_its_left_then_the_response_from_its_right(fresh):
    backbone = load_backbone(fresh("llama", max_length=8), "instruction", None)
    rows = pa.table({"prompt": ["abcdef", "abcdef", "ab"], "response": ["xy", "stuvwxyz", "xy"]})
    batch = backbone.encode(rows)
    assert batch["input_ids"].tolist() == [
        [BOS, *b"def\n", *b"xy", EOS],  # 3 answer tokens leave 5: the opening token and the prompt's end
        [BOS, *b"stuvwxy"],  # the response alone is too long: 7 of its 9 tokens stay
        [BOS, *b"ab\n", *b"xy", EOS, PAD],
    ]
    assert (batch["targets"] != IGNORED).sum(1).tolist() == [3, 7, 3]
    assert n_truncated(batch) == 2


def test_messages_become_lines_without_a_template(fresh):
    backbone = load_backbone(fresh("llama"), "instruction", None)
    messages = [[{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]]
    batch = backbone.encode(pa.table({"prompt": messages, "response": ["yo"]}))
    assert bytes(batch["input_ids"][0].tolist()[1:-1]).decode() == "system: be kind\nuser: hi\nyo"


def test_chat_template_opens_the_answer_and_its_own_token_ends_it(fresh, chat_folder):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(chat_folder)
    backbone = load_backbone(fresh("qwen2", tokenizer=str(chat_folder), prompt_format="chat"), "instruction", None)
    messages = [[{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]]
    for prompt, opening in (
        (["hello"], "<turn>user\nhello<end>\n<turn>assistant\n"),
        (messages, "<turn>system\nbe kind<end>\n<turn>user\nhello<end>\n<turn>assistant\n"),
    ):
        batch = backbone.encode(pa.table({"prompt": prompt, "response": ["hello there"]}))
        is_answer = batch["targets"][0] != IGNORED
        assert tokenizer.decode(batch["input_ids"][0][~is_answer]) == opening
        assert tokenizer.decode(batch["input_ids"][0][is_answer]) == "hello there<end>\n"
        assert batch["input_ids"][0].tolist().count(tokenizer.convert_tokens_to_ids("<end>")) == opening.count("<end>") + 1


def test_a_template_that_refuses_a_prompt_names_the_row(fresh, chat_folder):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(chat_folder)
    tokenizer.chat_template = "{% if messages[0]['role'] != 'user' %}{{ raise_exception('user first') }}{% endif %}" + TEMPLATE
    tokenizer.save_pretrained(chat_folder)
    backbone = load_backbone(fresh("llama", tokenizer=str(chat_folder), prompt_format="chat"), "instruction", None)
    prompts = [[{"role": "user", "content": "a"}], [{"role": "tool", "content": "b"}]]
    with pytest.raises(ContractError, match=r"row 1 .*roles tool, assistant: user first"):
        backbone.encode(pa.table({"prompt": prompts, "response": ["x", "y"]}))


def test_chat_without_a_template_is_refused(fresh):
    with pytest.raises(ModelError, match="no chat template"):
        load_backbone(fresh("llama", prompt_format="chat"), "instruction", None)


def test_rows_without_an_answer_token_are_refused(fresh):
    backbone = load_backbone(fresh("llama"), "language-modelling", None)
    with pytest.raises(ContractError, match=r"row 1 .* at least 2 token"):
        backbone.encode(pa.table({"text": ["abc", ""]}))


@pytest.mark.parametrize(("class_name", "model_type"), [("GPT2LMHeadModel", "gpt2"), ("LlamaForCausalLM", "llama")])
def test_a_checkpoint_computes_what_it_computed_when_saved(saved, chat_rows, class_name, model_type):
    import transformers

    folder = saved(class_name, model_type)
    original = getattr(transformers, class_name).from_pretrained(folder, dtype=torch.float64).eval()
    backbone = load_backbone(BackboneConfig(path=str(folder), dtype="float64"), "instruction", None)
    batch = backbone.encode(chat_rows.slice(0, 1))
    torch.testing.assert_close(backbone.forward(batch).logits, original(batch["input_ids"]).logits.detach())
    assert bytes(batch["input_ids"][0].tolist()[1:-1]).decode() == "What is 2 + 2?\n4"


def test_gpt2_head_and_embedding_stay_tied(fresh, saved):
    for config in (fresh("gpt2"), BackboneConfig(path=str(saved("GPT2LMHeadModel", "gpt2")))):
        module = load_backbone(config, "instruction", None).module
        assert module.lm_head.weight is module.transformer.wte.weight
