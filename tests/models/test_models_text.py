"""Sequence classifiers: losses against a row-by-row reference, batch invariance, features, labels, truncation."""

import pyarrow as pa
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast

from mixval.config.backbone import BackboneConfig
from mixval.errors import ContractError, ModelError
from mixval.models.backbone import n_truncated
from mixval.models.load import load_backbone
from mixval.models.tokenizers import train_tokenizer

CLASSES = [0, 1]
TOLERANCE = {"bert": 1e-10, "distilbert": 1e-10, "gpt2": 1e-10, "llama": 1e-6, "qwen2": 1e-6}
"""transformers' Llama and Qwen take RMSNorm and softmax in float32 whatever the model's dtype."""


def _parts(backbone, rows):
    batch = backbone.encode(rows)
    forward = backbone.forward(batch)
    losses, counts = backbone.losses(forward, batch)
    outputs = backbone.output(forward, batch, "margin")
    return {
        "loss": losses,
        "count": counts,
        "output": outputs,
        "p": backbone.probability(forward, batch),
        "f": forward.features,
    }


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "gpt2", "llama", "qwen2"])
def test_a_row_gives_the_same_alone_and_in_a_batch(fresh, text_rows, architecture):
    backbone = load_backbone(fresh(architecture), "text-classification", CLASSES)
    tolerance = TOLERANCE[architecture]
    coalition_results = _parts(backbone, text_rows)
    for i in range(text_rows.num_rows):
        for name, value in _parts(backbone, text_rows.slice(i, 1)).items():
            torch.testing.assert_close(value[0], coalition_results[name][i], rtol=tolerance, atol=tolerance)
    assert coalition_results["loss"].std() > 1e-6  # rows differ, so agreement says something


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_losses_and_features_are_the_model_s_own(fresh, text_rows, architecture):
    backbone = load_backbone(fresh(architecture), "text-classification", CLASSES)
    parts = _parts(backbone, text_rows)
    for i, text in enumerate(text_rows["text"].to_pylist()):
        ids = torch.tensor([[257, *text.encode()]])
        found = backbone.module(input_ids=ids, output_hidden_states=True)
        tolerance = TOLERANCE[architecture]
        assert parts["loss"][i].item() == pytest.approx(
            cross_entropy(found.logits[0], torch.tensor(text_rows["label"][i].as_py())).item(), rel=tolerance
        )
        torch.testing.assert_close(parts["f"][i], found.hidden_states[-1][0].mean(0), rtol=tolerance, atol=tolerance)


def test_nothing_takes_a_gradient_and_evaluation_mode_is_on(fresh):
    module = load_backbone(fresh("bert"), "text-classification", CLASSES).module
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert module.config._attn_implementation == "eager"


def test_labels_are_positions_in_sorted_classes_for_a_fresh_model(fresh):
    backbone = load_backbone(fresh("bert"), "text-classification", [7, -1, 4])
    rows = pa.table({"text": ["x", "y", "z"], "label": pa.array([7, -1, 4], pa.int8())})
    assert backbone.classes == (-1, 4, 7)
    assert backbone.encode(rows)["targets"].tolist() == [2, 0, 1]


def test_labels_are_indices_in_a_checkpoint(saved):
    folder = saved("BertForSequenceClassification", "bert", {"num_labels": 4})
    config = BackboneConfig(path=str(folder), head="checkpoint")
    backbone = load_backbone(config, "text-classification", [1, 3])
    assert backbone.classes is None
    assert backbone.encode(pa.table({"text": ["x", "y"], "label": [3, 1]}))["targets"].tolist() == [3, 1]
    with pytest.raises(ModelError, match=r"labels 0 to 3, and \[4\] of T's labels lie outside"):
        load_backbone(config, "text-classification", [1, 4])


@pytest.mark.parametrize("label", [5, None])
def test_a_label_without_a_class_is_named_by_row_and_id(fresh, label):
    backbone = load_backbone(fresh("bert"), "text-classification", CLASSES)
    rows = pa.table({"text": ["x", "y"], "label": pa.array([0, label], pa.int64()), "id": ["a", "b"]})
    with pytest.raises(ContractError, match=r"row 1 of the batch \(id 'b'\): 'label' must be one of .*\(0, 1\), found"):
        backbone.encode(rows)


