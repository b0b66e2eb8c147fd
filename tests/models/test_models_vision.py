"""Image classifiers: decoding, normalisation, stems, batch norms, batch invariance, pixel features."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mixval.config.backbone import BackboneConfig, RandomInitConfig
from mixval.errors import ContractError, ModelError
from mixval.models.load import load_backbone
from mixval.models.vision import IMAGENET_MEAN, IMAGENET_STD

CLASSES = [0, 1, 2]
TASK = "image-classification"


@pytest.fixture
def backbone(fresh):
    return load_backbone(fresh("resnet", stem="3x3"), TASK, CLASSES)


def _coded(*images: bytes | None) -> pa.Table:
    return pa.table({"image": pa.array(images, pa.binary()), "label": [0] * len(images)})


def test_a_row_gives_the_same_alone_and_in_a_batch(backbone, image_rows):
    rows = image_rows(5)

    def parts(rows):
        batch = backbone.encode(rows)
        forward = backbone.forward(batch)
        return [forward.logits, forward.features, backbone.losses(forward, batch)[0], backbone.output(forward, batch, "logit")]

    coalition_results = parts(rows)
    assert coalition_results[1].shape == (5, 8)
    for i in range(5):
        for alone, whole in zip(parts(rows.slice(i, 1)), coalition_results, strict=True):
            torch.testing.assert_close(alone[0], whole[i], rtol=1e-10, atol=1e-10)


def test_losses_and_features_by_hand(backbone, image_rows):
    rows = image_rows(4)
    batch = backbone.encode(rows)
    forward = backbone.forward(batch)
    uint8 = rows["image"].combine_chunks().to_numpy_ndarray()
    inputs = torch.from_numpy((uint8 / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)).permute(0, 3, 1, 2)
    torch.testing.assert_close(batch["pixels"], inputs, rtol=1e-5, atol=1e-5)  # pixels are read as float32
    pooled = backbone.module.resnet(batch["pixels"]).pooler_output.flatten(1)
    torch.testing.assert_close(forward.features, pooled)
    losses, counts = backbone.losses(forward, batch)
    logits = backbone.module(batch["pixels"]).logits
    expected = [cross_entropy(logits[i], torch.tensor(i % 3)).item() for i in range(4)]
    assert losses.tolist() == pytest.approx(expected, rel=1e-9)
    assert counts.tolist() == [1] * 4


def test_png_struct_and_tensor_rows_are_the_same_images(backbone, image_rows, encoded):
    rows = image_rows(3)
    arrays = rows["image"].combine_chunks().to_numpy_ndarray()
    coded = [encoded(array) for array in arrays]
    as_struct = pa.table({"image": [{"bytes": data, "path": "x.png"} for data in coded], "label": [0, 1, 2]})
    expected = backbone.encode(rows)["pixels"]
    assert torch.equal(backbone.encode(_coded(*coded))["pixels"], expected)
    assert torch.equal(backbone.encode(as_struct)["pixels"], expected)
    floats = pa.FixedShapeTensorArray.from_numpy_ndarray(arrays.astype(np.float32) / 255)
    assert torch.equal(backbone.encode(pa.table({"image": floats, "label": [0, 1, 2]}))["pixels"], expected)
    halves = pa.concat_tables([rows.slice(0, 1), rows.slice(1, 2)])
    assert torch.equal(backbone.encode(halves)["pixels"], expected)


def test_grey_transparent_palette_and_sixteen_bit_images(backbone, encoded):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colour = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    alpha = np.dstack([colour, np.full((16, 16), 7, np.uint8)])
    images = [encoded(grey), encoded(alpha), encoded(grey, mode="P"), encoded(grey.astype(np.uint16) * 257)]
    pixels = backbone.pixels(_coded(*images)).view(4, 16, 16, 3)
    stacked = torch.from_numpy(grey.astype(np.float32) / 255).unsqueeze(-1).expand(16, 16, 3)
    for i in (0, 2, 3):
        torch.testing.assert_close(pixels[i], stacked)
    torch.testing.assert_close(pixels[1], torch.from_numpy(colour.astype(np.float32) / 255))


def test_jpeg_decodes(backbone, encoded):
    flat = np.full((16, 16, 3), 200, np.uint8)
    torch.testing.assert_close(
        backbone.pixels(_coded(encoded(flat, "JPEG"))), torch.full((1, 768), 200 / 255), atol=0.01, rtol=0
    )


def test_sizes_must_agree_or_be_resized(fresh, encoded):
    images = _coded(encoded(np.full((12, 20, 3), 50, np.uint8)), encoded(np.full((16, 16, 3), 50, np.uint8)))
    with pytest.raises(ModelError, match=r"\[\(12, 20\), \(16, 16\)\].*Set backbone.image_size"):
        load_backbone(fresh("resnet"), TASK, CLASSES).encode(images)
    backbone = load_backbone(fresh("resnet", image_size=24), TASK, CLASSES)
    assert backbone.encode(images)["pixels"].shape == (2, 3, 24, 24)
    torch.testing.assert_close(backbone.pixels(images), torch.full((2, 24 * 24 * 3), 50 / 255))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"not an image", "12 bytes that begin with 6e 6f 74"),
        (b"", "0 bytes"),
        (None, "found null"),
        (b"\x89PNG\r\n\x1a\n1234", "that do not"),
    ],
)
def test_an_image_that_does_not_decode_is_named_by_row(backbone, encoded, data, found):
    good = encoded(np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(ContractError, match=f"row 1 .*{found}"):
        backbone.encode(_coded(good, data))


def test_a_cut_image_is_named_by_row(backbone, encoded):
    whole = encoded(np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    with pytest.raises(ContractError, match=r"row 0 .*a PNG or JPEG that decodes was expected"):
        backbone.encode(_coded(whole[: len(whole) // 2]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.5, -0.1])
def test_float_pixels_outside_the_unit_interval_are_named_by_row(backbone, bad):
    floats = np.zeros((3, 16, 16, 3), np.float32)
    floats[2, 3, 3, 1] = bad
    rows = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(floats), "label": [0, 1, 2]})
    with pytest.raises(ContractError, match=r"row 2 .* must lie in \[0, 1\]"):
        backbone.encode(rows)


def test_channels_first_is_refused(backbone):
    rows = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 3, 16, 16), np.uint8)), "label": [0, 1]})
    with pytest.raises(ContractError, match="Put channels last"):
        backbone.encode(rows)


def test_one_channel_models_see_luminance(fresh, image_rows):
    backbone = load_backbone(fresh("resnet", settings={"num_channels": 1}), TASK, CLASSES)
    rows = image_rows(2)
    uint8 = rows["image"].combine_chunks().to_numpy_ndarray().astype(np.float64) / 255
    luma = torch.from_numpy(uint8 @ np.array([0.299, 0.587, 0.114]))
    torch.testing.assert_close(backbone.pixels(rows).double(), luma.flatten(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(backbone.encode(rows)["pixels"][:, 0], (luma - 0.5) / 0.5, atol=1e-5, rtol=0)


def test_default_is_resnet_18():
    config = BackboneConfig(random_init=RandomInitConfig(architecture="resnet"))
    backbone = load_backbone(config, TASK, list(range(10)))
    assert sum(one.numel() for one in backbone.module.parameters()) == 11_181_642  # torchvision's resnet18 with 10 classes
    assert backbone.dtype == torch.float32


def test_stem_keeps_the_resolution(fresh, image_rows):
    original = load_backbone(fresh("resnet"), TASK, CLASSES).module
    small = load_backbone(fresh("resnet", stem="3x3"), TASK, CLASSES).module
    pixels = torch.zeros(1, 3, 16, 16, dtype=torch.float64)
    assert original.resnet.embedder(pixels).shape[-1] == 4
    assert small.resnet.embedder(pixels).shape[-1] == 16
    assert small.resnet.embedder.embedder.convolution.weight.shape == (4, 3, 3, 3)
    assert torch.equal(small.classifier[1].weight, original.classifier[1].weight)


def test_a_checkpoint_s_seven_by_seven_stem_is_reseeded_and_a_three_by_three_one_kept(saved):
    folder = saved("ResNetForImageClassification", "resnet", {"num_labels": 3, "layer_type": "basic"})
    config = BackboneConfig(path=str(folder), stem="3x3", batch_norm="eval", dtype="float64")
    first, second = (load_backbone(config, TASK, CLASSES).module for _ in range(2))
    stem = first.resnet.embedder.embedder.convolution.weight
    assert stem.shape == (4, 3, 3, 3)
    assert torch.equal(stem, second.resnet.embedder.embedder.convolution.weight)
    first.resnet.embedder.embedder.convolution.weight.data.fill_(0.25)
    first.save_pretrained(folder)
    again = load_backbone(config, TASK, CLASSES).module
    assert (again.resnet.embedder.embedder.convolution.weight == 0.25).all()
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_batch_norms_are_neutral_or_as_saved(saved):
    folder = saved("ResNetForImageClassification", "resnet", {"num_labels": 3, "layer_type": "basic"})
    for mode in ("neutral", "eval"):
        module = load_backbone(BackboneConfig(path=str(folder), batch_norm=mode), TASK, CLASSES).module
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        assert norms
        for norm in norms:
            assert not norm.training
            assert norm.running_mean.abs().max() > 0  # statistics stay
            is_neutral = bool((norm.weight == 1).all() and (norm.bias == 0).all())
            assert is_neutral == (mode == "neutral")


def test_a_checkpoint_s_own_normalisation_is_used(saved, image_rows):
    folder = saved("ResNetForImageClassification", "resnet", {"num_labels": 3, "layer_type": "basic"})
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3], "image_std": [2.0, 4.0, 8.0]}))
    backbone = load_backbone(BackboneConfig(path=str(folder), dtype="float64"), TASK, CLASSES)
    rows = image_rows(2)
    raw = backbone.pixels(rows).view(2, 16, 16, 3).double()
    expected = (raw - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([2.0, 4.0, 8.0])
    torch.testing.assert_close(backbone.encode(rows)["pixels"], expected.permute(0, 3, 1, 2), atol=1e-6, rtol=0)


def test_a_vit_works_and_says_when_the_size_is_wrong(saved, image_rows):
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    folder = saved("ViTForImageClassification", "vit", {**small, "image_size": 16, "patch_size": 8, "num_labels": 3})
    backbone = load_backbone(BackboneConfig(path=str(folder), dtype="float64"), TASK, CLASSES)
    forward = backbone.forward(backbone.encode(image_rows(2)))
    assert forward.features.shape == (2, 16)
    torch.testing.assert_close(backbone.module.classifier(forward.features), forward.logits)
    with pytest.raises(ModelError, match=r"set backbone.image_size"):
        backbone.forward(backbone.encode(image_rows(2, side=32)))
    with pytest.raises(ModelError, match="for ResNets only"):
        load_backbone(BackboneConfig(path=str(folder), stem="3x3"), TASK, CLASSES)
