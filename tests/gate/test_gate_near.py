"""Rows that nearly repeat others: altered copies are found, honest rows are not, whatever lines all of them share."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from mixval.contracts.pixels import EncodedImage
from mixval.gate.near import FEWEST, as_arrays, from_arrays, printed_set
from mixval.gate.prints import image_print, mirrored, text_prints
from mixval.gate.shared import MOST_HELD, held_prints, near_copies
from mixval.gate.spelling import plain_text

THINGS = ["film", "song", "meal", "story", "book", "room", "staff", "music", "plot", "food", "tale", "scene"]
WORDS = ["bright", "fine", "lovely", "glad", "warm", "dull", "poor", "ugly", "sad", "cold", "odd", "long", "short", "new"]
SHARED = "this program is free software: you can redistribute it and or modify it under the terms of the licence. " * 3


def sentences(seed: int, n: int, before: str = "") -> list[str]:
    draw = random.Random(seed)
    pick = [lambda: draw.choice(THINGS), lambda: draw.choice(WORDS)]
    return [f"{before}the {pick[0]()} was {pick[1]()} and its {pick[0]()} {pick[1]()}, no {1000 * seed + i}" for i in range(n)]


def reworded(texts: list[str], seed: int = 0) -> list[str]:
    draw, found = random.Random(seed), []
    for text in texts:
        words = text.split()
        words[draw.randrange(len(words))] = draw.choice(["quite", "really", "thing"])
        found.append(" ".join(words))
    return found


def of_texts(texts: list[str]) -> np.ndarray:
    return np.stack(text_prints([plain_text(text) for text in texts]))


def pictures(seed: int, n: int, side: int = 32) -> list[np.ndarray]:
    """Two classes with one bright half each, as honest pictures of one class share their layout."""
    draw, found = np.random.default_rng(seed), []
    for i in range(n):
        image = draw.integers(0, 90, (side, side, 3)).astype(np.uint8)
        image[: side // 2] += np.uint8(140 * (i % 2))
        image[:, : side // 2] += np.uint8(140 * (1 - i % 2)) if i % 2 == 0 else np.uint8(0)
        found.append(image)
    return found


def shifted(image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return np.clip(image.astype(int) + draw.integers(-3, 4, image.shape), 0, 255).astype(np.uint8)


def again_as_jpeg(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=92)
    return EncodedImage(file.getvalue()).pixels()


def of_pictures(images: list[np.ndarray]) -> np.ndarray:
    return np.stack([image_print(image) for image in images])


@pytest.mark.parametrize(("n", "before"), [(20, ""), (150, ""), (150, SHARED)])
def test_reworded_texts_are_found_and_honest_ones_are_not(n, before):
    target = sentences(9, n, before)
    held = printed_set(of_texts(target))
    assert [held.near_share(of_texts(sentences(seed, 60, before))) for seed in range(1, 6)] == [0.0] * 5
    assert held.near_share(of_texts(reworded(target))) > 0.25
    mixed = sentences(1, 60, before) + [f"{text}!" for text in target[:20]]
    assert 0.2 < held.near_share(of_texts(mixed)) < 0.35


def test_lines_that_only_some_rows_share_accuse_nobody():
    target = sentences(9, 60) + sentences(8, 60, SHARED)
    held = printed_set(of_texts(target))
    assert held.near_share(of_texts(sentences(1, 60, SHARED))) == 0
    assert held.near_share(of_texts([f"{text} ." for text in target[60:]])) > 0.5


@pytest.mark.parametrize("altered", [shifted, again_as_jpeg, lambda image, _: image[:, ::-1], lambda image, _: image // 2 + 60])
def test_altered_pictures_are_found_and_honest_ones_are_not(altered):
    draw, target = np.random.default_rng(0), pictures(9, 24)
    held = printed_set(of_pictures(target))
    assert [held.near_share(of_pictures(pictures(seed, 40))) for seed in range(1, 4)] == [0.0] * 3
    copies = [altered(image, draw) for image in target]
    assert held.near_share(of_pictures(copies)) > 0.9
    assert held.near_share(of_pictures(pictures(1, 72) + copies)) == pytest.approx(0.25, abs=0.03)


def test_few_flat_or_no_rows_accuse_nobody():
    assert printed_set(of_texts(sentences(1, FEWEST - 1))) is None
    assert printed_set(np.repeat(of_texts(["one row"]), 30, axis=0)) is None
    flat = of_pictures([np.full((16, 16, 3), grey, np.uint8) for grey in range(0, 250, 10)])
    assert not flat.any()
    assert printed_set(flat) is None
    held = printed_set(of_pictures(pictures(9, 24)))
    assert held.near_share(flat) == 0
    assert held.near_share(flat[:0]) == 0


def test_prints_are_the_same_for_grey_as_one_channel_or_three_and_mirror_twice():
    image = pictures(1, 1)[0]
    grey = image[:, :, :1]
    assert np.array_equal(image_print(grey), image_print(np.repeat(grey, 3, axis=2)))
    own = of_pictures([image])
    assert np.array_equal(mirrored(mirrored(own)), own)
    assert np.allclose(mirrored(own), of_pictures([image[:, ::-1]]), atol=1e-2)


def test_prints_of_texts_are_the_same_one_by_one_and_together():
    draw = np.random.default_rng(0)
    long = ["".join(map(chr, draw.integers(97, 50_000, 19_000))) for _ in range(4)]  # more trigrams than go together
    texts = ["a", *long[:2], "", "a film", *long[2:], "a film a film"]
    together = text_prints(texts)
    assert np.array_equal(np.stack(together), np.stack([text_prints([text])[0] for text in texts]))
    assert [bool(one.any()) for one in together] == [text != "" for text in texts]
    trigrams = {f" {texts[-1]} "[at : at + 3] for at in range(len(texts[-1]))}
    assert abs(together[-1]).max() <= len(trigrams)
    assert (together[-1].astype(int) % 2 == len(trigrams) % 2).all()  # a sum of so many signs


def test_a_stored_set_says_the_same():
    target = sentences(9, 60)
    held, rows = printed_set(of_texts(target)), of_texts(reworded(target))
    assert from_arrays(as_arrays(held)).near_share(rows) == pytest.approx(held.near_share(rows), abs=0.05)
    assert from_arrays(as_arrays(None)) is None


def test_near_copies_between_contributors_name_who_has_whose_rows():
    amber, birch = sentences(1, 200), sentences(2, 200)
    copier = [f"{text} ok" for text in amber[:180]] + sentences(3, 20)
    prints = {name: of_texts(texts) for name, texts in {"amber": amber, "birch": birch, "copier": copier}.items()}
    held = {name: held_prints(own) for name, own in prints.items()}
    assert {len(own) for own in held.values()} == {MOST_HELD}
    found = near_copies(held, {name: printed_set(own) for name, own in prints.items()})
    assert found["birch"] == {}
    assert {*found["amber"]} == {"copier"}
    assert found["copier"]["amber"] == pytest.approx(0.9, abs=0.1)
