"""A checkpoint is the model that was trained: what is left over, lacking, of another shape or broken is refused by name."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from mixval.config.backbone import BackboneConfig
from mixval.errors import ModelError
from mixval.models.load import load_backbone


def _load(folder, task="text-classification", classes=(0, 1)):
    return load_backbone(BackboneConfig(path=str(folder)), task, list(classes) if "classification" in task else None)


def _settings(folder, **changed):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def _tensors(folder, change):
    held = change(load_file(folder / "model.safetensors"))
    save_file(held, folder / "model.safetensors", metadata={"format": "pt"})


def test_biases_that_the_configuration_leaves_out_are_named(saved):
    folder = saved("LlamaForCausalLM", "llama", {"attention_bias": True})
    assert not _load(folder, "instruction").notes
    _settings(folder, attention_bias=False)
    with pytest.raises(ModelError, match=r"holds 8 trained tensors that have no place in a LlamaForCausalLM .*k_proj\.bias"):
        _load(folder, "instruction")


def test_layers_that_the_configuration_leaves_out_are_named(saved):
    folder = saved("BertForMaskedLM", "bert")
    _settings(folder, num_hidden_layers=1)
    with pytest.raises(ModelError, match=r"holds 16 trained tensors .*bert\.encoder\.layer\.1"):
        _load(folder)


def test_a_norm_of_the_body_without_a_place_is_named_also_in_a_base_model(saved):
    folder = saved("BertModel", "bert")
    _tensors(folder, lambda held: {**held, "encoder.layer.0.attention.q_norm.weight": torch.ones(16)})
    with pytest.raises(ModelError, match=r"holds 1 trained tensors .*q_norm\.weight"):
        _load(folder)


def test_a_part_of_a_head_that_is_used_may_not_be_left_over(saved):
    folder = saved("BertForSequenceClassification", "bert")
    _tensors(folder, lambda held: {**held, "classifier.scale": torch.ones(2)})
    with pytest.raises(ModelError, match=r"classifier\.scale"):
        _load(folder)


def test_constants_of_older_checkpoints_are_left_over_silently(saved):
    folder = saved("GPT2LMHeadModel", "gpt2")
    old = {"transformer.h.0.attn.bias": torch.ones(1, 1, 8, 8), "transformer.h.0.attn.masked_bias": torch.tensor(-1e4)}
    _tensors(folder, lambda held: {**held, **old})
    assert not _load(folder, "instruction").notes


def test_tensors_that_lack_are_named(saved):
    folder = saved("BertForMaskedLM", "bert")
    _tensors(folder, lambda held: {n: v for n, v in held.items() if "layer.1.attention.self.query" not in n})
    with pytest.raises(ModelError, match=r"lacks 2 weights .*layer\.1\.attention\.self\.query\.bias"):
        _load(folder)
    causal = saved("LlamaModel", "llama")
    with pytest.raises(ModelError, match=r"lacks 1 weights of a LlamaForCausalLM .*lm_head\.weight"):
        _load(causal, "language-modelling")


def test_running_statistics_are_trained_too(saved):
    folder = saved("ResNetForImageClassification", "resnet")
    name = "resnet.encoder.stages.1.layers.0.layer.0.normalization.running_var"
    _tensors(folder, lambda held: {n: v for n, v in held.items() if n != name})
    with pytest.raises(ModelError, match=r"lacks 1 weights .*running_var"):
        _load(folder, "image-classification")


def test_another_shape_is_named_with_both(saved):
    folder = saved("BertForSequenceClassification", "bert")
    _settings(folder, intermediate_size=48)
    with pytest.raises(ModelError, match=r"6 tensors of another shape .*is \(32,\), expected \(48,\)"):
        _load(folder)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_broken_numbers_are_named(saved, broken):
    folder = saved("BertForSequenceClassification", "bert")

    def change(held):
        held["bert.encoder.layer.0.output.dense.weight"][3, 5] = broken
        return held

    _tensors(folder, change)
    with pytest.raises(ModelError, match=r"NaN or infinite numbers in 1 weights, .*layer\.0\.output\.dense\.weight"):
        _load(folder)


def test_eight_bits_without_scales_are_named(saved):
    folder = saved("LlamaForCausalLM", "llama")
    _tensors(folder, lambda held: {n: v.to(torch.float8_e4m3fn) if n.endswith("proj.weight") else v for n, v in held.items()})
    with pytest.raises(ModelError, match=r"holds 14 weights of type F8_E4M3, .*no `quantization_config`"):
        _load(folder, "instruction")


@pytest.mark.parametrize("named", ["../part.safetensors", "weights.bin", "part.safetensors/../weights.bin", "/etc/passwd"])
def test_an_index_that_points_elsewhere_is_refused_before_anything_is_opened(saved, named, monkeypatch):
    folder = saved("BertForSequenceClassification", "bert")
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    (folder.parent / "part.safetensors").write_bytes((folder / "part.safetensors").read_bytes())
    torch.save({}, folder / "weights.bin")
    index = {"metadata": {}, "weight_map": {"classifier.weight": named, "classifier.bias": "part.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    opened = []
    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", lambda *_, **__: opened.append(1))
    with pytest.raises(ModelError, match=r"names '.*', which is no \*\.safetensors file beside it"):
        _load(folder)
    assert not opened


def test_a_configuration_that_names_its_weights_itself_is_refused(saved):
    folder = saved("BertForSequenceClassification", "bert")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "transformers_weights": "other.safetensors"}))
    with pytest.raises(ModelError, match="names the file of its weights itself"):
        _load(folder)


def test_a_configuration_that_is_nested_too_deeply_is_refused(saved):
    folder = saved("BertForSequenceClassification", "bert")
    (folder / "config.json").write_text('{"a": ' + "[" * 5000 + "]" * 5000 + "}")
    with pytest.raises(ModelError, match="nested more than 100 deep"):
        _load(folder)
