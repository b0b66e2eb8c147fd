"""What a model is asked when it is loaded: whether it sees ahead, and whether rows mix."""

import pytest
import torch
from torch import Tensor, nn

from mixval.config.backbone import BackboneConfig, RandomInitConfig
from mixval.errors import ModelError
from mixval.models.load import load_backbone
from mixval.models.own import OwnModule, handed_over
from mixval.models.probes import require_independent_rows

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.mark.parametrize(
    ("class_name", "model_type", "settings"),
    [("BertForMaskedLM", "bert", {}), ("ElectraForMaskedLM", "electra", {**SMALL, "embedding_size": 16})],
)
def test_an_encoder_is_no_causal_model(saved, class_name, model_type, settings):
    folder = saved(class_name, model_type, settings)
    for task in ("instruction", "language-modelling"):
        with pytest.raises(ModelError, match=r"is no causal model: its outputs at a token depend on the tokens after it"):
            load_backbone(BackboneConfig(path=str(folder)), task, None)


def test_the_same_weights_trained_as_a_decoder_are_one(saved, chat_rows):
    folder = saved("BertLMHeadModel", "bert", {"is_decoder": True})
    backbone = load_backbone(BackboneConfig(path=str(folder)), "instruction", None)
    assert backbone.forward(backbone.encode(chat_rows)).logits.shape[-1] == 259


@pytest.mark.parametrize("batch_rows", [2, 32])
def test_a_model_without_a_mask_takes_rows_one_by_one(saved, text_rows, batch_rows):
    """FNet's Fourier transform runs over padding."""
    settings = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32, "initializer_range": 0.15}
    folder = saved("FNetForSequenceClassification", "fnet", settings)
    backbone = load_backbone(BackboneConfig(path=str(folder)), "text-classification", [0, 1])
    assert backbone.is_alone
    assert backbone.rows_a_pass(batch_rows) == 1
    assert "FNetForSequenceClassification depends on the padding" in backbone.notes["rows-one-by-one"]
    with pytest.raises(ModelError, match=r"gives another output alone than beside 3 others .*`runtime.batch_rows: 1`"):
        require_independent_rows(backbone, backbone.encode(text_rows))


def test_models_with_a_mask_take_batches(fresh, text_rows, image_rows):
    for architecture in ("bert", "distilbert", "gpt2", "llama"):
        backbone = load_backbone(fresh(architecture, dtype="float32"), "text-classification", [0, 1])
        assert backbone.rows_a_pass(32) == 32
        require_independent_rows(backbone, backbone.encode(text_rows))
    images = load_backbone(fresh("resnet", dtype="float32"), "image-classification", [0, 1, 2])
    require_independent_rows(images, images.encode(image_rows()))


class Means(nn.Module):
    """A language model, or a classifier, of means: over all tokens, padding included, or over those so far."""

    def __init__(self, n_outputs: int, is_causal: bool = False) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(259, 8), nn.Linear(8, n_outputs)
        self.is_causal, self.is_classifier = is_causal, n_outputs == 2

    def forward(self, ids: Tensor) -> Tensor:
        state = self.table(ids)
        if self.is_classifier:
            return self.head(state.mean(1))
        total = state.cumsum(1) if self.is_causal else state.sum(1, keepdim=True).expand_as(state)
        return self.head(total)


def _own(module, task):
    own = OwnModule(module, tokenizer="byte")
    with handed_over(own) as digest:
        classes = [0, 1] if task == "text-classification" else None
        return load_backbone(BackboneConfig(module=digest, **own.settings), task, classes)


def test_own_modules_are_asked_too():
    assert _own(Means(2), "text-classification").is_alone
    assert not _own(Means(259, is_causal=True), "language-modelling").is_alone
    with pytest.raises(ModelError, match="Means is no causal model"):
        _own(Means(259), "language-modelling")


def test_images_that_mix_are_refused(fresh, image_rows):
    backbone = load_backbone(fresh("resnet", dtype="float32"), "image-classification", [0, 1, 2])
    backbone.module.register_forward_pre_hook(
        lambda _module, args, kwargs: (args, {"pixel_values": kwargs["pixel_values"] - kwargs["pixel_values"].mean(0)}),
        with_kwargs=True,
    )
    with pytest.raises(ModelError, match="gives another output alone than beside 4 others"):
        require_independent_rows(backbone, backbone.encode(image_rows()))


def test_numbers_that_overflow_are_named(saved):
    folder = saved("BertForSequenceClassification", "bert")
    from safetensors.torch import load_file, save_file

    held = load_file(folder / "model.safetensors")
    held["bert.pooler.dense.weight"] *= 1e38
    held["classifier.weight"] = torch.full_like(held["classifier.weight"], 3e38)
    save_file(held, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="gives NaN or infinite outputs for a plain sentence"):
        load_backbone(BackboneConfig(path=str(folder)), "text-classification", [0, 1])


def test_whatever_an_architecture_raises_is_a_model_error(saved):
    """BART's classifier reads the end token, which the byte tokenizer does not put after a text."""
    small = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    more = {
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "bos_token_id": 257,
        "eos_token_id": 258,
    }
    folder = saved("BartForSequenceClassification", "bart", {**small, **more, "num_labels": 2})
    with pytest.raises(ModelError, match=r"BartForSequenceClassification refused a batch .*ValueError"):
        load_backbone(BackboneConfig(path=str(folder)), "text-classification", [0, 1])


def test_models_without_a_plain_token_table_load_or_are_refused(saved, text_rows):
    canine = saved("CanineModel", "canine", SMALL)
    backbone = load_backbone(BackboneConfig(path=str(canine)), "text-classification", [0, 1])
    assert backbone.forward(backbone.encode(text_rows.slice(0, 1))).logits.isfinite().all()
    ibert = saved("IBertForMaskedLM", "ibert", {**SMALL, "max_position_embeddings": 400})
    assert load_backbone(BackboneConfig(path=str(ibert)), "text-classification", [0, 1]).notes


def test_a_random_initialisation_is_asked_too():
    init = RandomInitConfig(architecture="llama", settings={**SMALL, "num_key_value_heads": 2})
    backbone = load_backbone(BackboneConfig(random_init=init, tokenizer="byte"), "instruction", None)
    assert not backbone.is_alone
