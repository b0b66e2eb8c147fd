"""Attacks on features: inputs moved, as little as can be seen, to where the backbone finds T's rows.

Letters: B rows of a batch; M of T; D features; k the mean of Gaussian kernels at 1/2, 1 and 2 median distances of T.

images   projected gradient descent on MMD^2(batch, T) in pixels (Madry et al., ICLR 2018): steps of STEP along the sign of
         the gradient, within RADIUS of the image in every pixel, rounded to 8 bits at the end
texts    up to WORDS words are appended one by one, each time of the CANDIDATES that T has most more often than oneself the
         one that lowers most the row's witness, mean k(x, own) - mean k(x, T), if one does
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from benchmarks.evidence.attacks.attack import AttackerView, counted, seen, taken
from benchmarks.evidence.worlds.disguise import png
from benchmarks.evidence.worlds.spoiling import replaced
from mixval.config.tasks import spec_of
from mixval.errors import ConfigError
from mixval.evidence.baselines import forward_pass
from mixval.models.backbone import Backbone
from mixval.models.rows import strings
from mixval.models.vision import VisionFamily
from mixval.stages.rows import in_batches
from mixval.terms.discrepancy.bandwidth import median_bandwidth

RADIUS = 8 / 255
"""Largest change of a pixel in [0, 1]: hardly seen."""
STEP, STEPS = 2 / 255, 12
WORDS, CANDIDATES = 3, 5
FEWEST_IN_TARGET = 2
"""Times that a word must stand in T to be a candidate."""
TARGET_ROWS = 256
"""Rows of T that are aimed at."""
MULTIPLIERS = (0.5, 1.0, 2.0)


def adversarial_features(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """The same rows and labels, a random share of the inputs moved towards T's features."""
    backbone, target = seen(sight.backbone), seen(sight.target)
    aim = taken(target, random.permutation(target.num_rows)[:TARGET_ROWS])
    chosen = random.permutation(table.num_rows)[: counted(strength, table)]
    spec = spec_of(sight.task)
    name = spec.content
    values = table[name].to_pylist()
    chosen = np.array(sorted(chosen.tolist(), key=lambda at: (len(values[at]), at)))  # texts of a length share a batch
    rows = taken(table, chosen)
    if spec.is_image:
        moved: list[bytes] | list[str] = _moved_images(backbone, rows, aim, sight.batch_rows)
    else:
        moved = _moved_texts(backbone, rows, aim, name, sight.batch_rows)
    for at, value in zip(chosen, moved, strict=True):
        values[at] = value
    return replaced(table, name, values)


def squared_discrepancy(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    """MMD^2 of (B, D) and (M, D) features, diagonals included: a scalar that gradients pass through."""
    return _kernel(x, x, bandwidth).mean() + _kernel(y, y, bandwidth).mean() - 2 * _kernel(x, y, bandwidth).mean()


def _kernel(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:  # (B, M)
    squared = ((x[:, None] - y[None]) ** 2).sum(2)
    return torch.stack([torch.exp(-squared / (2 * (bandwidth * one) ** 2)) for one in MULTIPLIERS]).mean(0)


def _moved_images(backbone: Backbone, rows: pa.Table, aim: pa.Table, batch_rows: int) -> list[bytes]:
    family = backbone.family
    if not isinstance(family, VisionFamily):
        raise ConfigError(f"gradients of pixels need an image backbone, found {type(family).__name__}. Load one.")
    of_target = torch.from_numpy(forward_pass.run(backbone, aim, batch_rows).features).to(backbone.device, backbone.dtype)
    bandwidth = median_bandwidth(of_target.double().cpu().numpy())
    mean, std = (torch.tensor(one, dtype=backbone.dtype).view(1, -1, 1, 1) for one in family.normalisation)
    images: list[bytes] = []
    for piece in in_batches(rows, batch_rows):
        batch = backbone.encode(piece)
        start = (batch["pixels"].cpu() * std + mean).clamp(0, 1)
        pixels = start.clone()
        for _ in range(STEPS):
            pixels.requires_grad_(True)
            features = backbone.forward(batch | {"pixels": ((pixels - mean) / std).to(backbone.device)}).features
            (slope,) = torch.autograd.grad(squared_discrepancy(features.to(of_target.dtype), of_target, bandwidth), pixels)
            moved = pixels.detach() - STEP * slope.sign()
            pixels = torch.minimum(torch.maximum(moved, start - RADIUS), start + RADIUS).clamp(0, 1)
        levels = (pixels.detach() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        images += [png(np.repeat(one, 3, axis=2) if one.shape[2] == 1 else one) for one in levels]
    return images


def target_words(own: list[str], of_target: list[str]) -> list[str]:
    """Words that T has more often than oneself, by the ratio of their smoothed shares; at most CANDIDATES."""
    counts, others = Counter(" ".join(of_target).split()), Counter(" ".join(own).split())
    ratio = {word: n / (1 + others[word]) for word, n in counts.items() if n >= FEWEST_IN_TARGET}
    return sorted(ratio, key=lambda word: (-ratio[word], word))[:CANDIDATES]


def _moved_texts(backbone: Backbone, rows: pa.Table, aim: pa.Table, name: str, batch_rows: int) -> list[str]:
    texts = strings(rows, name)
    words = target_words(texts, strings(aim, name))
    own = torch.from_numpy(forward_pass.run(backbone, rows, batch_rows).features)
    of_target = torch.from_numpy(forward_pass.run(backbone, aim, batch_rows).features)
    bandwidth = median_bandwidth(of_target.numpy())
    words = ["", *words]  # a row may stay as it is
    for _ in range(WORDS):
        witnesses = []
        for word in words:
            longer = replaced(rows, name, [f"{text} {word}".rstrip() for text in texts])
            features = torch.from_numpy(forward_pass.run(backbone, longer, batch_rows).features)
            witnesses.append(_kernel(features, own, bandwidth).mean(1) - _kernel(features, of_target, bandwidth).mean(1))
        best = torch.stack(witnesses).argmin(0).tolist()
        texts = [f"{text} {words[at]}" if at else text for text, at in zip(texts, best, strict=True)]
    return texts