def test_overlong_rows_are_cut_from_the_right_and_counted(fresh):
    backbone = load_backbone(fresh("bert", max_length=5), "text-classification", CLASSES)
    batch = backbone.encode(pa.table({"text": ["abcdefgh", "abcd", "ab"], "label": [0, 1, 0]}))
    assert batch["input_ids"].tolist() == [[257, *b"abcd"], [257, *b"abcd"], [257, *b"ab", 256, 256]]
    assert batch["attention_mask"].sum(1).tolist() == [5, 5, 3]
    assert batch["is_truncated"].tolist() == [True, False, False]
    assert n_truncated(batch) == 1


def test_overlong_rows_are_refused_when_asked(fresh):
    backbone = load_backbone(fresh("bert", max_length=5, overlong="reject"), "text-classification", CLASSES)
    with pytest.raises(ContractError, match=r"row 1 .* at most 5 tokens"):
        backbone.encode(pa.table({"text": ["ab", "abcdefgh"], "label": [0, 1]}))


def test_the_model_s_own_context_is_never_passed(fresh):
    config = fresh("bert", settings={"max_position_embeddings": 8}, max_length=100)
    backbone = load_backbone(config, "text-classification", CLASSES)
    assert backbone.max_length == 8
    rows = pa.table({"text": ["a" * 50], "label": [0]})
    assert backbone.forward(backbone.encode(rows)).logits.shape == (1, 2)


def test_roberta_positions_start_after_padding(saved, tmp_path):
    folder = train_tokenizer(["a b"], 259, tmp_path / "tokenizer")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)  # pads with 0
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    folder = saved("RobertaForSequenceClassification", "roberta", {**small, "max_position_embeddings": 12}, tokenizer)
    config = BackboneConfig(path=str(folder), max_length=64, dtype="float64")
    backbone = load_backbone(config, "text-classification", CLASSES)
    assert backbone.max_length == 11
    batch = backbone.encode(pa.table({"text": ["a" * 50, "b"], "label": [0, 1]}))
    assert backbone.forward(batch).logits.isfinite().all()
    with pytest.raises(ModelError, match="counts positions from its padding token, 0, and the tokenizer pads with 256"):
        load_backbone(config.model_copy(update={"tokenizer": "byte"}), "text-classification", CLASSES)


def test_nulls_empty_batches_and_missing_columns_are_named(fresh):
    backbone = load_backbone(fresh("bert"), "text-classification", CLASSES)
    with pytest.raises(ContractError, match=r"row 0 .* 'text' must be a string, found NoneType"):
        backbone.encode(pa.table({"text": pa.array([None], pa.string()), "label": [0]}))
    with pytest.raises(ContractError, match="at least one row"):
        backbone.encode(pa.table({"text": pa.array([], pa.string()), "label": pa.array([], pa.int64())}))
    with pytest.raises(ContractError, match=r"need a column 'label', found \['text'\]"):
        backbone.encode(pa.table({"text": ["x"]}))
    with pytest.raises(ModelError, match="pixel features need images"):
        backbone.pixels(pa.table({"text": ["x"]}))


def test_dictionary_columns_read_like_plain_ones(fresh, text_rows):
    backbone = load_backbone(fresh("bert"), "text-classification", CLASSES)
    coded = pa.table({name: text_rows[name].dictionary_encode() for name in text_rows.column_names})
    assert all(
        torch.equal(a, b) for a, b in zip(backbone.encode(coded).values(), backbone.encode(text_rows).values(), strict=True)
    )


def test_a_fresh_model_s_loss_is_near_log_c(fresh, text_rows):
    backbone = load_backbone(fresh("bert", dtype="bfloat16"), "text-classification", CLASSES)
    parts = _parts(backbone, text_rows)
    assert parts["loss"].dtype == torch.float64
    assert parts["f"].dtype == torch.float32
    assert parts["loss"].mean().item() == pytest.approx(0.693, abs=0.1)
