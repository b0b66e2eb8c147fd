"""A linear classifier of random patch features: an image model made from a seed alone.

No weight was trained. Each of K random filters meets every patch, whose mean and contrast are taken out first; positive and
negative parts are averaged over nine parts of the image (Coates, Lee and Ng, AISTATS 2011, with random filters in the place of
learnt ones). The NTK of the linear layer over it tells classes apart, at a tenth of the time of a random ResNet-18
(docs/laboratory.md). Letters: B images, K filters, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixval.errors import ModelError
from mixval.models.heads import HEAD_STD
from mixval.models.seeded_configs import PatchConfig

LEAST_CONTRAST = 0.2
"""Added to a patch's variance, in squared standard deviations of the data's channels: flat patches stay small."""


@dataclass(frozen=True)
class Output:
    """What the model gives, in the words of transformers."""

    logits: Tensor
    """(B, C)."""


class PatchClassifier(nn.Module):
    """A linear classifier over averages of random filters."""

    filters: Tensor

    def __init__(self, config: PatchConfig) -> None:
        """Filters and head are normal, from torch's random state."""
        super().__init__()
        self.config = config
        drawn = torch.randn(config.n_filters, config.num_channels, config.patch_size, config.patch_size)
        centred = drawn - drawn.mean((1, 2, 3), keepdim=True)
        self.register_buffer("filters", functional.normalize(centred.flatten(1), dim=1).view_as(drawn))
        self.classifier = nn.Linear(2 * config.n_filters * config.pool**2, config.num_labels, bias=False)
        nn.init.normal_(self.classifier.weight, std=HEAD_STD)

    def forward(self, pixel_values: Tensor) -> Output:
        """(B, C) logits of images (B, channels, H, W); raises ModelError for images smaller than a patch."""
        return Output(self.classifier(self.features(pixel_values)))

    def features(self, pixels: Tensor) -> Tensor:  # (B, 2 K pool^2), of length 1
        """Averages of the positive and negative parts of each filter's answers."""
        size, stride = self.config.patch_size, max(1, self.config.patch_size // 3)
        if min(pixels.shape[2:]) < size:
            raise ModelError(
                f"`patches` needs images of at least {size} pixels a side, found {tuple(pixels.shape[2:])}. Set "
                "backbone.image_size, or a smaller backbone.random_init.settings.patch_size."
            )
        n_entries = self.filters[0].numel()
        mean = functional.avg_pool2d(pixels.mean(1, keepdim=True), size, stride)
        square = functional.avg_pool2d((pixels**2).mean(1, keepdim=True), size, stride)
        contrast = ((square - mean**2).clamp(min=0) + LEAST_CONTRAST).sqrt() * n_entries**0.5
        answers = functional.conv2d(pixels, self.filters, stride=stride) / contrast
        parts = torch.cat([answers.relu(), (-answers).relu()], 1)
        return functional.normalize(functional.adaptive_avg_pool2d(parts, self.config.pool).flatten(1), dim=1)
