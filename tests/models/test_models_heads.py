"""Heads: base encoders get a seeded one that is named, a checkpoint's own stays where it fits."""

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from mixval.config.backbone import BackboneConfig
from mixval.errors import ModelError
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone

TASK = "text-classification"
ROBERTA = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
# Positions of RoBERTa count from the padding token, which is byte 256.
OFFSET = {**ROBERTA, "max_position_embeddings": 400}


def _load(folder, classes=(0, 1), task=TASK, **fields):
    return load_backbone(BackboneConfig(path=str(folder), **fields), task, list(classes))


@pytest.mark.parametrize(
    ("class_name", "model_type", "settings", "new"),
    [
        ("BertModel", "bert", {}, "(classifier 3 x 16;"),
        ("BertForMaskedLM", "bert", {}, "(bert.pooler.dense 16 x 16, classifier 3 x 16;"),
        ("DistilBertForMaskedLM", "distilbert", {}, "(pre_classifier 16 x 16, classifier 3 x 16;"),
        ("RobertaForMaskedLM", "roberta", OFFSET, "(classifier.dense 16 x 16, classifier.out_proj 3 x 16;"),
        ("GPT2LMHeadModel", "gpt2", {}, "(score 3 x 16;"),
    ],
)
def test_a_base_encoder_gets_a_seeded_head_that_is_named(saved, text_rows, class_name, model_type, settings, new):
    folder = saved(class_name, model_type, settings)
    backbone = _load(folder, (4, 7, 9))
    assert f"{type(backbone.module).__name__} got a new, untrained one of 3 classes {new}" in backbone.notes["new-head"]
    assert backbone.classes == (4, 7, 9)
    rows = text_rows.set_column(1, "label", pa.array([4, 7, 9, 9]))
    batch = backbone.encode(rows)
    assert batch["targets"].tolist() == [0, 1, 2, 2]
    assert backbone.forward(batch).logits.shape == (4, 3)
    again, other = _load(folder, (4, 7, 9)), _load(folder, (4, 7, 9), head_seed=1)
    differ = {
        name for name, value in other.module.named_parameters() if not torch.equal(value, backbone.module.get_parameter(name))
    }
    assert all(torch.equal(a, b) for a, b in zip(again.module.parameters(), backbone.module.parameters(), strict=True))
    assert {name.rpartition(".")[0] for name in differ} == {layer.split(" ")[0] for layer in new[1:-1].split(", ")}


def test_an_image_backbone_without_a_head_gets_one(saved, image_rows):
    backbone = _load(saved("ResNetModel", "resnet"), (0, 1, 2), "image-classification")
    assert "ResNetForImageClassification got a new, untrained one of 3 classes" in backbone.notes["new-head"]
    assert backbone.forward(backbone.encode(image_rows())).logits.shape == (5, 3)


def test_a_head_that_fits_is_used_and_nothing_is_said(saved):
    folder = saved("BertForSequenceClassification", "bert")
    backbone = _load(folder)
    assert not backbone.notes
    assert backbone.classes is None
    renewed = _load(folder, head="new")
    assert renewed.notes["new-head"].startswith("`backbone.head` is `new`: BertForSequenceClassification")
    assert not torch.equal(renewed.module.classifier.weight, backbone.module.classifier.weight)
    assert torch.equal(renewed.module.bert.pooler.dense.weight, backbone.module.bert.pooler.dense.weight)


def test_a_head_of_other_classes_is_replaced_and_said_so(saved):
    folder = saved("BertForSequenceClassification", "bert", {"num_labels": 5})
    backbone = _load(folder, (0, 1, 2))
    assert backbone.notes["new-head"].startswith("The checkpoint has a head of 5 classes, and T has 3: ")
    assert backbone.module.classifier.weight.shape == (3, 16)
    assert _load(folder, (0, 1, 2), head="checkpoint").module.classifier.weight.shape == (5, 16)
    regression = saved("BertForSequenceClassification", "bert", {"num_labels": 1})
    assert _load(regression).module.classifier.weight.shape == (2, 16)


def test_labels_that_are_no_outputs_of_a_head_that_would_fit_are_refused(saved):
    folder = saved("BertForSequenceClassification", "bert")
    with pytest.raises(ModelError, match=r"labels 0 to 1, and \[2\] of T's labels lie outside.*`backbone.head: new`"):
        _load(folder, (1, 2))
    assert _load(folder, (1, 2), head="new").classes == (1, 2)


def test_outputs_without_the_layer_before_them_are_refused(saved):
    file = saved("RobertaForSequenceClassification", "roberta", OFFSET) / "model.safetensors"
    held = {name: value for name, value in load_file(file).items() if not name.startswith("classifier.dense")}
    save_file(held, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks its layers classifier\.dense before them"):
        _load(file.parent)


def test_one_class_makes_no_head(saved):
    with pytest.raises(ModelError, match="at least two"):
        _load(saved("BertModel", "bert"), (3,))


def test_a_head_s_seed_and_size_are_in_the_model_s_name(saved):
    folder = saved("BertModel", "bert")
    names = [
        str(backbone_identity(BackboneConfig(path=str(folder), **fields), TASK, classes))
        for fields in ({}, {"head_seed": 1}, {"head": "new"})
        for classes in ([0, 1], [0, 1, 2])
    ]
    assert len(set(names)) == 6
