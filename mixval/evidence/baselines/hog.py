"""Histograms of oriented gradients of images (Dalal and Triggs, CVPR 2005), as scikit-image computes them.

Letters: N images of height H, width W and c channels; o orientations. At each pixel the central difference, of the channel in
which it is longest, is put into one of o bins over 180 degrees by its direction and counted by its length; bins are averaged
over square cells. Blocks of cells overlap, and each is divided by its length, cut at 0.2, and divided again.
"""

from __future__ import annotations

import numpy as np

from mixval.terms.arrays import Floats

ORIENTATIONS = 9
BLOCK = 2
"""Cells on a side of a block."""
CUT = 0.2
NOTHING = 1e-5
"""Added to lengths, so that a block without any gradient stays 0."""


def hog(images: Floats, cell: int) -> Floats:
    """(N, F) features of images (N, H, W, c) in 0 to 1. `cell`: pixels on a side; what fills no cell is left out."""
    down, right = np.zeros_like(images), np.zeros_like(images)
    down[:, 1:-1] = images[:, 2:] - images[:, :-2]
    right[:, :, 1:-1] = images[:, :, 2:] - images[:, :, :-2]
    length = np.hypot(down, right)
    longest = length.argmax(axis=3)[..., None]
    down, right, length = (np.take_along_axis(one, longest, axis=3)[..., 0] for one in (down, right, length))
    bins = (np.rad2deg(np.arctan2(down, right)) % 180 / (180 / ORIENTATIONS)).astype(np.int64) % ORIENTATIONS
    rows, columns = images.shape[1] // cell, images.shape[2] // cell
    counted = np.where(bins[..., None] == np.arange(ORIENTATIONS), length[..., None], 0.0)
    whole = counted[:, : rows * cell, : columns * cell].reshape(len(images), rows, cell, columns, cell, ORIENTATIONS)
    return _blocks(whole.mean(axis=(2, 4)))


def _blocks(cells: Floats) -> Floats:
    windows = np.lib.stride_tricks.sliding_window_view(cells, (BLOCK, BLOCK), axis=(1, 2))  # orientations before the window
    blocks = np.moveaxis(windows, 3, -1).reshape(*windows.shape[:3], -1)
    cut = np.minimum(_normalised(blocks), CUT)
    features: Floats = _normalised(cut).reshape(len(cells), -1)
    return features


def _normalised(blocks: Floats) -> Floats:
    normalised: Floats = blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + NOTHING**2)
    return normalised
