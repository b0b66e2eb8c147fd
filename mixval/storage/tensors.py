"""Arrays at a location, as safetensors: no code in the file, one header, raw little-endian values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from mixval.errors import StorageError
from mixval.storage.root import Location


def encode_tensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The safetensors file with these arrays, of any shape and numeric type. The same arrays give the same bytes."""
    for name, array in tensors.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise StorageError(
                f"tensor {name!r}: expected a numeric NumPy array, found {kind}. Convert it, e.g. by `.numpy()`."
            )
    # The encoder takes memory as it lies: transposed and strided arrays are laid out first, 0-d ones kept so.
    plain = {name: np.array(tensors[name], order="C", copy=None) for name in sorted(tensors)}
    return bytes(safetensors.numpy.save(plain))


def read_tensors(location: Location, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays by name, writable; all, or those in `names`. Raises `StorageError` for a missing name or damaged file."""
    try:
        if path := location.local_path():
            with location.guard("read tensors"), safe_open(path, framework="numpy") as file:
                present = set(file.keys())
                _require(location, names, present)
                return {name: _writable(file.get_tensor(name)) for name in sorted(names or present)}
    except SafetensorError as error:
        raise _damaged(location, str(error)) from error
    return decode_tensors(location, location.read_bytes(), names)


def decode_tensors(location: Location, data: bytes, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays in the content of a file that was read at `location`. As `read_tensors`."""
    try:
        loaded = safetensors.numpy.load(data)
    except SafetensorError as error:
        raise _damaged(location, str(error)) from error
    _require(location, names, set(loaded))
    return {name: _writable(loaded[name]) for name in sorted(names or loaded)}


def _writable(array: np.ndarray) -> np.ndarray:
    return array if array.flags.writeable else array.copy()


def _require(location: Location, names: Sequence[str] | None, present: set[str]) -> None:
    if missing := sorted(set(names or ()) - present):
        raise StorageError(
            f"{location.url}: expected tensors {', '.join(missing)}, found {', '.join(sorted(present)) or 'none'}. Ask for one "
            "of those, or delete the artifact so that it is made again."
        )


def _damaged(location: Location, found: str) -> StorageError:
    return StorageError(f"{location.url}: expected a safetensors file, found a damaged one ({found}). Delete it and run again.")
