"""Images of a table as float arrays in [0, 1]: PNG and JPEG bytes decoded, tensors read, channels and size made equal."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from mixval.contracts.pixels import EncodedImage, in_unit_interval
from mixval.errors import ContractError, ModelError
from mixval.models.rows import column, row_name

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow's mode L


def read_images(rows: pa.Table, n_channels: int, image_size: int | None) -> Tensor:  # (N, C, H, W) float32 in [0, 1]
    """Images of the `image` column, upright, with 3 channels (RGB; transparency is dropped) or 1 (luminance).

    `mixval/contracts/pixels.py` says how they are decoded. With `image_size` each is resized to that side (bilinear,
    antialiased, aspect not kept). Raises ContractError by row for an image that is missing or cannot be decoded, ModelError
    when sizes differ and no `image_size` is given.
    """
    # One image at a time: floats of a large one take hundreds of megabytes, and are freed when it has been resized.
    tensors = [
        _sized(torch.from_numpy(_planes(_channels(array, n_channels, row_name(rows, i)))), image_size)
        for i, array in enumerate(_arrays(rows))
    ]
    sizes = sorted({(tensor.shape[1], tensor.shape[2]) for tensor in tensors})
    if len(sizes) > 1:
        raise ModelError(
            f"images of a batch must share one size; found heights and widths {sizes[:5]} in pixels. "
            "Set backbone.image_size to resize them."
        )
    return torch.stack(tensors)


def _arrays(rows: pa.Table) -> Iterable[np.ndarray]:
    """(N,) arrays (H, W, C) float32 in [0, 1]."""
    values = column(rows, "image")
    for index in range(len(values)) if values.null_count else ():
        if not values[index].is_valid:
            raise ContractError(f"{row_name(rows, index)}: 'image' must hold an image, found null. Drop the row.")
    if isinstance(values.type, pa.FixedShapeTensorType):
        return _tensor_arrays(rows, values)
    if pa.types.is_struct(values.type):
        values = pc.struct_field(values, "bytes")
    return (_decoded(data, row_name(rows, i)) for i, data in enumerate(values.to_pylist()))


def _tensor_arrays(rows: pa.Table, values: pa.ChunkedArray) -> list[np.ndarray]:
    if len(values.type.shape) != 3:
        raise ContractError(
            f"'image' tensors must be (height, width, channels), found shape {values.type.shape}. Reshape them."
        )
    arrays = np.concatenate([chunk.to_numpy_ndarray() for chunk in values.chunks if len(chunk)])
    floats = in_unit_interval(arrays)
    fine = ((floats >= 0) & (floats <= 1)).all(axis=(1, 2, 3))  # NaN is neither
    if not fine.all():
        index = int(np.argmin(fine))
        raise ContractError(
            f"{row_name(rows, index)}: a float image must lie in [0, 1], found values from {floats[index].min()} to "
            f"{floats[index].max()}. Scale it, or store uint8."
        )
    return list(floats)


def _decoded(data: Any, where: str) -> np.ndarray:
    if not isinstance(data, bytes):
        raise ContractError(f"{where}: 'image' must hold PNG or JPEG bytes, found {type(data).__name__}. Drop the row.")
    try:
        return in_unit_interval(EncodedImage(data).pixels())
    except ContractError as error:
        raise ContractError(f"{where}, 'image': {error}") from error


def _channels(array: np.ndarray, n_channels: int, where: str) -> np.ndarray:
    found = array.shape[2]
    if found == n_channels:
        return array
    if found == 4 and n_channels == 3:
        return array[:, :, :3]
    if found == 1 and n_channels == 3:
        return np.repeat(array, 3, axis=2)
    if found in (3, 4) and n_channels == 1:
        return (array[:, :, :3] @ _LUMA)[:, :, None]
    raise ContractError(
        f"{where}: an image must be (height, width, channels) with {n_channels} channels, or 1, 3 or 4 that convert; "
        f"found shape {array.shape}. Put channels last."
    )


def _planes(array: np.ndarray) -> np.ndarray:  # (H, W, C) -> (C, H, W)
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def _sized(image: Tensor, size: int | None) -> Tensor:  # (C, H, W) -> (C, size, size), or as it is
    if size is None or image.shape[1:] == (size, size):
        return image
    resized = torch.nn.functional.interpolate(image.unsqueeze(0), (size, size), mode="bilinear", antialias=True)
    return resized.squeeze(0).clamp(0, 1)
