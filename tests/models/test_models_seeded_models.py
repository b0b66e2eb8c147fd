"""Backbones made from a seed without a checkpoint: n-grams against counted overlaps, patches against unfolded images."""

import re

import pytest
import torch
from torch.nn import functional

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import EVERY_TASK, IMAGES, TEXTS, spec_of
from mixval.errors import ConfigError, ModelError
from mixval.models.load import load_backbone
from mixval.models.ngrams import LONG_WORD, WORD_ORDERS
from mixval.models.patches import LEAST_CONTRAST
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.kinds import select_parameters

CLASSES = [3, 5]


def _config(architecture, seed=0, dtype="float64", **settings):
    init = {"architecture": architecture, "seed": seed, "settings": settings}
    return BackboneConfig.model_validate({"random_init": init, "dtype": dtype, "max_length": 512})


def _backbone(task, seed=0, **settings):
    config = _config(spec_of(task).architectures[0], seed, **settings)
    return load_backbone(config, task, CLASSES if spec_of(task).has_labels else None)


def _weights(text):
    """The n-grams of a text with their weights, counted the plain way."""
    small = re.sub(r"[^a-z0-9]", " ", text.lower())
    grams = {}
    for word in small.split():
        grams["word", word] = min(1.0, len(word) / LONG_WORD)
        for n in WORD_ORDERS:
            padded = f" {word} "
            grams |= {(n, padded[i : i + n]): 1.0 for i in range(len(padded) - n + 1)}
    return grams


def test_the_kernel_of_texts_is_the_overlap_of_their_words_and_ngrams():
    texts = ["A wonderful, warm film.", "what a wonderfully WARM little film", "dull dull dull"]
    backbone = _backbone("text-classification", n_features=1 << 16)
    ids = torch.full((3, 64), 256)
    for i, text in enumerate(texts):
        ids[i, : len(text)] = torch.tensor(list(text.encode()))
    features = backbone.module.features(ids)
    for i, one in enumerate(map(_weights, texts)):
        for j, other in enumerate(map(_weights, texts)):
            dot = sum(one[gram] * other[gram] for gram in one.keys() & other.keys())
            norms = sum(w * w for w in one.values()) * sum(w * w for w in other.values())
            # Of some 100 n-grams, two share one of 65,536 features with a chance of 7 %.
            assert float(features[i] @ features[j]) == pytest.approx(dot / norms**0.5, abs=0.03)
    assert float(features[0] @ features[1]) > 0.3
    assert float(backbone.module.features(torch.tensor([list(b"?! -")])).abs().sum()) == 0


def test_every_distinct_word_counts_wherever_longer_ones_begin_with_it():
    texts = ["there the then them the theatre", "the theatre, then them: there", "a at and an any as act: it was saving"]
    module = _backbone("text-classification", n_features=1 << 16).module
    found = [module.features(torch.tensor([list(text.encode())])) for text in texts]
    for text, features in zip(texts, found, strict=True):
        norm = sum(weight**2 for weight in _weights(text).values()) ** 0.5
        # Each feature is a weight over the row's norm; of few n-grams, two in one place are rare, and the seed has none here.
        wanted = sorted(weight / norm for weight in _weights(text).values())
        torch.testing.assert_close(features[features != 0].abs().sort().values, torch.tensor(wanted, dtype=torch.float64))
    # The same words in another order, alone and beside rows of any length.
    for width in range(40, 300, 13):
        ids = torch.full((2, width), 256)
        for row, text in enumerate(texts[:2]):
            ids[row, : len(text)] = torch.tensor(list(text.encode()))
        torch.testing.assert_close(module.features(ids), torch.cat([found[0], found[0]]), rtol=1e-12, atol=1e-12)


def _rows(task, image_rows, text_rows, chat_rows):
    spec = spec_of(task)
    rows = image_rows() if spec.is_image else chat_rows if spec.has_prompt else text_rows
    return _labelled(rows) if spec.has_labels else rows


