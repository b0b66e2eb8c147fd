"""LoRA adapters: where they go, what they start from, and that the model computes what it did."""

import pytest
import torch

from mixval.config.backbone import LoraConfig
from mixval.errors import ModelError
from mixval.models.load import load_backbone

CLASSES = [0, 1]


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2"])
def test_adapters_start_as_nothing(fresh, chat_rows, architecture):
    plain = load_backbone(fresh(architecture), "instruction", None)
    adapted = load_backbone(fresh(architecture, lora=LoraConfig(rank=2)), "instruction", None)
    batch = plain.encode(chat_rows)
    before, after = plain.forward(batch), adapted.forward(batch)
    torch.testing.assert_close(after.logits, before.logits, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(after.features, before.features, rtol=1e-12, atol=1e-12)
    weights = {name: value for name, value in adapted.module.named_parameters() if "lora_" in name}
    n_linear = {"gpt2": 8, "llama": 14, "qwen2": 14}[architecture]  # the head gets none
    assert len(weights) == 2 * n_linear
    assert all((value == 0).all() == ("lora_B" in name) for name, value in weights.items())
    assert {value.dtype for value in weights.values()} == {torch.float64}
    assert not any(parameter.requires_grad for parameter in adapted.module.parameters())


def test_a_has_standard_deviation_one_over_rank(fresh):
    settings = {"hidden_size": 256, "num_hidden_layers": 1}
    module = load_backbone(fresh("llama", settings=settings, lora=LoraConfig(rank=8)), "instruction", None).module
    entries = torch.cat([value.flatten() for name, value in module.named_parameters() if "lora_A" in name])
    assert entries.std().item() == pytest.approx(1 / 8, rel=0.03)  # 7 layers of at least 2048 entries: 0.6% standard error
    layer = module.model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == 16 / 8


def test_adapters_are_the_seed_s_and_leave_torch_s_state(fresh):
    before = torch.random.get_rng_state()

    def adapters(seed):
        module = load_backbone(fresh("llama", lora=LoraConfig(rank=2, seed=seed)), "instruction", None).module
        return torch.cat([value.flatten() for name, value in module.named_parameters() if "lora_A" in name])

    assert torch.equal(adapters(0), adapters(0))
    assert not torch.equal(adapters(0), adapters(1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_named_targets_only(fresh):
    config = fresh("llama", lora=LoraConfig(rank=2, target_modules=["q_proj", "v_proj"]))
    module = load_backbone(config, "instruction", None).module
    adapted = {name.split(".")[4] for name, _ in module.named_parameters() if "lora_" in name}
    assert adapted == {"q_proj", "v_proj"}


def test_a_missing_target_is_named(fresh):
    config = fresh("llama", lora=LoraConfig(target_modules=["q_proj", "query"]))
    with pytest.raises(ModelError, match=r"\['query'\] are not in LlamaForCausalLM. It has: down_proj, .*q_proj"):
        load_backbone(config, "instruction", None)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "llama"])
def test_classification_heads_get_no_adapter(fresh, text_rows, architecture):
    backbone = load_backbone(fresh(architecture, lora=LoraConfig(rank=2)), "text-classification", CLASSES)
    names = [name for name, _ in backbone.module.named_parameters() if "lora_" in name]
    assert names
    assert not any(name.split(".")[0] in ("classifier", "score", "pre_classifier") for name in names)
    assert backbone.forward(backbone.encode(text_rows)).logits.shape == (4, 2)
