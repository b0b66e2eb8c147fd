"""Loading: determinism, torch's random state, what is refused and with which words, precision, identity."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from mixval.config.backbone import BackboneConfig, LoraConfig
from mixval.errors import ConfigError, ModelError
from mixval.models.architecture import context_tokens
from mixval.models.checkpoint import raw_config
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone
from mixval.models.tokenizers import byte_tokenizer, train_tokenizer

CLASSES = [0, 1]
TASK = "text-classification"


def _bits(module: torch.nn.Module) -> bytes:
    return b"".join(value.contiguous().numpy().tobytes() for value in module.state_dict().values())


@pytest.mark.parametrize("architecture", ["resnet", "bert", "llama"])
def test_random_init_is_the_seed_s_and_leaves_torch_s_state(fresh, architecture):
    task = "image-classification" if architecture == "resnet" else TASK
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first = load_backbone(fresh(architecture), task, CLASSES).module
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(5)
    assert _bits(load_backbone(fresh(architecture), task, CLASSES).module) == _bits(first)
    assert _bits(load_backbone(fresh(architecture, seed=1), task, CLASSES).module) != _bits(first)


@pytest.mark.parametrize(
    ("name", "dtype"), [("float32", torch.float32), ("float64", torch.float64), ("bfloat16", torch.bfloat16)]
)
def test_precision_is_the_whole_model_s(fresh, saved, name, dtype):
    folder = saved("BertForSequenceClassification", "bert")
    for config in (fresh("bert", dtype=name), BackboneConfig(path=str(folder), dtype=name)):
        backbone = load_backbone(config, TASK, CLASSES)
        assert {parameter.dtype for parameter in backbone.module.parameters()} == {dtype}
        assert backbone.dtype == dtype


def test_weights_in_several_files_load_and_are_all_in_the_name(saved, text_rows, tmp_path):
    whole = BackboneConfig(path=str(saved("BertForSequenceClassification", "bert")), dtype="float64")
    backbone = load_backbone(whole, TASK, CLASSES)
    parts = tmp_path / "parts"
    backbone.module.save_pretrained(parts, max_shard_size="10KB")
    byte_tokenizer().save_pretrained(parts)
    n_files = len(list(parts.glob("*.safetensors")))
    assert n_files > 2
    config = BackboneConfig(path=str(parts), dtype="float64")
    again, batch = load_backbone(config, TASK, CLASSES), backbone.encode(text_rows)
    assert _bits(again.module) == _bits(backbone.module)
    # Weights lie elsewhere in memory, and kernels sum by where rows begin.
    torch.testing.assert_close(again.forward(batch).logits, backbone.forward(batch).logits, rtol=1e-12, atol=1e-12)
    files = backbone_identity(config, TASK, CLASSES)["model"]["files"]
    assert sum(name.endswith(".safetensors") for name in files) == n_files


def test_a_folder_without_safetensors_is_refused_with_a_remedy(saved):
    folder = saved("BertForSequenceClassification", "bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"found pytorch_model.bin, whose format can run code.*save_pretrained\(new\)"):
        load_backbone(BackboneConfig(path=str(folder)), TASK, CLASSES)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match="found no weights at all"):
        load_backbone(BackboneConfig(path=str(folder)), TASK, CLASSES)


def test_remote_code_is_refused_by_name(saved):
    folder = saved("BertForSequenceClassification", "bert")
    settings = json.loads((folder / "config.json").read_text())
    settings["auto_map"] = {"AutoModelForSequenceClassification": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "evil.py").write_text("raise SystemExit('this code must never run')")
    for act in (lambda c: load_backbone(c, TASK, CLASSES), lambda c: backbone_identity(c, TASK, CLASSES)):
        with pytest.raises(ModelError, match=r"asks for code of its own .*evil.Model"):
            act(BackboneConfig(path=str(folder)))


def test_adapter_folders_and_broken_files_are_refused(saved):
    folder = saved("BertForSequenceClassification", "bert")
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="merge_and_unload"):
        load_backbone(BackboneConfig(path=str(folder)), TASK, CLASSES)
    (folder / "adapter_config.json").unlink()
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(ModelError, match="cannot be loaded for 'text-classification'"):
        load_backbone(BackboneConfig(path=str(folder)), TASK, CLASSES)
    (folder / "config.json").write_text("{not json")
    with pytest.raises(ModelError, match=r"config.json must be a readable JSON file"):
        load_backbone(BackboneConfig(path=str(folder)), TASK, CLASSES)


def test_a_checkpoint_of_another_kind_is_refused(saved):
    folder = saved("ResNetForImageClassification", "resnet")
    config = BackboneConfig(path=str(folder), tokenizer="byte")
    with pytest.raises(ModelError, match=r"\(resnet\) cannot be loaded for 'text-classification'"):
        load_backbone(config, TASK, CLASSES)


def test_hub_names_need_a_revision_and_an_answer(tmp_path):
    with pytest.raises(ConfigError, match=r"'no-such/model' is no local folder.*needs backbone.revision"):
        load_backbone(BackboneConfig(path="no-such/model", tokenizer="byte"), TASK, CLASSES)
    for missing in (str(tmp_path / "gone"), "./gone", "a/b/c", "../x"):
        with pytest.raises(ConfigError, match="no such folder is there"):
            load_backbone(BackboneConfig(path=missing, tokenizer="byte"), TASK, CLASSES)
    unreachable = BackboneConfig(path="no-such/model", revision="0123abc", tokenizer="byte")
    with pytest.raises(ModelError, match=r"no-such/model@0123abc: the hub must give .*HF_HUB_OFFLINE"):
        load_backbone(unreachable, TASK, CLASSES)
    with pytest.raises(ModelError, match="no-such/model@0123abc"):
        load_backbone(unreachable.model_copy(update={"tokenizer": None}), TASK, CLASSES)


def test_a_hub_name_loads_from_the_cache_when_offline(saved, text_rows, tmp_path, monkeypatch):
    revision = "a" * 40
    folder = saved("BertForSequenceClassification", "bert")
    cache = tmp_path / "hub" / "models--org--model" / "snapshots"
    cache.mkdir(parents=True)
    shutil.copytree(folder, cache / revision)
    for place in ("huggingface_hub.constants.HF_HUB_CACHE", "transformers.utils.hub.constants.HF_HUB_CACHE"):
        monkeypatch.setattr(place, str(tmp_path / "hub"))
    backbone = load_backbone(BackboneConfig(path="org/model", revision=revision, dtype="float64"), TASK, CLASSES)
    local = load_backbone(BackboneConfig(path=str(folder), dtype="float64"), TASK, CLASSES)
    batch = local.encode(text_rows)
    assert _bits(backbone.module) == _bits(local.module)
    found = backbone.forward(backbone.encode(text_rows)).logits
    torch.testing.assert_close(found, local.forward(batch).logits, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden_sise": 8}, r"\['hidden_sise'\] are no settings of 'bert'"),
        ({"id2label": 3}, r"\['id2label'\] follow from task"),
        ({"hidden_size": "big"}, "were refused"),
        ({"hidden_size": 15}, "can be made from|were refused"),
        ({"vocab_size": 100}, "embeds 100 tokens and the tokenizer has 259"),
    ],
)
def test_settings_that_cannot_be_are_named(fresh, settings, words):
    with pytest.raises((ConfigError, ModelError), match=words):
        load_backbone(fresh("bert", settings=settings), TASK, CLASSES)


def test_architecture_task_and_labels_must_fit(fresh):
    with pytest.raises(ConfigError, match=r"'bert' cannot do the task 'instruction'. Choose one of: .*gpt2, llama, qwen2"):
        load_backbone(fresh("bert"), "instruction", None)
    with pytest.raises(ConfigError, match=r"Choose one of: .*resnet"):
        load_backbone(fresh("bert"), "image-classification", CLASSES)
    with pytest.raises(ModelError, match="at least two"):
        load_backbone(fresh("bert"), TASK, [3])
    with pytest.raises(ConfigError, match="must be `byte` or a folder"):
        load_backbone(fresh("bert", tokenizer=None), TASK, CLASSES)


def test_context_is_the_smaller_of_asked_and_own(fresh, saved):
    assert context_tokens(fresh("gpt2", max_length=64)) == 64
    assert context_tokens(fresh("gpt2", settings={"n_positions": 32}, max_length=64)) == 32
    folder = saved("GPT2LMHeadModel", "gpt2", {"n_positions": 16})
    assert context_tokens(BackboneConfig(path=str(folder), max_length=64)) == 16


def test_identity_holds_what_changes_numbers_and_nothing_else(fresh):
    base = backbone_identity(fresh("llama"), "instruction", None)
    assert json.loads(json.dumps(base)) == base
    assert backbone_identity(fresh("llama"), "instruction", None) == base
    assert backbone_identity(fresh("llama", overlong="reject", image_size=8, stem="original"), "instruction", None) == base
    changed = [
        fresh("llama", seed=1),
        fresh("llama", settings={"num_hidden_layers": 1}),
        fresh("llama", max_length=8),
        fresh("llama", prompt_format="chat"),
        fresh("llama", dtype="float32"),
        fresh("llama", lora=LoraConfig()),
        fresh("llama", lora=LoraConfig(seed=1)),
    ]
    names = [json.dumps(backbone_identity(config, "instruction", None), sort_keys=True) for config in changed]
    assert len({*names, json.dumps(base, sort_keys=True)}) == 8
    image = [
        backbone_identity(fresh("resnet", **fields), "image-classification", classes)
        for fields in ({}, {"stem": "3x3"}, {"batch_norm": "eval"}, {"image_size": 32})
        for classes in ([0, 1], [0, 1, 2])
    ]
    assert len({json.dumps(name, sort_keys=True) for name in image}) == 8


def test_identity_of_a_folder_is_its_content(saved, tmp_path):
    folder = saved("BertForSequenceClassification", "bert")
    config = BackboneConfig(path=str(folder))
    before = backbone_identity(config, TASK, CLASSES)
    assert set(before["model"]["files"]) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    moved = folder.rename(tmp_path / "elsewhere")
    assert backbone_identity(BackboneConfig(path=str(moved)), TASK, CLASSES) == before
    (moved / "README.md").write_text("words")
    assert backbone_identity(BackboneConfig(path=str(moved)), TASK, CLASSES) == before
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    assert backbone_identity(BackboneConfig(path=str(moved)), TASK, CLASSES) != before


def test_identity_names_hub_models_and_tokenizer_folders(fresh, tmp_path):
    hub = backbone_identity(BackboneConfig(path="org/model", revision="abc"), TASK, CLASSES)
    assert hub["model"] == {"kind": "hub", "name": "org/model", "revision": "abc", "head": ["auto", 0, 2]}
    with pytest.raises(ConfigError, match=r"needs backbone.revision"):
        backbone_identity(BackboneConfig(path="org/model"), TASK, CLASSES)
    folder = train_tokenizer(["a b c"], 260, tmp_path / "tokenizer")
    name = backbone_identity(fresh("bert", tokenizer=str(folder)), TASK, CLASSES)
    assert set(name["input"]["tokenizer"]) == {"tokenizer.json", "tokenizer_config.json"}
    with pytest.raises(ConfigError, match="must be `byte` or a folder"):
        backbone_identity(fresh("bert", tokenizer=None), TASK, CLASSES)


def test_identity_needs_no_torch(tmp_path):
    code = "import sys, mixval.models.identity, mixval.models.tokenizers, mixval.models.tokenise; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_raw_config_reads_what_is_there(saved):
    from mixval.models.checkpoint import locate

    assert raw_config(locate(str(saved("BertModel", "bert")), None))["model_type"] == "bert"
