"""The configuration that `mixval init` writes for a task, with the unpacked weights in the place of those from the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import mixval
from benchmarks.planted_pairs import first_configuration
from examples.pretrained.unpack import LANGUAGE, TEXT, image_module
from mixval.config.tasks import Task, spec_of

IMAGE_SIDE = 96
"""Pixels a side that the image module gets: it was trained at 224, and costs a sixth at 96."""


def pretrained_configuration(task: Task, folder: Path, n_classes: int) -> dict[str, Any]:
    """Backbone and other sections for `mixval.value`; `folder` is what `unpack` has written.

    For text and causal models the sections are those that `init` writes, but for the path. EfficientNet-Lite0 is no
    architecture of transformers, so it is handed over as a module; gradients are those of its new head, since its convolutions
    pad in a way of their own.
    """
    sections = first_configuration(task, is_offline=False)
    spec = spec_of(task)
    if spec.is_image:
        sections["backbone"] = mixval.OwnModule(image_module(folder, n_classes), transform=_pixels)
        sections["ntk"] = sections["ntk"] | {"parameters": ["linear"]}
        return sections
    place = folder / (TEXT if spec.has_labels else LANGUAGE)
    sections["backbone"] = {**sections["backbone"], "path": str(place), "revision": None}
    return sections


def _pixels(image: Any) -> torch.Tensor:
    """(3, side, side) as the weights were trained: pixels over 127.5, less 1."""
    import numpy as np

    resized = image.resize((IMAGE_SIDE, IMAGE_SIDE), resample=2)  # bilinear
    return torch.from_numpy(np.asarray(resized, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1
