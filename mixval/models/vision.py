"""Image classifiers: ResNet, and whatever else transformers holds behind AutoModelForImageClassification.

Pixels in [0, 1] are normalised with mean and standard deviation a channel: the checkpoint's own (`preprocessor_config.json`),
else ImageNet's for RGB and 0.5 for anything else. The checkpoint's other preprocessing (resizing, cropping) is not applied:
`image_size` is what resizes. Features are the input of the last Linear of the classification head: the pooled layer of a
ResNet, the class token of a ViT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import torch
from torch import Tensor, nn

from mixval.errors import ModelError
from mixval.models.backbone import Batch, Forward
from mixval.models.hidden import at_least_float32, inputs_of
from mixval.models.images import read_images
from mixval.models.rows import class_indices

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class VisionFamily:
    """Encodes `image` and `label`; runs an image classifier."""

    head: nn.Linear
    """The head's last layer, whose input is the feature."""
    n_channels: int
    image_size: int | None
    """Side in pixels to which images are resized."""
    normalisation: tuple[Sequence[float], Sequence[float]]
    """Mean and standard deviation a channel."""
    classes: Sequence[int] | None
    """Labels by class index; None: the label is the index."""
    n_classes: int

    def encode(self, rows: pa.Table) -> Batch:
        """`pixels` (B, C, H, W) float32, normalised; `targets` (B,) int64 class indices; `is_truncated` (B,) bool."""
        mean, std = (torch.tensor(values, dtype=torch.float32).view(-1, 1, 1) for values in self.normalisation)
        pixels = (read_images(rows, self.n_channels, self.image_size) - mean) / std
        targets = torch.from_numpy(class_indices(rows, self.classes, self.n_classes))
        return {"pixels": pixels, "targets": targets, "is_truncated": torch.zeros(len(targets), dtype=torch.bool)}

    def forward(self, module: nn.Module, batch: Batch) -> Forward:
        """Logits (B, C), features (B, D)."""
        with inputs_of(self.head) as inputs:
            logits = module(pixel_values=batch["pixels"]).logits
        return Forward(logits, at_least_float32(inputs[0].flatten(1)))

    def example(self) -> None:
        """None: the size of images is the data's."""

    def pixels(self, rows: pa.Table) -> Tensor:
        """(N, H*W*C) float32 in [0, 1], as decoded and resized, not normalised."""
        return read_images(rows, self.n_channels, self.image_size).permute(0, 2, 3, 1).flatten(1)


def normalisation(preprocessor: dict[str, Any] | None, n_channels: int) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation a channel: of `preprocessor_config.json` where it has them, else the default."""
    default: tuple[Sequence[float], Sequence[float]] = (
        (IMAGENET_MEAN, IMAGENET_STD) if n_channels == 3 else ((0.5,) * n_channels, (0.5,) * n_channels)
    )
    if preprocessor is None or not preprocessor.get("do_normalize", True) or "image_mean" not in preprocessor:
        is_off = preprocessor is not None and preprocessor.get("do_normalize") is False
        return ((0.0,) * n_channels, (1.0,) * n_channels) if is_off else default
    mean, std = preprocessor["image_mean"], preprocessor.get("image_std", default[1])
    if len(mean) != n_channels or len(std) != n_channels or min(std) <= 0:
        raise ModelError(
            f"preprocessor_config.json must give mean and positive std for {n_channels} channels, found {mean} and "
            f"{std}. Correct it."
        )
    return mean, std


def replace_stem(module: nn.Module, seed: int) -> nn.Conv2d:
    """Put a 3x3 stride-1 convolution in place of a ResNet's 7x7 stride-2 stem and no pooling after it; return the new layer.

    The usual stem for 32x32 images. Its weights are new, also in a checkpoint: Kaiming normal (fan out, as in transformers'
    ResNet) from `seed`. Raises ModelError for anything but a ResNet.
    """
    trunk: Any = getattr(module, "resnet", None)
    if trunk is None:
        raise ModelError(f"backbone.stem `3x3` is for ResNets only, found {type(module).__name__}. Set it to `original`.")
    old = trunk.embedder.embedder.convolution
    shape: dict[str, Any] = {"kernel_size": 3, "stride": 1, "padding": 1, "bias": False, "dtype": old.weight.dtype}
    # Its usual initialisation would draw from torch's global random state.
    made: Any = nn.utils.skip_init
    new = cast("nn.Conv2d", made(nn.Conv2d, old.in_channels, old.out_channels, **shape))
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu", generator=torch.Generator().manual_seed(seed))
    trunk.embedder.embedder.convolution = new
    trunk.embedder.pooler = nn.Identity()
    return new