def _labelled(rows):
    return rows.set_column(rows.schema.get_field_index("label"), "label", [[CLASSES[i % 2] for i in range(rows.num_rows)]])


@pytest.mark.parametrize("task", EVERY_TASK)
def test_a_row_gives_the_same_alone_and_in_a_batch(task, image_rows, text_rows, chat_rows):
    rows = _rows(task, image_rows, text_rows, chat_rows)
    backbone = _backbone(task)
    batch = backbone.encode(rows)
    together = backbone.forward(batch)
    losses = backbone.losses(together, batch)[0]
    for i in range(rows.num_rows):
        alone = backbone.encode(rows.slice(i, 1))
        found = backbone.forward(alone)
        torch.testing.assert_close(found.features[0], together.features[i], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(backbone.losses(found, alone)[0][0], losses[i], rtol=1e-10, atol=1e-10)
    assert not torch.equal(together.features[0], together.features[1])


@pytest.mark.parametrize("task", EVERY_TASK)
def test_gradients_of_single_rows_are_captured(task, image_rows, text_rows, chat_rows):
    rows = _rows(task, image_rows, text_rows, chat_rows)
    backbone = _backbone(task)
    names = select_parameters(backbone.module, ["linear", "conv"])
    assert len(names) == 1
    found = capture(backbone.module, names, lambda b: backbone.output(backbone.forward(b), b, "mix"), [backbone.encode(rows)])
    assert found.weights[names[0]].row(0).abs().sum() > 0


def test_the_seed_is_in_hashes_filters_and_heads():
    for task in (TEXTS[0], IMAGES[0]):
        first, again, other = (_backbone(task, seed) for seed in (0, 0, 1))
        weights = [one.module.classifier.weight for one in (first, again, other)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])
    ids = torch.tensor([list(b"one and two")])
    first, other = (_backbone("text-classification", seed).module.features(ids) for seed in (0, 1))
    assert not torch.equal(first, other)


def test_the_language_model_sees_nothing_that_follows():
    module = _backbone("language-modelling").module
    torch.nn.init.normal_(module.lm_head.weight)
    ids = torch.tensor([list(b"the cat saw the cat run")])
    changed = ids.clone()
    changed[0, 15:] = torch.tensor(list(b"dog walk"))
    before, after = (module(one).logits[0] for one in (ids, changed))
    torch.testing.assert_close(before[:15], after[:15], rtol=0, atol=0)
    assert not torch.equal(before[15:], after[15:])


def test_patch_features_are_those_of_unfolded_patches():
    module = _backbone("image-classification", n_filters=8, patch_size=3, pool=1).module
    pixels = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    patches = functional.unfold(pixels, 3)  # (B, 27, places), stride 1 for patches of 3
    centred = patches - patches.mean(1, keepdim=True)
    scale = (centred.pow(2).mean(1, keepdim=True) + LEAST_CONTRAST).sqrt() * 27**0.5
    # Filters are drawn in float32, so that their mean is not exactly zero.
    answers = module.filters.flatten(1) @ (centred / scale)
    wanted = torch.cat([answers.clamp(min=0).mean(2), (-answers).clamp(min=0).mean(2)], 1)
    torch.testing.assert_close(module.features(pixels), functional.normalize(wanted, dim=1), rtol=1e-6, atol=1e-7)


def test_images_smaller_than_a_patch_are_refused(image_rows):
    backbone = _backbone("image-classification", patch_size=40)
    rows = _labelled(image_rows())
    with pytest.raises(ModelError, match="at least 40 pixels a side"):
        backbone.forward(backbone.encode(rows))


def test_settings_that_make_no_model_are_refused():
    with pytest.raises(ConfigError, match=r"n_features must be at least 2, found 1"):
        _backbone("text-classification", n_features=1)
    with pytest.raises(ConfigError, match=r"must be at least 1"):
        _backbone("image-classification", pool=0)
    with pytest.raises(ValueError, match="ngrams` reads bytes: leave `tokenizer` out"):
        BackboneConfig.model_validate({"random_init": {"architecture": "ngrams"}, "tokenizer": "./folder"})
