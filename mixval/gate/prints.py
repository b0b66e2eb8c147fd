"""Prints of rows: short vectors that stay close when a row is altered a little, whatever the model.

Of an image: its colours on a grid of SIDE x SIDE cells, less their mean and to unit length, so that brightness and contrast do
not count. Of a text: each set of three neighbouring characters adds a random vector of signs of its own (a count sketch of the
set of its trigrams; Charikar, Chen and Farach-Colton, ICALP 2002), so that the product of two prints is about the number of
trigrams that both have. `near.py` compares them.

Letters: D = IMAGE_WIDTH or TEXT_WIDTH numbers of a print.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mixval.contracts.pixels import as_eight_bits

SIDE = 8
IMAGE_WIDTH = SIDE * SIDE * 3
TEXT_WIDTH = 128
TRIGRAM = 3
MOST_CHARS = 20_000
"""Characters of a text that count: its beginning."""
FLATTEST = 0.5
"""Root mean square of grey levels (0 to 255) below which an image has nothing to compare."""
_TOGETHER = 65_536
_STEP = 0x9E3779B97F4A7C15
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def image_print(pixels: np.ndarray) -> np.ndarray:  # (H, W, C) -> (IMAGE_WIDTH,) float16
    """The print of an upright image; zeros for a flat one."""
    seen = as_eight_bits(pixels)
    if seen.shape[2] not in (1, 3):  # a tensor that no model of three channels takes
        seen = seen[:, :, :1]
    channels = [Image.fromarray(seen[:, :, at].astype(np.float32)) for at in range(seen.shape[2])]
    cells = [np.asarray(one.resize((SIDE, SIDE), Image.Resampling.BOX)) for one in channels]
    values = np.stack(cells * (3 // len(cells)), axis=2)
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    flat = length < FLATTEST * np.sqrt(values.size)
    return (np.zeros(IMAGE_WIDTH) if flat else values.ravel() / length).astype(np.float16)


def mirrored(prints: np.ndarray) -> np.ndarray:  # (N, IMAGE_WIDTH) -> the same
    """The prints of images whose left and right are exchanged."""
    return np.asarray(np.flip(prints.reshape(-1, SIDE, SIDE, 3), axis=2).reshape(prints.shape))


def text_prints(plains: Sequence[str]) -> list[np.ndarray]:
    """The prints of texts in the spelling of `spelling.py`, (TEXT_WIDTH,) float16 each; zeros for an empty one.

    Memory: some hundred bytes for each of `_TOGETHER` trigrams, or of the longest text's.
    """
    named, found = [_trigrams(plain) for plain in plains], list[np.ndarray]()
    while len(found) < len(named):
        sizes = np.cumsum([len(names) for names in named[len(found) :]])
        some = named[len(found) : len(found) + max(1, int((sizes <= _TOGETHER).sum()))]
        names = np.concatenate(some)
        words = np.stack([_mixed(names, at + 1) for at in range(TEXT_WIDTH // 64)], axis=1)
        signs = np.unpackbits(words.astype("<u8").view(np.uint8).reshape(len(names), TEXT_WIDTH // 8), axis=1)
        of_text = np.split(signs, np.cumsum([len(one) for one in some])[:-1])
        found += [np.asarray(2.0 * one.sum(axis=0, dtype=np.uint32) - len(one), dtype=np.float16) for one in of_text]
    return found


def _trigrams(plain: str) -> np.ndarray:
    """(K,) uint64 the text's trigrams, each once."""
    codes = np.frombuffer(f" {plain[:MOST_CHARS]} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    trigrams = np.zeros(max(len(codes) - TRIGRAM + 1, 0), dtype=np.uint64)
    for at in range(TRIGRAM):
        trigrams = (trigrams << np.uint64(21)) | codes[at : len(trigrams) + at]
    trigrams.sort()
    return np.asarray(trigrams[np.diff(trigrams, prepend=~trigrams[:1]) != 0])


def _mixed(names: np.ndarray, stream: int) -> np.ndarray:
    """64 bits a name that look random (splitmix64; Steele, Lea and Flood, OOPSLA 2014)."""
    state = names + np.uint64(_STEP * stream % 2**64)
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return np.asarray(state ^ (state >> np.uint64(31)))
