"""Tokenizers: bytes there and back, training twice to the same file, folders, checkpoints, and counts for the gate."""

import pyarrow as pa
import pytest

from mixval.config.backbone import BackboneConfig
from mixval.errors import ConfigError, ModelError
from mixval.models.load import load_backbone
from mixval.models.outputs import IGNORED
from mixval.models.tokenizers import byte_tokenizer, load_tokenizer, token_counter, train_tokenizer

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "naïve café, 20 €"]


@pytest.mark.parametrize("text", ["", "plain", "zwölf €\n\t漢字 🎉", "<eos> is five bytes, <pad> too", "a\x00b\r\n  c "])
def test_bytes_there_and_back(text):
    tokenizer = byte_tokenizer()
    ids = tokenizer(text)["input_ids"]
    assert ids == [257, *text.encode()]
    assert tokenizer.decode(ids[1:]) == text
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, len(tokenizer)) == (256, 257, 258, 259)


def test_training_twice_gives_the_same_bytes_and_loses_nothing(tmp_path, fresh):
    first, second = (train_tokenizer(TEXTS, 280, tmp_path / name) for name in ("a", "b"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    tokenizer = load_tokenizer(fresh("bert", tokenizer=str(first)), "text-classification")
    assert 259 < len(tokenizer) <= 280
    for text in [*TEXTS, "unseen: 漢字 🎉"]:
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    assert len(tokenizer(TEXTS[0], add_special_tokens=False)["input_ids"]) < len(TEXTS[0])
    assert tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id
    with pytest.raises(ConfigError, match="at least 259"):
        train_tokenizer(TEXTS, 100, tmp_path / "c")


@pytest.mark.parametrize(("class_name", "model_type"), [("LlamaForCausalLM", "llama"), ("BertForMaskedLM", "bert")])
def test_a_checkpoint_s_tokenizer_is_the_one_that_was_saved(tmp_path, saved, fresh, class_name, model_type):
    folder = train_tokenizer(TEXTS, 280, tmp_path / "trained")
    trained = load_tokenizer(fresh("llama", tokenizer=str(folder)), "instruction")
    checkpoint = saved(class_name, model_type, tokenizer=trained)
    loaded = load_tokenizer(BackboneConfig(path=str(checkpoint)), "instruction")
    for text in [*TEXTS, "unseen  spaces\n 漢字"]:
        assert loaded(text)["input_ids"] == trained(text)["input_ids"]


def test_pad_falls_back_to_the_end_token(tmp_path, fresh):
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    found = load_tokenizer(fresh("llama", tokenizer=str(tmp_path)), "instruction")
    assert found.pad_token_id == found.eos_token_id == 258


def test_tokenizers_that_cannot_serve_are_refused(tmp_path, fresh, saved):
    with pytest.raises(ConfigError, match="there is none"):
        load_tokenizer(fresh("bert", tokenizer=str(tmp_path)), "text-classification")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read"):
        load_tokenizer(fresh("bert", tokenizer=str(tmp_path)), "text-classification")
    with pytest.raises(ConfigError, match="has no tokenizer"):
        load_tokenizer(fresh("resnet"), "image-classification")
    tokenizer = byte_tokenizer()
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="a response needs one"):
        load_tokenizer(fresh("llama", tokenizer=str(tmp_path)), "instruction")
    bare = saved("BertForSequenceClassification", "bert")
    (bare / "tokenizer.json").unlink()
    (bare / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match="its tokenizer cannot be read"):
        load_tokenizer(BackboneConfig(path=str(bare)), "text-classification")


def test_counts_are_what_encoding_gives_without_a_limit(fresh, chat_rows, text_rows):
    config = fresh("llama")
    counts = token_counter(config, "instruction")(chat_rows)
    batch = load_backbone(config, "instruction", None).encode(chat_rows)
    assert counts.n_tokens.tolist() == batch["attention_mask"].sum(1).tolist()
    assert (counts.n_response_tokens + 1).tolist() == (batch["targets"] != IGNORED).sum(1).tolist()
    counts = token_counter(config, "language-modelling")(text_rows)
    batch = load_backbone(config, "language-modelling", None).encode(text_rows)
    assert counts.n_tokens.tolist() == batch["attention_mask"].sum(1).tolist()
    assert counts.n_response_tokens.tolist() == (batch["targets"] != IGNORED).sum(1).tolist()


def test_counts_find_empty_null_and_overlong_rows(fresh):
    rows = pa.table({"prompt": ["ab", None, "x" * 1000], "response": ["", "yz", None]})
    counts = token_counter(fresh("llama", max_length=8), "instruction")(rows)
    assert counts.n_response_tokens.tolist() == [0, 2, 0]
    assert counts.n_tokens.tolist() == [1 + 3 + 0 + 1, 1 + 1 + 2 + 1, 1 + 1001 + 0 + 1]
    texts = pa.table({"text": ["", None, "abc"]})
    assert token_counter(fresh("bert"), "text-classification")(texts).n_response_tokens.tolist() == [0, 0, 3]
    assert token_counter(fresh("llama"), "language-modelling")(texts).n_response_tokens.tolist() == [0, 0, 3]
    assert token_counter(fresh("llama"), "language-modelling")(texts.slice(0, 0)).n_tokens.shape == (0,)
    listed = pa.table({"prompt": pa.array([None, [{"role": "user", "content": None}]]), "response": ["a", "b"]})
    assert token_counter(fresh("llama"), "instruction")(listed).n_response_tokens.tolist() == [1, 1]
